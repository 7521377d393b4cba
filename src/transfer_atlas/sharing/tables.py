"""Recorded tables and figures: a version for each study, and whether it follows from the recorded runs.

Studies write to `results/` or to folders in it. Each is recorded by itself, so that two machines that made two studies
lose nothing of each other's. `results/<study>/.shows/*.json` lists the run.json files that the tables show.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path, PurePosixPath

from transfer_atlas.sharing.records import DIGITS, Files, Records, Version, parse_files
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable

SHOWS = ".shows"


class TablesVersion(Version):
    """The tables of one study. run: the study's folder below `results`, empty for `results` itself.

    told["shows"]: the first digits of the md5 of each run.json that they show.
    """

    @property
    def md5(self) -> str:
        """md5 of the list of the files."""
        return hashlib.md5(json.dumps(sorted(self.files.items())).encode()).hexdigest()

    @property
    def place(self) -> str:
        """Its file, relative to the folder of the layer's records."""
        folder = re.sub(r"[^a-z0-9_.-]", "-", self.run.lower()).strip(".-") or "results"
        return f"{folder}/{self.md5[:DIGITS]}.json"


def parse_tables(text: str | bytes) -> TablesVersion:
    """The tables of a study as their file tells them. Raises Unacceptable."""
    content = checked.plain_json(text)
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        raise Unacceptable("records no tables; expected a mapping with run and files.")
    study, told = content.get("run"), content.get("told", {})
    if study != "":
        checked.file_name(study)
    files = parse_files({f"{study}/{name}".lstrip("/"): facts for name, facts in content["files"].items()})
    if not files or not isinstance(told, dict) or not isinstance(told.get("shows", []), list):
        raise Unacceptable(
            "records no tables; expected files, and told as a mapping with a list of what they show."
        )
    return TablesVersion(str(study), parse_files(content["files"]), told=told)


def by_study(files: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Files of `results` by study. files: anything by path below `results`.

    A study's folder is one that holds `.shows` or `tables`; what lies in no such folder belongs to `results` itself.
    """
    studies = set()
    for name in files:
        parts = PurePosixPath(name).parts
        studies |= {
            "/".join(parts[:place]) for place, part in enumerate(parts[:-1]) if part in (SHOWS, "tables")
        }
    found: dict[str, dict[str, str]] = {}
    for name, content in files.items():
        parents = [str(parent) for parent in PurePosixPath(name).parents]
        study = next((parent for parent in parents if parent in studies), "")
        found.setdefault(study, {})[name.removeprefix(f"{study}/") if study else name] = content
    return found


def read_shown(results: Path) -> set[tuple[str, str]] | None:
    """What the stamps of a study say that its tables and figures show; None if there are none.

    Each is `<folder of the kind>/<name>/<key>` with the md5 of the run.json (planning/shown.py). Raises Unacceptable
    for a stamp of another form.
    """
    files = sorted((Path(results) / SHOWS).glob("*.json"))
    found = set()
    for file in files:
        content = checked.plain_json(file.read_bytes())
        if not isinstance(content, dict):
            raise Unacceptable(f"{file} is no mapping.")
        for name, md5 in content.items():
            kind, _, run = str(name).partition("/")
            found.add((f"{checked.file_name(kind)}/{checked.run_name(run)}", checked.md5(md5)))
    return found if files else None


def unlike_written(results: Path, digests: Mapping[str, str]) -> dict[str, str] | None:
    """What became of files that a study wrote and that are not as it wrote them: `changed` or `removed`, by name.

    None where what was written is not said of all that show something. digests: md5 of the study's files by path below
    `results`. Raises Unacceptable for an account of another form.
    """
    found = {}
    for stamp in sorted((Path(results) / SHOWS).glob("*.json")):
        account = stamp.with_suffix(".md5")
        if not account.is_file():
            return None
        try:
            lines = account.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError:
            raise Unacceptable(f"{account} is no text.") from None
        for line in lines:
            md5, _, name = line.partition("  ")
            if digests.get(name) != checked.md5(md5):
                found[name] = "changed" if name in digests else "removed"
    return dict(sorted(found.items()))


def disagreements(shown: Iterable[tuple[str, str]], agreeing: Mapping[str, Collection[str]]) -> list[str]:
    """Runs that tables show in another version than those recorded, or that are not recorded.

    shown: as `read_shown` gives it. agreeing: by run, the md5s of the recorded version and of those that came to the
    same numbers.
    """
    return sorted({run for run, md5 in shown if md5 not in agreeing.get(run, ())})


def agreeing_versions(records: Mapping[str, Records]) -> dict[str, set[str]]:
    """For `disagreements`: md5s by run, from the records by folder of the kind."""
    found = {}
    for folder, of_layer in records.items():
        for run in of_layer.runs:
            taken = of_layer.taken(run)
            found[f"{folder}/{run}"] = {
                version.md5
                for version in of_layer.versions[run]
                if version is taken or (version.numbers and version.numbers == taken.numbers)
            }
    return found


def pruned(records: Records, agreeing: Mapping[str, Collection[str]]) -> list[TablesVersion]:
    """One version for each study: of several, one whose tables follow from the recorded runs, if any does."""
    digits = {md5[:DIGITS] for found in agreeing.values() for md5 in found}

    def rank(version: Version) -> tuple[bool, str]:
        shows = version.told.get("shows", [])
        return (not shows or not set(map(str, shows)) <= digits, version.md5)

    return [min(found, key=rank) for found in records.versions.values()]


def tables_version(study: str, files: Files, shown: Iterable[tuple[str, str]]) -> TablesVersion:
    """The version of a study's tables that show these runs."""
    return TablesVersion(study, dict(files), told={"shows": sorted({md5[:DIGITS] for _, md5 in shown})})
