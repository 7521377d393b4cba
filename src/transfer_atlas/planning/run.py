"""One node of the graph: a run with its settings, its parents and the key that they give it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer_atlas.planning.kinds import KINDS, Kind
from transfer_atlas.store.keys import key_of, sorted_mappings
from transfer_atlas.store.store import RUN_FILE, run_folder


@dataclass(frozen=True)
class Run:
    """One node of the graph with its settings: what a key names and a run.json records.

    `settings` are plain built-ins; `parents` maps a role (ilsvrc, source, dataset) to the run it builds on;
    `location` holds what a run needs but what cannot change its result (folders), and does not enter the key.
    `name` is for people and follows from what is in the key: what a study wants a run for is in its plan.
    """

    kind: str
    name: str
    settings: dict[str, Any]
    code: dict[str, int]
    versions: dict[str, str] = field(default_factory=dict)
    parents: dict[str, Run] = field(default_factory=dict)
    location: dict[str, str] = field(default_factory=dict)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the key once: settings, versions, parents' keys and code versions, nothing else.

        Mappings are sorted, so that a computation that walks one cannot see an order that the key does not know.
        """
        for name in ("settings", "code", "versions", "parents", "location"):
            object.__setattr__(self, name, sorted_mappings(getattr(self, name)))
        object.__setattr__(
            self,
            "key",
            key_of(
                {
                    "kind": self.kind,
                    "settings": self.settings,
                    "versions": self.versions,
                    "parents": {role: parent.key for role, parent in self.parents.items()},
                    "code": self.code,
                }
            ),
        )

    @property
    def described(self) -> Kind:
        """What is known of its kind."""
        return KINDS[self.kind]

    def folder(self, store: Path) -> Path:
        """Where the result lives."""
        return run_folder(store, self.described.folder, self.name, self.key)

    def outputs(self, store: Path) -> dict[str, Path]:
        """Declared files by role: what must be there for the run to be up to date."""
        folder = self.folder(store)
        return {
            "run": folder / RUN_FILE,
            **{role: folder / name for role, name in self.described.files.items()},
        }


def ancestry(runs: Iterable[Run]) -> list[Run]:
    """All that some runs build on, directly or not; each once, parents before what builds on them."""
    found: dict[tuple[str, str], Run] = {}

    def visit(run: Run) -> None:
        for parent in run.parents.values():
            if (parent.kind, parent.key) not in found:
                visit(parent)
                found[parent.kind, parent.key] = parent

    for run in runs:
        visit(run)
    return list(found.values())


def with_ancestry(runs: Iterable[Run]) -> list[Run]:
    """Some runs and all they build on; each once, parents first."""
    runs = list(runs)
    found = {(run.kind, run.key): run for run in [*ancestry(runs), *runs]}
    return list(found.values())
