"""Which runs are there, asked with one system call per run: on a network's file system each one costs."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from transfer_atlas.planning.run import Run


@dataclass
class Presence:
    """Says of a run whether its declared outputs are in the store, and remembers the answer."""

    store: Path
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)

    def __call__(self, run: Run) -> bool:
        """Whether all declared outputs are there: one `stat` for one output, one listing of the folder for more."""
        name = (run.kind, run.key)
        if name not in self._known:
            self._known[name] = _all_there(list(run.outputs(self.store).values()))
        return self._known[name]

    def add(self, run: Run) -> None:
        """Count a run as present from now on."""
        self._known[run.kind, run.key] = True

    def forget(self) -> None:
        """Ask again from now on."""
        self._known.clear()


def _all_there(paths: list[Path]) -> bool:
    if len(paths) == 1:
        return paths[0].exists()
    try:
        names = os.listdir(paths[0].parent)  # noqa: PTH208 (strings are all that is needed)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return {path.name for path in paths} <= set(names)
