"""Spearman's footrule: by how many places a ranking is off, all together. Pure functions on arrays."""

from __future__ import annotations

import numpy as np
import scipy


def footrule(scores: np.ndarray, values: np.ndarray) -> float:
    """Sum over n of |place by score - place by value| (Diaconis and Graham 1977); equal ones share their mean place."""
    return float(np.abs(scipy.stats.rankdata(scores) - scipy.stats.rankdata(values)).sum())


def largest_footrule(number: int) -> int:
    """What it is for the reverse of n places that all differ: floor(n^2 / 2)."""
    return number**2 // 2


def displacement(scores: np.ndarray, values: np.ndarray) -> float:
    """The footrule as a share of the largest there can be: 0 for the same order, 1 for the reverse; (n,), n >= 2.

    Rankings of pools of different sizes can be compared by it; a random order has 2/3 of large pools.
    """
    return float(displacements(scores[None], values[None])[0])


def displacements(scores: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The displacement (m,) of each of m pools of one size: scores and values (m, n); nan for n < 2."""
    pools, size = scores.shape
    if size < 2:
        return np.full(pools, np.nan)
    off = np.abs(scipy.stats.rankdata(scores, axis=1) - scipy.stats.rankdata(values, axis=1)).sum(axis=1)
    return off / largest_footrule(size)
