"""How well a score predicts measured transfers: rank correlations, hits, regret, with intervals over targets."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import scipy

from transfer_atlas.analysis.tables.intervals import DRAWS, jackknife_interval, mean_interval, share_interval

Fixed = Literal["target", "source"]
Ties = Literal["expected", "any"]
Statistic = Callable[[np.ndarray, np.ndarray], float]

FEWEST = 3  # pairs of which an order can be compared


def kendall(score: np.ndarray, performance: np.ndarray) -> float:
    """Kendall's tau-b of score (n,) and performance (n,), from -1 to 1; nan if either is constant."""
    if _constant(score, performance):
        return math.nan
    # no p-value is asked for, and this is the one that costs nothing
    return float(_bare("kendalltau")(score, performance, method="asymptotic").statistic)


def weighted_kendall(score: np.ndarray, performance: np.ndarray) -> float:
    """Vigna's tau with hyperbolic weights, mean of both orders (SciPy's rank=True): the best count most."""
    if _constant(score, performance):
        return math.nan
    return float(_bare("weightedtau")(score, performance, rank=True).statistic)


@functools.cache
def _bare(name: str) -> Callable[..., Any]:
    """SciPy's own function under what it wraps around it for axes and missing numbers, which takes longer than it does
    on the few pairs of a target; given here is one axis, and nothing is missing.
    """
    return inspect.unwrap(getattr(scipy.stats, name))


def spearman(score: np.ndarray, performance: np.ndarray) -> float:
    """Spearman's rank correlation; nan if either is constant."""
    if _constant(score, performance):
        return math.nan
    # twice a place less the mean place is a whole number, so that orders that agree give 1 to the last bit
    first, second = (2 * scipy.stats.rankdata(side) - (len(side) + 1) for side in (score, performance))
    return float(first @ second / math.sqrt((first @ first) * (second @ second)))


def pearson(score: np.ndarray, performance: np.ndarray) -> float:
    """Pearson's correlation; nan if either is constant, or not finite throughout."""
    if _constant(score, performance) or not np.isfinite([score, performance]).all():
        return math.nan
    # by their range first: squares of the tiniest and the largest scores would be 0 or infinite
    first, second = ((side - side.mean()) / np.ptp(side) for side in (score, performance))
    return float(np.clip(first @ second / math.sqrt((first @ first) * (second @ second)), -1.0, 1.0))


def _constant(score: np.ndarray, performance: np.ndarray) -> bool:
    return any(side.min() == side.max() for side in (score, performance))  # also of infinite ones


def top_hit(score: np.ndarray, performance: np.ndarray, k: int = 1, ties: Ties = "expected") -> float:
    """Whether a best performer is among the k highest scores, from 0 to 1.

    Equal best performers all count. Scores that are equal at the k-th place are drawn at random: "expected" is the
    probability of a hit, 1 - C(g - b, r) / C(g, r) with r places left for g equal scores, b of them best performers;
    "any" is 1 wherever a draw can hit.
    """
    best = performance == performance.max()
    place = np.sort(score)[::-1][min(k, len(score)) - 1]
    if best[score > place].any():
        return 1.0
    tied = score == place
    left = min(k, len(score)) - int((score > place).sum())
    hits, size = int(best[tied].sum()), int(tied.sum())
    chance = 1 - math.comb(size - hits, left) / math.comb(size, left)
    return chance if ties == "expected" else float(chance > 0)


def regret(score: np.ndarray, performance: np.ndarray) -> float:
    """Performance lost by taking the highest score instead of the best performer; the mean over equal scores."""
    return float(performance.max() - performance[score == score.max()].mean())


def relative_regret(score: np.ndarray, performance: np.ndarray) -> float:
    """`regret` in percent of the best performance, which metrics of different units can be averaged by."""
    best = abs(float(performance.max()))
    return 100.0 * regret(score, performance) / best if best else math.nan


def discounted_cumulative_gain(score: np.ndarray, performance: np.ndarray) -> float:
    """DCG of the order that scores give, by that of the best order: up to 1 (Järvelin and Kekäläinen 2002; the talk).

    The relevance r_i of a source is the share of the others that it performs better than, ties half, so that no unit
    counts; DCG = sum of r_i / log2(1 + place_i). The best count most, and it is never 0: an order at random has about
    0.81, of five sources as of twenty. Equal scores share the mean discount of their places (McSherry and
    Najork 2008). Not a number where score or performance is constant.
    """
    if _constant(score, performance):
        return math.nan
    relevance = (scipy.stats.rankdata(performance) - 1) / (len(performance) - 1)
    discounts = 1 / np.log2(np.arange(len(score)) + 2)
    _, place, equal = np.unique(-score, return_inverse=True, return_counts=True)
    shared = np.add.reduceat(discounts, np.cumsum(equal) - equal) / equal
    return float(relevance @ shared[place] / (np.sort(relevance)[::-1] @ discounts))


CORRELATIONS: dict[str, Statistic] = {
    "kendall": kendall,
    "weighted_kendall": weighted_kendall,
    "spearman": spearman,
    "pearson": pearson,
}
BOUNDS = {
    "dcg": (0.0, 1.0),
    "regret": (0.0, math.inf),
    "relative_regret": (0.0, math.inf),
}  # correlations: -1 to 1


def statistics_of(top: Sequence[int] = (1, 3), ties: Ties = "expected") -> dict[str, Statistic]:
    """All statistics of one group of pairs by name; those that start with `top_` are chances of a hit."""
    hits = {f"top_{k}": lambda s, p, k=k: top_hit(s, p, k, ties) for k in top}
    ranked = {"dcg": discounted_cumulative_gain}
    return CORRELATIONS | hits | ranked | {"regret": regret, "relative_regret": relative_regret}


def by_group(
    pairs: pd.DataFrame, fixed: Fixed, statistics: Mapping[str, Statistic] | None = None
) -> pd.DataFrame:
    """Statistics (columns) of every target or source (rows) with at least three pairs, and its number of `pairs`.

    pairs: columns source, target, score and performance, higher being better in both; rows where one is
    missing are left out. A correlation is not a number where score or performance is constant.
    """
    statistics = statistics or statistics_of()
    columns = pairs[["score", "performance"]].to_numpy(float)
    known = ~np.isnan(columns).any(axis=1)
    names, places = np.unique(pairs[fixed].to_numpy()[known], return_inverse=True)
    order = np.argsort(places, kind="stable")
    groups = np.split(columns[known][order], np.cumsum(np.bincount(places, minlength=len(names)))[:-1])
    rows = {
        name: {key: statistic(*group.T) for key, statistic in statistics.items()} | {"pairs": len(group)}
        for name, group in zip(names, groups if len(names) else [], strict=True)
        if len(group) >= FEWEST
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=[*statistics, "pairs"])


def evaluate(
    pairs: pd.DataFrame,
    *,
    fixed: Fixed | None,
    seed: int = 0,
    top: Sequence[int] = (1, 3),
    draws: int = DRAWS,
    ties: Ties = "expected",
) -> pd.DataFrame:
    """Statistics of scores against measured performance, one row each.

    Parameters
    ----------
    pairs
        One row per (source, target) with the columns source, target, score and performance, higher being better in
        both. Rows where one is missing are left out.
    fixed
        "target": which source for a given target, the mean over targets; "source": which target for a given
        source, the mean over sources; None: correlations over all pairs at once, without hits and regret.
    seed, draws
        Of the studentised bootstrap over targets (sources).
    top
        Numbers k of the hits among the k highest scores.
    ties
        What equal scores count for in hits; see `top_hit`.

    Returns
    -------
    Columns statistic, value, low, high, groups and pairs that were used. Groups of fewer than three pairs, or with a
    constant score or performance, have no correlation and do not enter its mean. The 95 % interval is that of the mean
    over targets (sources), Wilson's for hits; over all pairs at once it is jackknifed over targets and over sources.
    There is none for fewer than six groups, nor where all groups agree exactly (`intervals`).
    """
    if fixed is None:
        known = pairs.dropna(subset=["score", "performance"])
        rows = [_pooled(name, statistic, known) for name, statistic in CORRELATIONS.items()]
    else:
        groups = by_group(pairs, fixed, statistics_of(top, ties))
        rows = [averaged(name, groups, seed, draws) for name in groups.columns if name != "pairs"]
    return pd.DataFrame(rows, columns=["statistic", "value", "low", "high", "groups", "pairs"])


def averaged(
    name: str, groups: pd.DataFrame, seed: int = 0, draws: int = DRAWS
) -> tuple[str, float, float, float, int, int]:
    """Mean of one statistic over the rows of `by_group`, its interval, and the groups and pairs behind it."""
    used = groups[np.isfinite(groups[name].to_numpy(float))] if len(groups) else groups
    if used.empty:
        return name, math.nan, math.nan, math.nan, 0, 0
    values = used[name].to_numpy(float)
    if name.startswith("top_"):
        low, high = share_interval(float(values.mean()), len(values))
    else:
        low, high = mean_interval(values, seed, draws=draws, bounds=BOUNDS.get(name, (-1.0, 1.0)))
    return name, float(values.mean()), low, high, len(used), int(used["pairs"].sum())


def _pooled(
    name: str, statistic: Statistic, known: pd.DataFrame
) -> tuple[str, float, float, float, int, int]:
    score, performance = known[["score", "performance"]].to_numpy(float).T
    groups = known["target"].nunique()
    if len(known) < FEWEST:
        return name, math.nan, math.nan, math.nan, groups, len(known)

    def of(kept: np.ndarray) -> float:
        return statistic(score[kept], performance[kept]) if kept.sum() >= FEWEST else math.nan

    value = of(np.ones(len(known), dtype=bool))
    low, high = jackknife_interval(of, known["target"].to_numpy(), known["source"].to_numpy())
    low, high = np.clip([low, high], -1.0, 1.0)  # leaves what is not a number
    return name, value, float(low), float(high), groups, len(known)
