"""Recorded runs: one line of JSON for each, in a file per layer that git merges by union.

{"run": "segmentation-coco/0123456789abcdef", "files": {"run.json": ["<md5>", <bytes>], ...}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path

from transfer_atlas.sharing.repository import SharingError

Files = Mapping[str, tuple[str, int]]  # path relative to the run's folder -> md5, bytes
CONFLICT_MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")


@dataclass(frozen=True)
class Records:
    """The recorded runs of a layer: files by run, `<readable name>/<key>`."""

    runs: Mapping[str, Files]
    twice: tuple[str, ...] = ()  # runs of which the file told two versions, as after a merge

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
            {"md5": digest, "relpath": f"{run}/{name}"}
            for run, files in self.runs.items()
            for name, (digest, _) in files.items()
        ]
        entries.sort(key=lambda entry: entry["relpath"])
        return json.dumps(entries, sort_keys=True).encode()

    def version(self) -> str:
        """DVC's md5 of a folder that holds these runs."""
        return md5(self.listing()).hexdigest() + ".dir"

    def text(self) -> str:
        """The file: a line for each run, sorted."""
        return "".join(_line(run, self.runs[run]) + "\n" for run in sorted(self.runs))


def read_records(path: Path) -> Records:
    """Read a layer's file; none recorded if there is no file.

    Of a run that was recorded twice with different files (two people computed it), both versions are valid;
    the line that sorts first is taken, so that everybody takes the same. Marks of a merge conflict are passed over.
    Raises SharingError for any other line.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return Records({})
    found: dict[str, Files] = {}
    twice: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith(CONFLICT_MARKS):
            continue
        try:
            entry = json.loads(line)
            files = {str(name): (str(md5), int(size)) for name, (md5, size) in entry["files"].items()}
            run = str(entry["run"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SharingError(
                f"{path}, line {number} is no recorded run ({type(error).__name__}: {error}). "
                "Restore the file with git, or remove the line and record again."
            ) from None
        if run in found and found[run] != files:
            twice.add(run)
            files = min(found[run], files, key=lambda version: _line(run, version))
        found[run] = files
    return Records(found, tuple(sorted(twice)))


def _line(run: str, files: Files) -> str:
    return json.dumps({"run": run, "files": {name: list(files[name]) for name in sorted(files)}})
