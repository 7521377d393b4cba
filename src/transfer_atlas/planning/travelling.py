"""Planned runs as plain built-ins and back, for scripts that plan a little themselves: `combine`, of runs that follow
from scores.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from transfer_atlas.planning.run import Run, with_ancestry

PLAIN = ("kind", "name", "settings", "code", "versions", "location")


def packed(runs: Iterable[Run]) -> dict[str, dict[str, Any]]:
    """Some runs and all that they build on, by `place_of`: each once, with its parents' places by role."""
    return {
        place_of(run): {name: getattr(run, name) for name in PLAIN}
        | {"parents": {role: place_of(parent) for role, parent in run.parents.items()}}
        for run in with_ancestry(runs)
    }


def unpacked(packed_runs: Mapping[str, Mapping[str, Any]]) -> dict[str, Run]:
    """The same runs, by place; their keys follow from what they are, as they did before."""
    found: dict[str, Run] = {}

    def made(place: str) -> Run:
        if place not in found:
            values = dict(packed_runs[place])
            parents = {role: made(parent) for role, parent in values.pop("parents").items()}
            found[place] = Run(**values, parents=parents)
        return found[place]

    for place in packed_runs:
        made(place)
    return found


def place_of(run: Run) -> str:
    """A run's kind and key as one word."""
    return f"{run.kind}/{run.key}"
