"""Recorded runs: a small JSON file of git for each computed version of each run, and which version is taken.

recorded/<layer>/<readable name>/<key>-<12 digits of the md5 of run.json>.json

What a file says follows from the run alone, and no two versions share a file. So two branches that record runs never
change the same file, and git merges them anywhere, also on a hosting service. A version that was thrown away keeps its
file, with `removed` in it: it does not come back by a merge, nor from a colleague's store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable, numbers_of
from transfer_atlas.store.store import RUN_FILE

Files = Mapping[str, tuple[str, int]]  # path relative to the run's folder -> md5, bytes
CHOSEN, SET_ASIDE, REMOVED = "", "set aside", "removed"  # what people decided about a version
STATES = (CHOSEN, SET_ASIDE, REMOVED)
DIGITS = 12  # of an md5, in names of files


@dataclass(frozen=True)
class Version:
    """One computed version of a run.

    told: what a person wants to see of it without fetching it (status, value, device, packages).
    """

    run: str  # <readable name>/<key>
    files: Files
    numbers: str = ""  # digest of status, metrics and files: equal for two computations that agree
    told: Mapping[str, Any] = field(default_factory=dict)
    state: str = CHOSEN

    @property
    def md5(self) -> str:
        """md5 of its run.json."""
        return self.files[RUN_FILE][0]

    @property
    def place(self) -> str:
        """Its file, relative to the folder of the layer's records."""
        return f"{self.run}-{self.md5[:DIGITS]}.json"

    @property
    def rank(self) -> tuple[Any, ...]:
        """The version that sorts first is taken: not set aside, computed first."""
        return (STATES.index(self.state), str(self.told.get("created") or "9"), self.md5)

    def text(self) -> str:
        """Its file."""
        content = {
            "run": self.run,
            "files": {name: list(self.files[name]) for name in sorted(self.files)},
            "numbers": self.numbers,
            "told": dict(self.told),
        }
        if self.state:
            content["state"] = self.state
        return json.dumps(content, indent=1, sort_keys=True, allow_nan=False) + "\n"


@dataclass(frozen=True)
class Records:
    """The recorded runs of a layer.

    runs: files of the version that is taken, by run. versions: all versions of every run, those not taken included.
    problems: what was refused, each with the name of its file.
    """

    runs: Mapping[str, Files]
    versions: Mapping[str, tuple[Version, ...]] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(size for files in self.runs.values() for _, size in files.values())

    @property
    def count(self) -> int:
        """Number of files."""
        return sum(map(len, self.runs.values()))

    def listing(self) -> bytes:
        """DVC's list of a folder that holds these runs; its md5 with `.dir` is the folder's version."""
        entries = [
            {"md5": digest, "relpath": f"{run}/{name}" if run else name}
            for run, files in self.runs.items()
            for name, (digest, _) in files.items()
        ]
        entries.sort(key=lambda entry: entry["relpath"])
        return json.dumps(entries, sort_keys=True).encode()

    def version(self) -> str:
        """DVC's md5 of a folder that holds these runs."""
        return hashlib.md5(self.listing()).hexdigest() + ".dir"

    def taken(self, run: str) -> Version | None:
        """The version of a run that is taken; None if it is not recorded, or was removed."""
        found = [version for version in self.versions.get(run, ()) if version.state != REMOVED]
        return min(found, key=lambda version: version.rank) if found else None

    def known(self, run: str, md5: str) -> Version | None:
        """The version of a run with this md5 of its run.json, whether taken, set aside or removed."""
        return next((version for version in self.versions.get(run, ()) if version.md5 == md5), None)


def records_of(versions: Iterable[Version], problems: Iterable[str] = ()) -> Records:
    """Records with these versions; the rule says which is taken of each run, whatever the order."""
    by_run: dict[str, dict[str, Version]] = {}
    for version in versions:
        of_run = by_run.setdefault(version.run, {})
        known = of_run.get(version.md5, version)
        of_run[version.md5] = max(known, version, key=lambda found: (STATES.index(found.state), found.text()))
    ordered = {run: tuple(sorted(found.values(), key=_rank)) for run, found in sorted(by_run.items())}
    records = Records({}, ordered, tuple(problems))
    taken = {run: records.taken(run) for run in ordered}
    return replace(
        records, runs={run: version.files for run, version in taken.items() if version is not None}
    )


def version_of(run: str, record: Mapping[str, Any], files: Files) -> Version:
    """The version that a run's checked run.json and hashed files make."""
    metrics = record.get("metrics") or {}
    told = {name: record.get(name) for name in ("status", "created", "device", "packages", "python")}
    value = metrics.get("value")
    told["value"] = value if isinstance(value, int | float) else None
    return Version(
        run, dict(files), numbers_of(dict(record)), {k: v for k, v in told.items() if v is not None}
    )


def parse_version(text: str | bytes) -> Version:
    """A version as its file tells it. Raises Unacceptable if any part of it is not what it should be."""
    content = checked.plain_json(text)
    if not isinstance(content, dict) or not isinstance(content.get("files"), dict):
        raise Unacceptable("is no recorded run; expected a mapping with run and files.")
    run = checked.run_name(content.get("run"))
    files = parse_files(content["files"])
    if RUN_FILE not in files:
        raise Unacceptable(f"records no {RUN_FILE}.")
    told, state, numbers = content.get("told", {}), content.get("state", CHOSEN), content.get("numbers", "")
    if not isinstance(told, dict) or state not in STATES or not isinstance(numbers, str):
        raise Unacceptable(f"has a state {state!r}; expected one of {STATES}, and told as a mapping.")
    return Version(run, files, numbers, told, state)


def parse_files(content: Mapping[Any, Any]) -> dict[str, tuple[str, int]]:
    """Checked files with md5 and size by name. Raises Unacceptable."""
    files = {}
    for name, facts in content.items():
        if not isinstance(facts, list | tuple) or len(facts) != 2:
            raise Unacceptable(f"file {name!r} has {facts!r}; expected its md5 and bytes.")
        files[checked.file_name(name)] = (checked.md5(facts[0]), checked.size(facts[1]))
    for name in files:  # a file cannot be a folder of another
        parts = name.split("/")
        if any("/".join(parts[:length]) in files for length in range(1, len(parts))):
            raise Unacceptable(f"{name} lies in what is a file.")
    return files


def _rank(version: Version) -> tuple[Any, ...]:
    return version.rank
