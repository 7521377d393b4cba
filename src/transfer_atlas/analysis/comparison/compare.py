"""From the tables of two studies to what changed between them. Pure functions."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.comparison.schema import (
    COMPARISON,
    COMPARISON_ENVIRONMENT,
    COMPARISON_SUMMARY,
)
from transfer_atlas.analysis.tables.intervals import jackknife_interval
from transfer_atlas.analysis.tables.metric_evaluation import FEWEST, kendall, pearson, spearman
from transfer_atlas.errors import ConfigurationError

PAIR = ["regime", "target", "source"]
TAKEN = ["gain", "gain_low", "gain_high", "effect", "value", "n_seeds", "status"]
NAMED = 5  # pairs of a kind that the text names
CHANGES = (
    "same_effect",
    "other_effect",
    "other_effect_within_noise",
    "new",
    "vanished",
    "failed",
    "no_gain",
)


def comparison_table(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The table `comparison` of two tables `gains`.

    The baseline `ilsvrc`, whose gain is 0 by definition, is left out. The interval of a difference adds both intervals'
    half widths in squares. Raises ConfigurationError where the two measured one target by different metrics.
    """
    sides = [_side(gains, name) for gains, name in ((first, "first"), (second, "second"))]
    table = sides[0].merge(sides[1], on=PAIR, how="outer", suffixes=("", "_again"))
    for name in ("target_task_type", "metric"):
        table[name] = table[name].where(table[name].notna(), table.pop(f"{name}_again"))
    _refuse_other_metrics(first, second)
    for side in ("first", "second"):
        table[f"status_{side}"] = table[f"status_{side}"].where(table[f"status_{side}"].notna(), "absent")
    table["difference"] = table["gain_second"] - table["gain_first"]
    halves = {
        f"{end}_{side}": (table[f"gain_{side}"] - table[f"gain_{end}_{side}"]).abs()
        for end in ("low", "high")
        for side in ("first", "second")
    }
    down = np.hypot(halves["low_second"], halves["high_first"])
    up = np.hypot(halves["high_second"], halves["low_first"])
    table["difference_low"], table["difference_high"] = table["difference"] - down, table["difference"] + up
    table["change"] = [_change(row) for row in table.to_dict("records")]
    table["same_runs"] = [
        None if not isinstance(one, list) or not isinstance(other, list) or not _known(one) else one == other
        for one, other in zip(table.pop("all_keys_first"), table.pop("all_keys_second"), strict=True)
    ]
    return COMPARISON.conform(table.drop(columns="metric"))


def comparison_summary(comparison: pd.DataFrame) -> pd.DataFrame:
    """The table `comparison_summary` of a table `comparison`: correlations with intervals, differences, counts."""
    rows = []
    for regime, of_regime in comparison.groupby("regime", sort=True):
        groups = [("all", of_regime), *of_regime.groupby("target_task_type", sort=True)]
        for task_type, group in groups:
            named = {"regime": regime, "task_type": task_type}
            rows += [named | row for row in _statistics(group)]
    frame = pd.DataFrame(rows, columns=None if rows else COMPARISON_SUMMARY.column_names)
    return COMPARISON_SUMMARY.conform(frame)


def environment_table(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The table `comparison_environment` of two tables `runs`: only what differs."""
    sides = [_environment(runs) for runs in (first, second)]
    rows = [
        {
            "what": what,
            "first": sorted(sides[0].get(what, set())),
            "second": sorted(sides[1].get(what, set())),
        }
        for what in sorted(sides[0].keys() | sides[1].keys())
    ]
    rows = [row for row in rows if row["first"] != row["second"]]
    frame = pd.DataFrame(rows, columns=None if rows else COMPARISON_ENVIRONMENT.column_names)
    return COMPARISON_ENVIRONMENT.conform(frame)


def as_text(
    comparison: pd.DataFrame, summary: pd.DataFrame, environment: pd.DataFrame, names: tuple[str, str]
) -> str:
    """The comparison for reading: agreement by regime, the pairs whose effect changed, what differs in the machines."""
    lines = [f"{names[0]} (first) and {names[1]} (second)"]
    for regime, rows in summary[summary["task_type"] == "all"].groupby("regime", sort=True):
        value = rows.set_index("statistic")
        tau = value.loc["kendall"]
        told = (
            "too few pairs in both" if pd.isna(tau["value"]) else f"Kendall tau of gains {tau['value']:.2f}"
        )
        if not pd.isna(tau["low"]):
            told += f" ({tau['low']:.2f} to {tau['high']:.2f})"
        counts = [f"{int(value.loc[name, 'value'])} {name.replace('_', ' ')}" for name in CHANGES]
        lines += ["", f"{regime}: {int(tau['count'])} pairs in both, {told}", "  " + ", ".join(counts)]
    changed = comparison[comparison["change"] == "other_effect"]
    for row in changed.sort_values("difference", key=abs, ascending=False).itertuples():
        lines.append(
            f"  {row.source} -> {row.target} ({row.regime}): {row.gain_first:+.1f} {row.effect_first}, then "
            f"{row.gain_second:+.1f} {row.effect_second}"
        )
    for change in ("new", "vanished", "failed"):
        pairs = [
            f"{row.source} -> {row.target}" for row in comparison[comparison["change"] == change].itertuples()
        ]
        if pairs:
            more = f", and {len(pairs) - NAMED} more (--output writes all)" if len(pairs) > NAMED else ""
            lines.append(f"  {change}: {', '.join(pairs[:NAMED])}{more}")
    again = comparison[
        comparison["same_runs"].eq(True).fillna(False) & comparison["difference"].abs().gt(1e-9)
    ]
    if len(again):
        lines += [
            "",
            f"{len(again)} pairs rest on the same keys and differ: another machine, or other versions",
        ]
    for row in environment.itertuples():
        lines.append(f"  {row.what}: {', '.join(row.first) or 'none'} | {', '.join(row.second) or 'none'}")
    return "\n".join(lines)


def _side(gains: pd.DataFrame, side: str) -> pd.DataFrame:
    twice = gains.duplicated(PAIR)
    if twice.any():
        row = gains.loc[twice, PAIR].iloc[0].to_dict()
        raise ConfigurationError(
            f"the {side} table of gains has more than one row for {row}: it is not of one study"
        )
    table = gains[(gains["source"] != "ilsvrc") & (gains["source"] != gains["target"])]
    table = table[[*PAIR, "target_task_type", "metric", *TAKEN]].rename(
        columns={name: f"{name}_{side}" for name in TAKEN}
    )
    keys = [[*one, *base] for one, base in zip(gains["keys"], gains["baseline_keys"], strict=True)]
    table[f"all_keys_{side}"] = pd.Series(keys, index=gains.index, dtype=object).reindex(table.index)
    return table


def other_metrics(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Targets that two tables `gains` measure by different metrics, as index, with columns first and second."""
    metrics = [
        gains.dropna(subset=["metric"]).groupby("target")["metric"].first() for gains in (first, second)
    ]
    both = metrics[0].to_frame("first").join(metrics[1].rename("second"), how="inner")
    return both[both["first"] != both["second"]]


def _refuse_other_metrics(first: pd.DataFrame, second: pd.DataFrame) -> None:
    other = other_metrics(first, second)
    if len(other):
        target, row = other.index[0], other.iloc[0]
        raise ConfigurationError(
            f"{target} is measured by {row['first']} in the first study and by {row['second']} in the second "
            f"({len(other)} such targets): their gains cannot be compared; leave these targets out, or score them alike"
        )


def _known(keys: list[Any]) -> bool:
    return all(isinstance(key, str) for key in keys)


def _change(row: dict[str, Any]) -> str:
    if row["status_first"] == "absent":
        return "new"
    if row["status_second"] == "absent":
        return "vanished"
    gains = [math.isfinite(row[f"gain_{side}"]) for side in ("first", "second")]
    if not all(gains):
        return "failed" if any(gains) else "no_gain"
    if row["effect_first"] == row["effect_second"]:
        return "same_effect"
    within = row["difference_low"] <= 0 <= row["difference_high"]  # not so without intervals, which are nan
    return "other_effect_within_noise" if within else "other_effect"


def _statistics(group: pd.DataFrame) -> Iterator[dict[str, Any]]:
    both = group.dropna(subset=["gain_first", "gain_second"])
    gains = both[["gain_first", "gain_second"]].to_numpy(float)
    names = (both["target"].to_numpy(), both["source"].to_numpy())
    functions: dict[str, Callable[[np.ndarray], float]] = {
        name: lambda kept, f=f: f(*gains[kept].T) if kept.sum() >= FEWEST else math.nan
        for name, f in (("kendall", kendall), ("spearman", spearman), ("pearson", pearson))
    }
    functions["mean_difference"] = lambda kept: (
        float(np.mean(np.diff(gains[kept]))) if kept.any() else math.nan
    )
    functions["mean_absolute_difference"] = lambda kept: (
        float(np.mean(np.abs(np.diff(gains[kept])))) if kept.any() else math.nan
    )
    for name, function in functions.items():
        value = function(np.ones(len(both), dtype=bool)) if len(both) else math.nan
        low, high = jackknife_interval(function, *names) if len(both) else (math.nan, math.nan)
        if name in ("kendall", "spearman", "pearson"):
            low, high = np.clip([low, high], -1.0, 1.0)
        yield {"statistic": name, "value": value, "low": float(low), "high": float(high), "count": len(both)}
    for change in CHANGES:
        number = int((group["change"] == change).sum())
        yield {"statistic": change, "value": number, "low": math.nan, "high": math.nan, "count": len(group)}


def _environment(runs: pd.DataFrame) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in runs[["device", "git_commit", "packages", "code_versions"]].itertuples():
        parts = {"device": row.device, "git_commit": row.git_commit}
        parts |= {f"package {name}": version for name, version in json.loads(row.packages).items()}
        parts |= {f"code {name}": version for name, version in json.loads(row.code_versions).items()}
        for what, value in parts.items():
            if value is not None and not pd.isna(value):
                found.setdefault(what, set()).add(str(value))
    return found
