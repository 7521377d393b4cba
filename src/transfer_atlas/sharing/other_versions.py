"""Results of other versions: what the store has of runs that a plan lacks, and which setting or code makes them others.

Pure, but for `results_beside`, which reads run.json files. Knows neither studies nor rules.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from transfer_atlas.sharing.record_files import dump
from transfer_atlas.store.checked import RUN_NAME, read_checked
from transfer_atlas.store.files import printable
from transfer_atlas.store.store import StoreError

Record = Mapping[str, Any]  # a run.json
Find = Callable[[str], Record | None]  # by key
LONGEST = 40  # characters of a value that is shown


class Planned(Protocol):
    """What of a planned run is needed: that of its key, and its parents by role."""

    kind: str
    name: str
    key: str
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    code: Mapping[str, int]
    parents: Mapping[str, Planned]

    def folder(self, store: Path) -> Path:
        """Where its result lives."""


@dataclass(frozen=True)
class OtherVersion:
    """A result of a planned run's name under another key. differences: what makes it another, `a: old -> new`."""

    kind: str
    name: str
    key: str
    differences: tuple[str, ...]


def told_of_others(lacking: Iterable[Planned], store: Path) -> list[str]:
    """Sentences about results of other versions of runs that a plan lacks, for people who look at the plan."""
    lacking = list(lacking)
    involved, waiting = {}, list(lacking)
    while waiting:
        run = waiting.pop()
        if (run.kind, run.key) not in involved:
            involved[run.kind, run.key] = run
            waiting += run.parents.values()
    return summary(other_versions(lacking, results_beside(involved.values(), store)))


def results_beside(runs: Iterable[Planned], store: Path) -> list[Record]:
    """run.json of all results that lie beside those of the planned runs, of the same kinds and names.

    Those that are no results of this project, or damaged, are left out.
    """
    found = []
    for folder in sorted({run.folder(store).parent for run in runs}):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if RUN_NAME.fullmatch(f"{folder.name}/{path.name}"):
                try:
                    found.append(read_checked(path))
                except StoreError:
                    continue  # `verify` tells of it; it is no result of another version
    return found


def other_versions(runs: Iterable[Planned], records: Iterable[Record]) -> list[OtherVersion]:
    """Results of other versions of the planned runs, each with all that makes it another.

    runs: those that a plan lacks. records: run.json files of the store, among them those of parents if they are
    there; a parent that is another one is explained by its own differences.
    """
    records = list(records)
    by_key = {record["key"]: record for record in records}
    by_name: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        by_name.setdefault((str(record.get("kind")), str(record.get("name"))), []).append(record)
    return [
        OtherVersion(run.kind, run.name, record["key"], differences(run, record, by_key.get))
        for run in runs
        for record in by_name.get((run.kind, run.name), ())
        if record["key"] != run.key
    ]


def differences(run: Planned, record: Record, find: Find) -> tuple[str, ...]:
    """What makes a result another than a planned run: code versions, settings, versions of data, parents."""
    found = [
        f"{prefix}{path}: {old} -> {new}"
        for prefix, there, planned in (
            ("code ", record["code_versions"], run.code),
            ("", record["settings"], run.settings),
            ("version of ", record["versions"], run.versions),
        )
        for path, old, new in _changes(there, planned)
    ]
    parents = record["parents"]
    for role in sorted(parents.keys() | run.parents.keys()):
        parent, key = run.parents.get(role), parents.get(role)
        if parent is None or key is None:
            found.append(
                f"{role}: {'none' if key is None else key} -> {'none' if parent is None else parent.key}"
            )
        elif parent.key != key:
            other = find(key)
            inner = (
                () if other is None or other.get("kind") != parent.kind else differences(parent, other, find)
            )
            # the parent of another name is another one, whatever else differs
            named = other is not None and other.get("name") == parent.name and inner
            found += inner if named else [f"{role}: {key} -> {parent.key}"]
    return tuple(dict.fromkeys(found))


def summary(found: Iterable[OtherVersion], most: int = 8) -> list[str]:
    """A sentence for each set of differences, the most frequent first: how many results, and what makes them others."""
    counts = Counter((other.kind, other.differences) for other in found)
    lines = [
        f"{count} {kind} results of other versions lie here; they differ in {'; '.join(differences) or 'nothing told'}"
        for (kind, differences), count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    lines = list(map(printable, lines))
    return lines if len(lines) <= most else [*lines[:most], f"and {len(lines) - most} groups more"]


def _changes(there: Any, planned: Any, path: str = "") -> list[tuple[str, str, str]]:
    """Paths of values that differ, with the value there and the planned one."""
    if isinstance(there, Mapping) and isinstance(planned, Mapping):
        return [
            change
            for name in sorted(there.keys() | planned.keys(), key=str)
            for change in _changes(
                there.get(name, _NOTHING),
                planned.get(name, _NOTHING),
                f"{path}.{name}" if path else str(name),
            )
        ]
    if dump(there) == dump(planned):  # a tuple of the plan is a list in a file
        return []
    return [(path, _shown(there), _shown(planned))]


class _Nothing:
    def __str__(self) -> str:
        return "not set"


_NOTHING = _Nothing()


def _shown(value: Any) -> str:
    text = str(value) if value is _NOTHING else dump(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
