"""Shares, their differences, and rank correlations over transfers, with intervals over targets."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from transfer_atlas.analysis.tables.effects import true_sources
from transfer_atlas.analysis.tables.intervals import jackknife_interval, share_interval
from transfer_atlas.analysis.tables.metric_evaluation import kendall
from transfer_atlas.analysis.tables.uncertainty import DECIMALS, NEGATIVE, POSITIVE, VERY_POSITIVE

TESTS = {  # name: threshold, and whether gains above it count
    "positive": (POSITIVE, True),
    "very_positive": (VERY_POSITIVE, True),
    "negative": (NEGATIVE, False),
    "below_zero": (0.0, False),
}
FEWEST = 3  # pairs of which an order can be compared


@dataclass(frozen=True)
class Estimate:
    """A statistic, its interval over targets, what the intervals of single gains allow, and what stands behind it."""

    value: float = math.nan
    low: float = math.nan
    high: float = math.nan
    at_least: float = math.nan
    at_most: float = math.nan
    count: int = 0
    targets: int = 0


def usable(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a gain over a baseline that is not at chance."""
    return rows[rows["gain"].notna() & ~rows["baseline_at_chance"].eq(True).fillna(False)]


def of_regime(gains: pd.DataFrame, regime: str) -> pd.DataFrame:
    """Transfers from true sources in one regime, failed ones included."""
    rows = true_sources(gains)
    return rows[rows["regime"] == regime]


def related(rows: pd.DataFrame, domain: str, task_type: str) -> pd.DataFrame:
    """Rows `within` or `cross` domain and task type, or `all`; where the relation is not known a row is neither."""
    for column, wanted in (("within_domain", domain), ("within_task_type", task_type)):
        if wanted != "all":
            rows = rows[rows[column].eq(wanted == "within").fillna(False)]
    return rows


def hits(rows: pd.DataFrame, test: str) -> pd.DataFrame:
    """Columns hit, surely and possibly: whether each gain passes a test of `TESTS`, and what its interval allows."""
    threshold, above = TESTS[test]
    gain, low, high = (rows[name].round(DECIMALS) for name in ("gain", "gain_low", "gain_high"))
    low, high = low.fillna(-math.inf), high.fillna(math.inf)
    if above:
        found = {"hit": gain > threshold, "surely": low > threshold, "possibly": high > threshold}
    else:
        found = {"hit": gain < threshold, "surely": high < threshold, "possibly": low < threshold}
    return pd.DataFrame(found, index=rows.index).assign(target=rows["target"])


def share(rows: pd.DataFrame, test: str) -> Estimate:
    """Percentage of usable rows whose gain passes the test."""
    rows = usable(rows)
    return share_of(hits(rows, test), known=bool(rows["gain_low"].notna().any()))


def share_of(found: pd.DataFrame, known: bool = True) -> Estimate:
    """Percentage of hits among rows of `hits`; `known` says whether any interval stands behind surely and possibly.

    The interval is Wilson's where every target has one row, or where all rows agree; else jackknifed over targets.
    """
    if found.empty:
        return Estimate()
    hit, targets = found["hit"].to_numpy(float), found["target"].to_numpy()
    number = len(set(targets))
    low, high = (math.nan, math.nan)
    if len(hit) > number:
        low, high = jackknife_interval(lambda kept: _mean(hit[kept]), targets)
    if math.isnan(low):
        low, high = share_interval(float(hit.mean()), number)
    ends = (found["surely"].mean(), found["possibly"].mean()) if known else (math.nan, math.nan)
    percent = [100.0 * float(each) for each in (hit.mean(), max(0.0, low), min(1.0, high), *ends)]
    if math.isnan(low):
        percent[1:3] = [math.nan, math.nan]
    return Estimate(*percent, len(hit), number)


def share_difference(first: pd.DataFrame, second: pd.DataFrame, test: str) -> Estimate:
    """Percentage of hits among the first rows minus that among the second, in percentage points."""
    parts = [usable(rows) for rows in (first, second)]
    if parts[0].empty or parts[1].empty:
        return Estimate(count=len(parts[0]) + len(parts[1]))
    found = [hits(rows, test) for rows in parts]
    hit = np.concatenate([part["hit"].to_numpy(float) for part in found])
    targets = np.concatenate([part["target"].to_numpy() for part in found])
    of_first = np.arange(len(hit)) < len(found[0])

    def difference(kept: np.ndarray) -> float:
        return 100.0 * (_mean(hit[kept & of_first]) - _mean(hit[kept & ~of_first]))

    low, high = jackknife_interval(difference, targets)
    ends = (math.nan, math.nan)
    if all(rows["gain_low"].notna().any() for rows in parts):
        surely, possibly = ([100.0 * part[name].mean() for part in found] for name in ("surely", "possibly"))
        ends = (float(surely[0] - possibly[1]), float(possibly[0] - surely[1]))
    value = difference(np.ones(len(hit), dtype=bool))
    return Estimate(value, low, high, *ends, len(hit), len(set(targets)))


def tau(rows: pd.DataFrame, score: str, performance: str = "gain") -> Estimate:
    """Kendall's tau-b between two columns over all rows at once, its interval over targets and sources."""
    return tau_difference(rows, score, None, performance)


def tau_difference(rows: pd.DataFrame, first: str, second: str | None, performance: str = "gain") -> Estimate:
    """Tau of the column `first` with performance minus that of `second` (0 without one), on the same rows."""
    names = [name for name in (first, second, performance) if name is not None]
    rows = rows.dropna(subset=names)
    if len(rows) < FEWEST:
        return Estimate(count=len(rows))
    columns = [rows[name].to_numpy(float) if name else None for name in (first, second)]
    measured = rows[performance].to_numpy(float)

    def difference(kept: np.ndarray) -> float:
        if kept.sum() < FEWEST:
            return math.nan
        taus = [0.0 if column is None else kendall(column[kept], measured[kept]) for column in columns]
        return taus[0] - taus[1]

    low, high = jackknife_interval(difference, rows["target"].to_numpy(), rows["source"].to_numpy())
    value = difference(np.ones(len(rows), dtype=bool))
    return Estimate(value, low, high, count=len(rows), targets=rows["target"].nunique())


def mean_difference(rows: pd.DataFrame, first: str, second: str) -> Estimate:
    """Mean over rows of column first minus second, jackknifed over targets."""
    rows = rows.dropna(subset=[first, second])
    if rows.empty:
        return Estimate()
    values = (rows[first] - rows[second]).to_numpy(float)
    targets = rows["target"].to_numpy()
    low, high = jackknife_interval(lambda kept: _mean(values[kept]), targets)
    return Estimate(float(values.mean()), low, high, count=len(values), targets=len(set(targets)))


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else math.nan
