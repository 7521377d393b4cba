"""Scores that differ by rounding only are the same score, before anything is ranked."""

from __future__ import annotations

import numpy as np

from transfer_atlas.transferability.arrays import MetricInputError


def rounded(scores: np.ndarray, tie: float) -> np.ndarray:
    """Scores (m,) in which those closer to their neighbour in order than `tie` times the largest absolute are one.

    Each run of such scores gets the middle of its range. What is not finite stays as it is. O(m log m). Raises
    MetricInputError for a negative or undefined tie.
    """
    if not tie >= 0:
        raise MetricInputError(f"tie is {tie}; expected a number of at least 0.")
    values = np.array(scores, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        return values
    order = known[np.argsort(values[known], kind="stable")]
    ordered = values[order]
    allowed = tie * np.abs(ordered).max()
    run = np.concatenate([[0], np.cumsum(np.diff(ordered) > allowed)])
    starts = np.flatnonzero(np.concatenate([[True], np.diff(run) > 0]))
    middle = (np.minimum.reduceat(ordered, starts) + np.maximum.reduceat(ordered, starts)) / 2
    values[order] = middle[run]  # the same float for all of a run
    return values
