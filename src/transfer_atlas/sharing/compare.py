"""A run that is here against what is recorded of it: the same, computed again, or changed after it was recorded."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer_atlas.sharing.record_files import dump
from transfer_atlas.sharing.records import REMOVED, Records, Version, version_of
from transfer_atlas.store.checked import read_checked
from transfer_atlas.store.store import RUN_FILE

SAME = "same"  # it is the recorded version
AGAIN = "again"  # computed again, with the same numbers
OTHER = "other"  # computed again, with other numbers
CHANGED = "changed"  # an edit of a recorded version: refused
GONE = "gone"  # a version that was removed from the record
NEW = "new"  # nothing is recorded


@dataclass(frozen=True)
class Comparison:
    """How a run's run.json stands to the record; text: what to say of it, empty if there is nothing to say."""

    verdict: str
    text: str = ""


def compare(folder: Path, run: str, records: Records, shown: Path) -> Comparison:
    """Compare a run that is whole with its recorded versions.

    folder: of the run. run: its name in the layer. shown: the folder as people know it.
    Raises StoreError if its run.json is not one.
    """
    content = (folder / RUN_FILE).read_bytes()
    md5 = hashlib.md5(content).hexdigest()
    known = records.known(run, md5)
    taken = records.taken(run)
    if known is not None and known.state == REMOVED:
        return Comparison(GONE, f"{shown} was removed from the record, and lies here still")
    if known is not None and known is taken:
        return Comparison(SAME)
    if taken is None:
        return Comparison(NEW)
    record = read_checked(folder)
    here = known or version_of(run, record, {RUN_FILE: (md5, len(content))})
    edited = edit_of(here, records.versions.get(run, ())) if known is None else None
    if edited is not None:
        return Comparison(
            CHANGED,
            f"{shown}/{RUN_FILE} was changed after it was recorded: {_told(here, edited)} here, "
            f"{_told(edited, here)} recorded.",
        )
    if taken.numbers and here.numbers == taken.numbers:
        return Comparison(AGAIN, f"{shown} was computed here again, with the same numbers")
    return Comparison(
        OTHER,
        f"{shown} was computed here again, with other numbers: {_told(here, taken)} here, "
        f"{_told(taken, here)} recorded.",
    )


def edit_of(version: Version, known: tuple[Version, ...]) -> Version | None:
    """The recorded version that another one is an edit of: made in the same second, yet another file."""
    made = version.told.get("created")
    return next((other for other in known if made is not None and other.told.get("created") == made), None)


def between_versions(run: Path, records: Records, name: str) -> list[str]:
    """What to say of a recorded run of which two computations came to other numbers."""
    taken = records.taken(name)
    if taken is None:
        return []
    others = [v for v in records.versions[name] if v is not taken and v.state != REMOVED]
    return [
        f"{run}: {_told(taken, other)} is taken; {_told(other, taken)} was computed as well."
        for other in others
        if other.numbers != taken.numbers
    ]


def _told(version: Version, other: Version) -> str:
    """A version's value, device and time, and the packages in which it differs from another version."""
    told: Mapping[str, Any] = version.told
    words = [f"value {dump(told.get('value'))}"]
    if told.get("status") != other.told.get("status"):
        words = [f"status {dump(told.get('status'))}", *words]
    words += [dump(told[name]).strip('"') for name in ("device", "created") if name in told]
    mine, theirs = (v.told.get("packages") for v in (version, other))
    if isinstance(mine, dict) and isinstance(theirs, dict):
        words += [
            f"{dump(name)} {dump(mine.get(name))}".replace('"', "")
            for name in sorted(mine.keys() | theirs.keys(), key=str)
            if mine.get(name) != theirs.get(name)
        ]
    return f"{words[0]} ({', '.join(words[1:])})"
