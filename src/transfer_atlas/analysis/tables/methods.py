"""From the table of transfers to what methods gain over plain fine-tuning. Pure functions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.tables.intervals import mean_interval
from transfer_atlas.analysis.tables.method_schema import METHOD_SUMMARY, METHODS
from transfer_atlas.analysis.tables.transfers import PLAIN, frame_of

SAME = ["source", "target", "regime", "seed"]
_NUMBER = re.compile(r"_\d+$")  # of a sampled task among its like


def tasks_of(target: str) -> str:
    """What sampled tasks share: `classification/digits@three_way_017` is one of `classification/digits@three_way`."""
    return _NUMBER.sub("", target) if "@" in target else target


def methods_table(transfers: pd.DataFrame) -> pd.DataFrame:
    """The table `methods` of a table of transfers; plain rows stand beside themselves. Empty without other methods."""
    sources = set(transfers.loc[transfers["method"] != PLAIN, "source"])
    chosen = transfers[transfers["source"].isin(sources)]
    plain = {
        tuple(row[name] for name in SAME): row for row in chosen[chosen["method"] == PLAIN].to_dict("records")
    }
    rows = []
    for row in chosen.to_dict("records"):
        beside = plain.get(tuple(row[name] for name in SAME))
        sign = -1.0 if row["higher_is_better"] is False else 1.0
        other = np.nan if beside is None else beside["value"]
        rows.append(
            {name: row[name] for name in (*SAME, "method", "metric", "value", "score_before", "score_after")}
            | {name: row[name] for name in ("status", "reason", "key")}
            | {
                "tasks": tasks_of(row["target"]),
                "plain_value": other,
                "difference": sign * (row["value"] - other),
                "plain_key": None if beside is None else beside["key"],
            }
        )
    return frame_of(METHODS, rows)


def method_summary_table(methods: pd.DataFrame) -> pd.DataFrame:
    """The table `method_summary` of a table `methods`."""
    rows = [
        _summary(part, *names)
        for names, part in methods.groupby(["source", "tasks", "regime", "method"], sort=True)
    ]
    return frame_of(METHOD_SUMMARY, rows)


def _summary(part: pd.DataFrame, source: str, tasks: str, regime: str, method: str) -> dict[str, Any]:
    """One row: seeds of a target are averaged first, for targets are the unit."""
    part = part.assign(change=part["score_after"] - part["score_before"])
    columns = ["value", "difference", "change"]
    by_target = part.groupby("target")[columns].mean()
    known = by_target.dropna(subset=["value"])
    row: dict[str, Any] = {"source": source, "tasks": tasks, "regime": regime, "method": method}
    row |= {
        "metric": next(iter(part["metric"].dropna()), None),
        "targets": len(known),
        "failed": len(by_target) - len(known),
    }
    for column, name in (("value", ""), ("difference", "difference"), ("change", "score_change")):
        values = known[column].dropna().to_numpy()
        low, high = mean_interval(values, seed=0)
        row |= {
            name or "mean": values.mean() if len(values) else np.nan,
            f"{name}_low".lstrip("_"): low,
            f"{name}_high".lstrip("_"): high,
        }
    gained = known["difference"].dropna()
    row["better"] = ((gained > 0) + 0.5 * (gained == 0)).mean() if len(gained) else np.nan
    both = known.dropna(subset=["difference", "change"])
    row["both_rise"] = ((both["difference"] > 0) & (both["change"] > 0)).mean() if len(both) else np.nan
    return row
