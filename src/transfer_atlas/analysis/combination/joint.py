"""From the transfers of multi-sources that scores propose to what they gain over a single source. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.combination.schema import JOINT_GAINS, JOINT_TRANSFERS
from transfer_atlas.analysis.tables.intervals import mean_interval, seeds_interval
from transfer_atlas.analysis.tables.transfers import frame_of, relative_transfer_gain

ILSVRC = "ilsvrc"
OTHERS = ("single", "lowest")  # what a start is held against
EVERY = "all"


def joint_transfers_table(trained: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table `joint_transfers`.

    trained: of every transfer `target`, `start`, `seed`, `sources`, `mean_score`, `source_key` and `record`, its
    run.json.
    """
    values = {
        (each["target"], each["seed"]): _value(each["record"]) for each in trained if each["start"] == ILSVRC
    }
    rows = []
    for each in trained:
        record, value = each["record"], _value(each["record"])
        metrics = record["metrics"] or {}
        baseline = values.get((each["target"], each["seed"]), np.nan)
        rows.append(
            {
                "target": each["target"],
                "start": each["start"],
                "seed": each["seed"],
                "sources": list(each["sources"]),
                "mean_score": each["mean_score"],
                "metric": metrics.get("primary"),
                "value": value,
                "gain": relative_transfer_gain(value, baseline, bool(metrics.get("higher_is_better", True))),
                "status": record["status"],
                "reason": record["reason"],
                "key": record["key"],
                "source_key": each["source_key"],
            }
        )
    return frame_of(JOINT_TRANSFERS, rows)


def joint_gains_table(transfers: pd.DataFrame) -> pd.DataFrame:
    """The table `joint_gains` of a table `joint_transfers`: each target over seeds, and all over targets."""
    gains = transfers[transfers["start"] != ILSVRC].pivot_table(
        index=["target", "seed"], columns="start", values="gain", aggfunc="first", dropna=False
    )
    rows: list[dict[str, Any]] = []
    means: dict[str, dict[str, dict[str, float]]] = {}
    for target, group in gains.groupby(level="target", sort=True):
        for start in group.columns:
            known = group[start].dropna()
            if known.empty:
                continue
            row = {"target": target, "start": start, "over": "seeds", "number": len(known)}
            row |= _mean("gain", known.to_numpy(), seeds_interval)
            found = {"gain": float(known.mean())}
            for other in OTHERS:
                differences = np.empty(0)
                if other in group.columns and other != start:
                    differences = (group[start] - group[other]).dropna().to_numpy()
                row |= _mean(f"from_{other}", differences, seeds_interval)
                found[f"from_{other}"] = row[f"from_{other}"]
            rows.append(row)
            means.setdefault(str(start), {})[str(target)] = found
    if len(set(gains.index.get_level_values("target"))) > 1:
        for start, by_target in sorted(means.items()):
            row = {"target": EVERY, "start": start, "over": "targets", "number": len(by_target)}
            for name in ("gain", *(f"from_{other}" for other in OTHERS)):
                values = np.array([found[name] for found in by_target.values()], float)
                row |= _mean(name, values[np.isfinite(values)], lambda v: mean_interval(v, seed=0))
            rows.append(row)
    return frame_of(JOINT_GAINS, rows)


def _mean(name: str, values: np.ndarray, interval: Any) -> dict[str, float]:
    """Mean and interval under the names of the table's columns; not numbers where there are no values."""
    low, high = interval(values)
    ends = ("low", "high") if name == "gain" else (f"{name}_low", f"{name}_high")
    return {name: float(values.mean()) if len(values) else np.nan, ends[0]: low, ends[1]: high}


def _value(record: Mapping[str, Any]) -> float:
    return float(record["metrics"]["value"]) if record["status"] == "finished" else np.nan
