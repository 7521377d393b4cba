"""How far a gain can be trusted: its interval from seeds and evaluation images, and the effect it decides.

Noise is measured on logarithms, where the gain is a difference: ln(1 + r / 100) = ln m(T given S) - ln m(T given
ILSVRC), from equation 2 of Mensink et al., so that no interval reaches below -100 % or depends on the metric's unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import scipy
from scipy.special import stdtr, stdtrit  # of scipy.stats, which takes a second to import

LEVEL = 0.95
VERY_POSITIVE, POSITIVE, NEGATIVE = (
    10.0,
    2.0,
    -2.0,
)  # percent; section 5.1 of the paper, all strict inequalities
DECIMALS = 9  # (0.51 / 0.5 - 1) * 100 is 2.0000000000000018: what lies this near to a threshold is on it
COLUMNS = ("gain_low", "gain_high", "interval_covers", "decided_effect", "p_value", "p_adjusted")


@dataclass(frozen=True)
class Noise:
    """Variance of ln(value) between seeds of one starting point on one target, and how well it is known."""

    variance: float
    degrees: int
    origin: str  # `seeds` of this target, or `seeds of other targets`


# What single runs are judged by, where nothing in a study tells the noise between its runs (`one_run_p_value`).
# Fitted to three seeds of ILSVRC on 17 targets of the miniature world (docs/results.md): 0.027, 2.8 degrees. On
# photographs, three seeds of four starts each, four targets have 0.017 to 0.052.
ELSEWHERE = Noise(variance=0.027**2, degrees=3, origin="runs of other studies")


def effect(gain: float) -> str | None:
    """Name of the transfer effect of a gain in percent (section 5.1); None where there is no gain."""
    if gain is None or math.isnan(gain):
        return None
    gain = round(gain, DECIMALS)
    if gain > VERY_POSITIVE:
        return "very_positive"
    if gain > POSITIVE:
        return "positive"
    return "negative" if gain < NEGATIVE else "insignificant"


def decided_effect(low: float, high: float) -> str | None:
    """The effect on which the whole interval agrees, or `undecided`; None without an interval.

    `positive` where all of it is above 2 but not all above 10: positive effects include the very positive.
    """
    if math.isnan(low) or math.isnan(high):
        return None
    low, high = round(low, DECIMALS), round(high, DECIMALS)
    if low > VERY_POSITIVE:
        return "very_positive"
    if low > POSITIVE:
        return "positive"
    if high < NEGATIVE:
        return "negative"
    return "insignificant" if low >= NEGATIVE and high <= POSITIVE else "undecided"


def told(gain: float, low: float, high: float) -> str:
    """A gain as people read it: `positive, 3.1 to 8.4`, `undecided, -4.0 to 6.2`, or that there is no interval."""
    if gain is None or math.isnan(gain):
        return "no gain"
    decided = decided_effect(low, high)
    if decided is None:
        return f"{gain:.1f}, no interval"
    return f"{decided.replace('_', ' ')}, {low:.1f} to {high:.1f}"


def seed_noise(transfers: pd.DataFrame) -> dict[tuple[str, str], Noise]:
    """Noise between seeds for every (regime, target) of a table of transfers; targets without repetitions borrow it.

    Pooled over all starting points of the target that have two seeds or more, ILSVRC included and `scratch`, whose runs
    vary more, left out. A target without any takes the noise pooled over the targets of its task type and regime, or
    else of its regime; where a regime has no repetition at all, its targets are missing from the answer.
    """
    known = transfers[(transfers["status"] == "finished") & (transfers["value"] > 0)]
    known = known[known["source"] != "scratch"].assign(logarithm=lambda t: np.log(t["value"]))
    groups = known.groupby(["regime", "target_task_type", "target", "source"])["logarithm"]
    spread = pd.DataFrame({"squares": groups.var(ddof=1) * (groups.size() - 1), "degrees": groups.size() - 1})
    spread = spread[spread["degrees"] > 0]
    pooled = [
        spread.groupby(level=levels).sum()
        for levels in (["regime", "target"], ["regime", "target_task_type"], ["regime"])
    ]
    found = {}
    for regime, task_type, target in (
        transfers[["regime", "target_task_type", "target"]].drop_duplicates().itertuples(index=False)
    ):
        for table, place in zip(pooled, ((regime, target), (regime, task_type), regime), strict=True):
            if place in table.index:
                squares, degrees = table.loc[place]
                origin = "seeds" if table is pooled[0] else "seeds of other targets"
                found[regime, target] = Noise(squares / degrees, int(degrees), origin)
                break
    return found


def with_intervals(
    gains: pd.DataFrame,
    noise: Mapping[tuple[str, str], Noise],
    image_variances: Mapping[tuple[str, str, str], tuple[float, int]] | None = None,
) -> pd.DataFrame:
    """A table of gains with `COLUMNS`: 95 % intervals, the effects they decide, and what is left after all comparisons.

    Parameters
    ----------
    gains
        Rows with regime, target, source, gain (percent), n_seeds and higher_is_better.
    noise
        Of `seed_noise`, by (regime, target). A gain over n seeds has variance 2 noise / n: that of its transfers and
        that of its baselines. Drawing both with one seed makes them vary together at best, so it errs on the wide side.
    image_variances
        By (regime, target, source): the variance of ln(1 + r / 100) that comes from the choice of evaluation images
        (`image_bootstrap`), and the number of images. All seeds share the images, so seeds do not shrink it.

    Notes
    -----
    The two variances add; the interval is Student's with Welch and Satterthwaite's degrees of freedom. `p_value` is
    that of no gain at all, `p_adjusted` the same after Benjamini and Hochberg over all gains of the regime.
    """
    images = image_variances or {}
    rows = []
    for row in gains.itertuples():
        of_seeds = noise.get((row.regime, row.target))
        of_images = images.get((row.regime, row.target, row.source))
        parts = []
        if of_seeds is not None and row.n_seeds:
            parts.append((2 * of_seeds.variance / row.n_seeds, of_seeds.degrees, of_seeds.origin))
        if of_images is not None:
            parts.append((of_images[0], of_images[1] - 1, "images"))
        higher = pd.isna(row.higher_is_better) or bool(row.higher_is_better)
        rows.append(_interval(row.gain, higher, parts, row.source))
    table = gains.assign(**{name: [row[name] for row in rows] for name in ("gain_low", "gain_high")})
    table["interval_covers"] = [row["covers"] for row in rows]
    table["decided_effect"] = [decided_effect(row["gain_low"], row["gain_high"]) for row in rows]
    table["p_value"] = [row["p_value"] for row in rows]
    table["p_adjusted"] = math.nan
    for _, group in table.dropna(subset=["p_value"]).groupby("regime"):
        table.loc[group.index, "p_adjusted"] = scipy.stats.false_discovery_control(group["p_value"])
    return table


def _interval(
    gain: float, higher_is_better: bool, parts: list[tuple[float, int, str]], source: str
) -> dict[str, float | str | None]:
    """Interval of one gain in percent from parts of its variance: (variance, degrees of freedom, origin)."""
    nothing = {"gain_low": math.nan, "gain_high": math.nan, "covers": None, "p_value": math.nan}
    sign = 1.0 if higher_is_better else -1.0
    ratio = 1.0 + sign * gain / 100.0
    variance = sum(part[0] for part in parts)
    if source == "ilsvrc" or not parts or not math.isfinite(gain) or ratio <= 0.0:
        return nothing
    covers = " and ".join(part[2] for part in parts)
    if variance == 0.0:
        return {"gain_low": gain, "gain_high": gain, "covers": covers, "p_value": float(gain == 0)}
    degrees = variance**2 / sum(part[0] ** 2 / part[1] for part in parts)
    error = math.sqrt(variance)
    width = float(stdtrit(degrees, (1 + LEVEL) / 2)) * error
    ends = sorted(sign * 100.0 * math.expm1(math.log(ratio) + side * width) for side in (-1, 1))
    p_value = float(2 * stdtr(degrees, -abs(math.log(ratio)) / error))
    return {"gain_low": ends[0], "gain_high": ends[1], "covers": covers, "p_value": p_value}


def one_run_p_value(gain: float, higher_is_better: bool) -> float:
    """How often runs of one seed each seem to differ by so much (percent) where they are equally good.

    By the noise between seeds that other studies measured, `ELSEWHERE`. It differs from target to target, so that a
    single gain has heavy tails: variances of ln(value) are taken as scaled inverse chi-squared, whose prior degrees of
    freedom are Student's here (Smyth 2004, Linear models and empirical Bayes methods, section 3).
    """
    ratio = 1.0 + (1.0 if higher_is_better else -1.0) * gain / 100.0
    if ratio <= 0.0:
        return 0.0
    return float(2 * stdtr(ELSEWHERE.degrees, -abs(math.log(ratio)) / math.sqrt(2 * ELSEWHERE.variance)))
