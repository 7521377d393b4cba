"""Which runs of a plan must be there for what is asked for: pure, and lazy about looking.

A run that is there needs nothing. One that is missing and recorded can be pulled, and then needs nothing either.
Any other is computed, and needs its parents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from transfer_atlas.planning.run import Run


@dataclass(frozen=True)
class Need:
    """What it takes to have some runs: those to pull and those to compute, each in the order of the plan."""

    pull: tuple[Run, ...]
    compute: tuple[Run, ...]


def need(wanted: Iterable[Run], present: Callable[[Run], bool], recorded: Callable[[Run], bool]) -> Need:
    """Walk from the wanted runs to what they build on. Each run is asked about at most once."""
    pull: list[Run] = []
    compute: list[Run] = []
    seen: set[tuple[str, str]] = set()

    def visit(run: Run) -> None:
        if (run.kind, run.key) in seen:
            return
        seen.add((run.kind, run.key))
        if present(run):
            return
        if recorded(run):
            pull.append(run)
            return
        for parent in run.parents.values():
            visit(parent)
        compute.append(run)

    for run in wanted:
        visit(run)
    return Need(tuple(pull), tuple(compute))
