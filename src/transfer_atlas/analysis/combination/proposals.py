"""Which sources to train one multi-source on, as scores propose it, and what that is to be compared with. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Proposal:
    """Sources of one task type for a multi-source, best first, and those that the proposal is held against.

    Attributes
    ----------
    single
        The one source of the highest score, of any task type.
    proposed, mean_score
        The sources of the highest scores, and the mean of these.
    lowest
        As many of the same task type that score lowest, the control: what training on several sources brings, whatever
        the scores; empty where that would be the same sources.
    """

    task_type: str
    single: str
    proposed: tuple[str, ...]
    mean_score: float
    lowest: tuple[str, ...]


def propose(scores: Mapping[str, float | None], target_type: str, together: int) -> Proposal | None:
    """The `together` sources of one task type with the highest scores; None where no task type has so many.

    scores: by source such as `segmentation/bdd`; those without a finite score are left out. The target's own task type
    comes first, since multi-sources of it did best in what is published; else the type whose proposal has the
    highest mean score. Equal scores go by name.
    """
    known = {name: float(s) for name, s in scores.items() if s is not None and math.isfinite(s)}
    order = sorted(known, key=lambda name: (-known[name], name))
    found: dict[str, list[str]] = {}
    for name in order:
        found.setdefault(name.split("/")[0], []).append(name)
    enough = {task_type: names for task_type, names in found.items() if len(names) >= together}
    if not enough:
        return None

    def mean(task_type: str) -> float:
        return sum(known[name] for name in enough[task_type][:together]) / together

    best = target_type if target_type in enough else min(enough, key=lambda name: (-mean(name), name))
    names = enough[best]
    proposed, lowest = tuple(names[:together]), tuple(names[-together:])
    return Proposal(best, order[0], proposed, mean(best), () if lowest == proposed else lowest)
