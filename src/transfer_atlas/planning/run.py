"""One node of the graph: a run with its settings, its parents and the key that they give it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer_atlas.store.keys import key_of
from transfer_atlas.store.store import run_folder

# the layers, in the order data flows; the last three only if a study asks for scores
KINDS = ("prepared", "ilsvrc", "source", "transfer", "image_features", "features", "score")


@dataclass(frozen=True)
class Run:
    """One node of the graph with its settings: what a key names and a run.json records.

    `settings` are plain built-ins; `parents` maps a role (ilsvrc, source, dataset) to the run it builds on;
    `identity` says in the study's words what it is; `location` holds what a run needs but what cannot
    change its result (folders, whether to keep a model), and does not enter the key.
    """

    kind: str
    name: str
    settings: dict[str, Any]
    identity: dict[str, Any]
    code: dict[str, int]
    versions: dict[str, str] = field(default_factory=dict)
    parents: dict[str, Run] = field(default_factory=dict)
    location: dict[str, str] = field(default_factory=dict)
    key: str = field(init=False)

    def __post_init__(self) -> None:
        """Compute the key once: settings, versions, parents' keys and code versions, nothing else."""
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

    def folder(self, store: Path) -> Path:
        """Where the result lives."""
        return run_folder(store, self.kind, self.name, self.key)
