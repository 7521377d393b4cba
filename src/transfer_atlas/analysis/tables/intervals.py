"""95 % intervals over targets, and what differences are left after many comparisons. Pure functions on arrays.

The unit is the target: transfers to one target are not independent. With fewer than six targets there is no interval,
since none of the known ones covers what it promises. `tests/unit/analysis/test_intervals.py` simulates the coverage.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np
from scipy.special import ndtri, stdtr, stdtrit  # of scipy.stats, which takes a second to import

LEVEL = 0.95
FEWEST_TARGETS = 6
DRAWS = 10_000
LEAST_ERROR = 0.2  # of the sample's own: a draw of nearly equal values would divide by next to nothing
NO_INTERVAL = (math.nan, math.nan)


def mean_interval(
    values: np.ndarray, seed: int, *, draws: int = DRAWS, bounds: tuple[float, float] = (-math.inf, math.inf)
) -> tuple[float, float]:
    """Interval of the mean of values (k,), one a target, by the studentised bootstrap, within `bounds`.

    Efron and Tibshirani, An Introduction to the Bootstrap, section 12.5: unlike percentiles of means, which cannot
    leave the range of the values, it covers 93 to 99 % from six targets on, also for the lopsided values of regret.
    None for fewer than six values, nor where all are the same, whose spread says nothing.
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < FEWEST_TARGETS or np.ptp(values) == 0:
        return NO_INTERVAL
    number, root = len(values), math.sqrt(len(values))
    error = values.std(ddof=1) / root
    drawn, centred = _times_drawn(seed, number, draws), values - values.mean()
    means = drawn @ centred / number
    spread = np.sqrt(np.maximum(0.0, (drawn @ centred**2 - number * means**2) / (number - 1)))
    errors = np.maximum(spread / root, LEAST_ERROR * error)
    outside = (1 - LEVEL) / 2
    left, right = np.quantile(means / errors, [outside, 1 - outside])
    low, high = values.mean() - right * error, values.mean() - left * error
    return float(max(bounds[0], low)), float(min(bounds[1], high))


@functools.lru_cache(maxsize=16)
def _times_drawn(seed: int, number: int, draws: int) -> np.ndarray:
    """How often each of `number` values is drawn, (draws, number): what a draw is but for its order, made once for all
    tables, whose statistics have the same few numbers of targets.
    """
    chosen = np.random.default_rng(seed).integers(0, number, (draws, number))
    places = chosen + number * np.arange(draws)[:, None]
    return np.bincount(places.ravel(), minlength=draws * number).reshape(draws, number).astype(float)


def share_interval(share: float, number: int) -> tuple[float, float]:
    """Wilson's interval of a share from 0 to 1 among `number` targets, also of chances that average to it."""
    if number < FEWEST_TARGETS or not math.isfinite(share):
        return NO_INTERVAL
    z = float(ndtri((1 + LEVEL) / 2))
    scale = 1 + z**2 / number
    middle = (share + z**2 / (2 * number)) / scale
    half = z * math.sqrt(share * (1 - share) / number + z**2 / (4 * number**2)) / scale
    return max(0.0, middle - half), min(1.0, middle + half)


def jackknife_interval(statistic: Callable[[np.ndarray], float], *groups: np.ndarray) -> tuple[float, float]:
    """Interval of statistic(kept (n,) of truths), leaving out one group of observations after another.

    `groups` (n,) name each observation's target, and a second time its source where observations share sources too: the
    variances of both are added, which errs on the wide side (Cameron, Gelbach and Miller 2011 take away that of single
    observations). Student's, with one degree of freedom less than the smaller number of groups; None for fewer than six
    groups, where the statistic is undefined without one of them, or where it never changes.
    """
    everything = np.ones(len(groups[0]), dtype=bool)
    value, variance, least = statistic(everything), 0.0, math.inf
    for names in groups:
        kinds = np.unique(names)
        least = min(least, len(kinds))
        if len(kinds) < FEWEST_TARGETS:
            return NO_INTERVAL
        without = np.array([statistic(names != kind) for kind in kinds])
        variance += float((len(kinds) - 1) / len(kinds) * ((without - without.mean()) ** 2).sum())
    if not math.isfinite(variance) or not math.isfinite(value) or variance == 0.0:
        return NO_INTERVAL
    half = float(stdtrit(least - 1, (1 + LEVEL) / 2)) * math.sqrt(variance)
    return value - half, value + half


def seeds_interval(values: np.ndarray, *, overlap: float = 0.0) -> tuple[float, float]:
    """Interval of the mean of values (k,), one a seed, by Student's t; none for fewer than two, or where all agree.

    overlap: samples held out by samples of training, where the seeds draw what is held out of the same samples: the
    variance of the mean is then (1 / k + overlap) times that of the values, not 1 / k (Nadeau and Bengio, Inference for
    the Generalization Error, 2003, section 3).
    """
    values = np.asarray(values, dtype=float)
    values = values[np.isfinite(values)]
    if len(values) < 2 or np.ptp(values) == 0:
        return NO_INTERVAL
    error = values.std(ddof=1) * math.sqrt(1 / len(values) + overlap)
    half = float(stdtrit(len(values) - 1, (1 + LEVEL) / 2)) * error
    return float(values.mean() - half), float(values.mean() + half)


def paired_difference(first: np.ndarray, second: np.ndarray) -> tuple[float, float, float, float, int]:
    """Mean difference of first and second (k,), one pair a target: difference, low, high, p-value, k.

    Student's t for pairs; targets where one is not a number are left out. No interval and no p-value below six targets.
    """
    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    differences = differences[np.isfinite(differences)]
    number = len(differences)
    if number == 0:
        return math.nan, math.nan, math.nan, math.nan, 0
    mean = float(differences.mean())
    if number < FEWEST_TARGETS:
        return mean, math.nan, math.nan, math.nan, number
    if np.ptp(differences) == 0:
        return mean, math.nan, math.nan, 1.0 if mean == 0 else math.nan, number
    variance = float(np.mean((differences - mean) ** 2) * (number / (number - 1)))
    error = math.sqrt(variance / number)
    half = float(stdtrit(number - 1, (1 + LEVEL) / 2)) * error
    return mean, mean - half, mean + half, float(2 * stdtr(number - 1, -abs(mean / error))), number


def holm(p_values: np.ndarray) -> np.ndarray:
    """p-values (n,) after Holm's correction for n comparisons; what is not a number stays so and does not count."""
    p_values = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p_values), math.nan)
    known = np.flatnonzero(np.isfinite(p_values))
    order = known[np.argsort(p_values[known], kind="stable")]
    factors = len(order) - np.arange(len(order))
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p_values[order] * factors))
    return adjusted
