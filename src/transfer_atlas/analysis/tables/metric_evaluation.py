"""How well a score predicts measured transfers: rank correlations, hits, regret, with bootstrap intervals."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

Fixed = Literal["target", "source"]
Ties = Literal["expected", "any"]

FEWEST = 3  # pairs of which an order can be compared
LEVEL = 0.95


def kendall(score: np.ndarray, performance: np.ndarray) -> float:
    """Kendall's tau-b of score (n,) and performance (n,), from -1 to 1; nan if either is constant."""
    return _quiet(lambda: stats.kendalltau(score, performance).statistic)


def weighted_kendall(score: np.ndarray, performance: np.ndarray) -> float:
    """Vigna's tau with hyperbolic weights, mean of both orders (SciPy's rank=True): the best count most."""
    if np.ptp(score) == 0 or np.ptp(performance) == 0:
        return math.nan
    return float(stats.weightedtau(score, performance, rank=True).statistic)


def spearman(score: np.ndarray, performance: np.ndarray) -> float:
    """Spearman's rank correlation; nan if either is constant."""
    return _quiet(lambda: stats.spearmanr(score, performance).statistic)


def pearson(score: np.ndarray, performance: np.ndarray) -> float:
    """Pearson's correlation; nan if either is constant."""
    return _quiet(lambda: stats.pearsonr(score, performance).statistic)


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


CORRELATIONS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "kendall": kendall,
    "weighted_kendall": weighted_kendall,
    "spearman": spearman,
    "pearson": pearson,
}


def evaluate(
    pairs: pd.DataFrame,
    *,
    fixed: Fixed | None,
    seed: int,
    top: Sequence[int] = (1, 3),
    draws: int = 1000,
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
    seed
        Of the bootstrap, whose unit is the target (the source if `fixed` says so): pairs that share it are drawn
        together, since they are not independent.
    top
        Numbers k of the hits among the k highest scores.
    draws
        Bootstrap samples of the 95 % percentile interval.
    ties
        What equal scores count for in hits; see `top_hit`.

    Returns
    -------
    Columns statistic, value, low, high (nan for fewer than two groups), groups and pairs that were used. Groups of
    fewer than three pairs, or with a constant score or performance, have no correlation and do not enter its mean.
    """
    known = pairs.dropna(subset=["score", "performance"])
    groups = [group for _, group in known.groupby(fixed or "target", sort=True)]
    generator = np.random.default_rng(seed)
    chosen = generator.integers(0, max(1, len(groups)), (draws, len(groups)))
    if fixed is None:
        rows = [_pooled(name, statistic, groups, chosen) for name, statistic in CORRELATIONS.items()]
    else:
        statistics = dict(CORRELATIONS)
        statistics |= {f"top_{k}": lambda s, p, k=k: top_hit(s, p, k, ties) for k in top}
        statistics["regret"] = regret
        usable = [group for group in groups if len(group) >= FEWEST]
        chosen = generator.integers(0, max(1, len(usable)), (draws, len(usable)))
        rows = [_averaged(name, statistic, usable, chosen) for name, statistic in statistics.items()]
    return pd.DataFrame(rows, columns=["statistic", "value", "low", "high", "groups", "pairs"])


def _pooled(
    name: str,
    statistic: Callable[[np.ndarray, np.ndarray], float],
    groups: list[pd.DataFrame],
    chosen: np.ndarray,
) -> tuple[str, float, float, float, int, int]:
    arrays = [group[["score", "performance"]].to_numpy(float) for group in groups]
    together = np.concatenate(arrays) if arrays else np.empty((0, 2))
    if len(together) < FEWEST:
        return name, math.nan, math.nan, math.nan, len(groups), len(together)
    value = statistic(*together.T)
    samples = [statistic(*np.concatenate([arrays[i] for i in draw]).T) for draw in chosen]
    low, high = _interval(np.array(samples), len(groups))
    return name, value, low, high, len(groups), len(together)


def _averaged(
    name: str,
    statistic: Callable[[np.ndarray, np.ndarray], float],
    groups: list[pd.DataFrame],
    chosen: np.ndarray,
) -> tuple[str, float, float, float, int, int]:
    values = np.array([statistic(*g[["score", "performance"]].to_numpy(float).T) for g in groups])
    used = np.isfinite(values)
    number = sum(len(group) for group, use in zip(groups, used, strict=True) if use)
    if not used.any():
        return name, math.nan, math.nan, math.nan, 0, 0
    drawn = values[chosen]
    with warnings.catch_warnings():  # a draw of undefined groups only has no mean, and is left out
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = _interval(np.nanmean(drawn, axis=1), int(used.sum()))
    return name, float(values[used].mean()), low, high, int(used.sum()), number


def _interval(samples: np.ndarray, groups: int) -> tuple[float, float]:
    samples = samples[np.isfinite(samples)]
    if groups < 2 or not len(samples):
        return math.nan, math.nan
    outside = (1 - LEVEL) / 2
    low, high = np.quantile(samples, [outside, 1 - outside])
    return float(low), float(high)


def _quiet(statistic: Callable[[], float]) -> float:
    """A correlation without SciPy's warning about constant input, whose nan says it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.ConstantInputWarning)
        return float(statistic())
