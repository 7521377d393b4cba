"""What a reader of a run's numbers must know of it, as words in its metrics.

near_chance: the metric is hardly above what a model that learnt nothing reaches.
not_fitted: on its own training images the model is poor too: it was trained too short to say anything of transfer.
still_falling: the loss was falling fast when training ended.
best_rate_at_edge: the best learning rate is the highest or lowest of the grid, so that a better one may lie beyond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

NEAR_CHANCE, NOT_FITTED = "near_chance", "not_fitted"
STILL_FALLING, RATE_AT_EDGE = "still_falling", "best_rate_at_edge"
# A detector that finds nothing scores 0; below this a single lucky box moves a ratio of two such scores.
LEAST_PRECISION = 0.02
# What a model that fits its own training images reaches on them: far below what eight images learnt by heart give
# (0.5 to 1.0), far above what runs of 8 epochs gave whose boxes were all of one size (0.05).
FITTED = {"segmentation": 0.4, "classification": 0.6, "detection": 0.2, "keypoints": 0.2}
FITTED_DELTA_1 = 0.5  # share of depths within a quarter of the truth
FITTED_BELOW_30 = 0.5  # share of normals within 30 degrees of the truth
FALLING = 0.1  # share of the loss by which the last fifth of the curve lies below the fifth before


def near_chance(task_type: str, metrics: dict[str, Any]) -> bool | None:
    """Whether a metric is hardly above chance; None where chance is not known, as for errors of depth and normals.

    Mean IoU and accuracy: 1 over the number of annotated classes, which one class everywhere cannot exceed.
    """
    if task_type in ("detection", "keypoints"):
        return bool(metrics["value"] <= LEAST_PRECISION)
    classes = [value for value in (metrics.get("per_class") or {}).values() if value is not None]
    if task_type in ("depth", "normals") or len(classes) < 2:
        return None
    return bool(metrics["value"] <= 1 / len(classes))


def not_fitted(task_type: str, on_training_images: dict[str, Any]) -> bool:
    """Whether a model is poor on its own training images; of average precision that at 0.5 counts."""
    if task_type == "depth":
        return bool(on_training_images["delta_1"] < FITTED_DELTA_1)
    if task_type == "normals":
        return bool(on_training_images["below_30"] < FITTED_BELOW_30)
    value = on_training_images.get("ap50", on_training_images["value"])
    return bool(value < FITTED[task_type])


def still_falling(curve: Sequence[Sequence[float]]) -> bool | None:
    """Whether a loss was still falling fast at the end: curve of (step, loss); None for one of less than ten values."""
    losses = [loss for _, loss in curve]
    fifth = len(losses) // 5
    if len(losses) < 10:
        return None
    before, last = losses[-2 * fifth : -fifth], losses[-fifth:]
    return bool(sum(last) < (1 - FALLING) * sum(before))


def rate_at_edge(rates: Sequence[float], best: float) -> bool:
    """Whether the best of several learning rates is the highest or the lowest."""
    return len(rates) > 1 and best in (max(rates), min(rates))


def notes_of(
    task_type: str, metrics: dict[str, Any], on_training_images: dict[str, Any] | None, curve: Sequence[Any]
) -> list[str]:
    """The words that hold for one trained model, in a fixed order."""
    holds = {
        NEAR_CHANCE: near_chance(task_type, metrics),
        NOT_FITTED: None if on_training_images is None else not_fitted(task_type, on_training_images),
        STILL_FALLING: still_falling(curve),
    }
    return [word for word, said in holds.items() if said]
