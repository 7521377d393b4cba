"""What a model that learnt nothing would reach, below which a baseline makes gains meaningless."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

AVERAGE_PRECISION = 0.02  # detectors that find nothing score 0; below this a single lucky box moves the ratio
SHARES_OF_CLASSES = ("mean_iou", "top1_accuracy")  # one class everywhere reaches at most 1 / classes


def chance_levels(records: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The metric's level without learning by target, from run.json of its transfers; absent where it is not known.

    Mean IoU and accuracy: 1 over the number of annotated classes, which one class everywhere cannot exceed. Average
    precision: 0.02. Errors of depth have no level, since that of a constant depends on the scene.
    """
    levels: dict[str, float] = {}
    for record in records:
        metrics = record.get("metrics") or {}
        if record["kind"] != "transfer" or metrics.get("primary") is None:
            continue
        level = floor_of(metrics["primary"])
        if metrics["primary"] in SHARES_OF_CLASSES:
            classes = [value for value in (metrics.get("per_class") or {}).values() if value is not None]
            level = 1.0 / len(classes) if len(classes) > 1 else None
        if level is not None:
            levels[record["identity"]["target"]] = level
    return levels


def floor_of(metric: str | None) -> float | None:
    """The level that holds whatever the classes: that of average precision, else None."""
    words = (metric or "").split("_")
    return AVERAGE_PRECISION if any(word in ("map", "ap", "ap50") for word in words) else None


def at_chance(gains: pd.DataFrame, levels: Mapping[str, float] | None = None) -> list[bool | None]:
    """For every row whether its baseline is no better than chance; None where baseline or level is not known."""
    found: list[bool | None] = []
    for row in gains[["target", "metric", "baseline"]].itertuples():
        metric = None if pd.isna(row.metric) else row.metric
        level = (levels or {}).get(row.target, floor_of(metric))
        unknown = level is None or pd.isna(row.baseline)
        found.append(None if unknown else bool(row.baseline <= level))
    return found
