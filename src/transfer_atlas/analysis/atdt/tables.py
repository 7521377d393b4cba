"""Tables of AT/DT from the records of its runs. Pure functions on records and frames."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from transfer_atlas.analysis.atdt.schema import EVALUATIONS, GAINS, RESULTS, RUNS, VARIANT
from transfer_atlas.analysis.tables.intervals import LEVEL

SEGMENTATION = ("mean_iou", "pixel_accuracy")
DEPTH = (
    "absolute_relative",
    "squared_relative",
    "rmse",
    "rmse_log",
    "delta_1",
    "delta_2",
    "delta_3",
)  # in the order of Table 2
NORMALS = ("mean_angular_error", "median_angular_error", "below_11_25", "below_22_5", "below_30")
LOWER_IS_BETTER = (
    "absolute_relative",
    "squared_relative",
    "rmse",
    "rmse_log",
    "mean_angular_error",
    "median_angular_error",
)
SAME_RUNS = [name for name in VARIANT if name not in ("method", "level", "n1")]


def evaluations_table(records: Iterable[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> pd.DataFrame:
    """The table `atdt_evaluations` from (identity, run.json) of every evaluation."""
    rows = []
    for identity, record in records:
        own = {**identity, "status": record["status"], "reason": record["reason"], "key": record["key"]}
        for metric, name, value in metrics_of(identity["direction"], record["metrics"]):
            rows.append({**own, "metric": metric, "class": name, "value": value})
    return EVALUATIONS.conform(pd.DataFrame(rows, columns=EVALUATIONS.column_names))


def metrics_of(direction: str, metrics: Mapping[str, Any] | None) -> list[tuple[str, str | None, float]]:
    """(metric, class, value) of an evaluation's metrics; without values if it failed."""
    if direction.endswith("segmentation"):
        found = metrics or {}
        overall = {"mean_iou": found.get("value"), "pixel_accuracy": found.get("pixel_accuracy")}
        rows = [(name, None, _number(overall[name])) for name in SEGMENTATION]
        per_class = found.get("per_class", {})
        return rows + [("iou", name, _number(value)) for name, value in per_class.items()]
    names = DEPTH if direction.endswith("depth") else NORMALS
    return [(name, None, _number((metrics or {}).get(name))) for name in names]


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def results_table(evaluations: pd.DataFrame) -> pd.DataFrame:
    """The table `atdt_results`: mean and interval over seeds."""
    rows = []
    for names, group in _groups(evaluations, [*VARIANT, "metric", "class"]):
        mean, low, high = mean_over_seeds(group["value"].to_numpy(float))
        known = int(group["value"].notna().sum())
        rows.append(
            {**names, "mean": mean, "low": low, "high": high, "seeds": known, "failed": len(group) - known}
        )
    return RESULTS.conform(pd.DataFrame(rows, columns=RESULTS.column_names))


def gains_table(evaluations: pd.DataFrame) -> pd.DataFrame:
    """The table `atdt_gains`: differences to the baseline of the same seed, so that both share N2."""
    on = [*SAME_RUNS, "seed", "metric", "class"]
    baseline = evaluations[evaluations["method"] == "baseline"]
    others = evaluations[evaluations["method"] != "baseline"]
    joined = others.merge(baseline[[*on, "value"]], on=on, how="inner", suffixes=("", "_baseline"))
    sign = np.where(joined["metric"].isin(LOWER_IS_BETTER), -1.0, 1.0)
    joined = joined.assign(difference=sign * (joined["value"] - joined["value_baseline"]))
    rows = []
    for names, group in _groups(joined, [*VARIANT, "metric", "class"]):
        mean, low, high = mean_over_seeds(group["difference"].to_numpy(float))
        known = group["difference"].notna()
        rows.append(
            {
                **names,
                "baseline": group.loc[known, "value_baseline"].mean(),
                "gain": mean,
                "low": low,
                "high": high,
                "seeds": int(known.sum()),
                "failed": int((~known).sum()),
            }
        )
    return GAINS.conform(pd.DataFrame(rows, columns=GAINS.column_names))


def mean_over_seeds(values: np.ndarray) -> tuple[float, float, float]:
    """Mean of values (n,), and its 95 % interval by Student's t; no interval for fewer than two, or where all agree."""
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if len(values) < 2 or np.ptp(values) == 0:
        return mean, math.nan, math.nan
    half = float(stats.t.ppf((1 + LEVEL) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return mean, mean - half, mean + half


def runs_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The table `atdt_runs`."""
    rows = []
    for record in records:
        metrics = record["metrics"] or {}
        curve = metrics.get("curve") or [[0, math.nan]]
        rows.append(
            {
                **{name: record[name] for name in ("kind", "name", "key", "status", "reason", "seconds")},
                "first_loss": curve[0][1],
                "last_loss": curve[-1][1],
                "unexplained_share": metrics.get("value")
                if record["kind"] == "atdt_transfer_network"
                else None,
                "parameters": metrics.get("parameters"),
                "steps_per_second": metrics.get("steps_per_second"),
            }
        )
    return RUNS.conform(pd.DataFrame(rows, columns=RUNS.column_names))


def _groups(frame: pd.DataFrame, names: list[str]) -> Iterable[tuple[dict[str, Any], pd.DataFrame]]:
    for values, group in frame.groupby(names, dropna=False, sort=True):
        yield dict(zip(names, values, strict=True)), group
