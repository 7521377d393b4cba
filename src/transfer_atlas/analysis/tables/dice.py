"""Dice, the metric of medical segmentation, from what runs record."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def dice_of_overlap(intersection_over_union: float) -> float:
    """Dice of the two sets whose IoU is given."""
    return 2 * intersection_over_union / (1 + intersection_over_union)


def dice_of_class(record: Mapping[str, Any], name: str) -> float:
    """Dice of one class of a finished run of segmentation; not a number if it failed, or has no such class.

    Of runs that recorded IoU alone it is 2 IoU / (1 + IoU), which is the same.
    """
    metrics = record.get("metrics") or {}
    if record["status"] != "finished":
        return math.nan
    dice = (metrics.get("dice_per_class") or {}).get(name)
    if dice is None:
        overlap = (metrics.get("per_class") or {}).get(name)
        dice = None if overlap is None else dice_of_overlap(overlap)
    return math.nan if dice is None else float(dice)
