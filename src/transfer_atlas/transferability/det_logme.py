"""Det-LogME: the evidence of a linear model for boxes and classes of objects at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from transfer_atlas.transferability.arrays import (
    MetricInputError,
    UndefinedError,
    as_features,
    as_labels,
    double,
    to_numpy,
)
from transfer_atlas.transferability.logme import ZERO, best_ratios

SIDES = 4  # numbers of a box


@dataclass(frozen=True)
class DetLogme:
    """The two parts; over the sources of one target, `combine_parts` of both is the score.

    Attributes
    ----------
    unified
        U-LogME, mean evidence per object and column. Higher is better.
    overlap
        Mean intersection over union of fitted and annotated boxes, 0 to 1. Higher is better.
    """

    unified: float
    overlap: float


def det_logme(features: Any, labels: Any, boxes: Any) -> DetLogme:
    """Det-LogME (Wang et al. 2024, WACV: U-LogME and its complement by intersection over union).

    F (n, d) features of n objects (pooled over their boxes, from the level of the pyramid that fits their size), y
    (n,) classes, B (n, 4) boxes as centre x, centre y, width and height, relative to the image. The unified targets
    Y (n, 4 c) hold a box in the four columns of its class and 0 elsewhere, so that a fit must tell class and place:

        unified = mean over columns of the largest evidence per object (`logme`)
        overlap = mean_i IoU( b_i, the fitted box (F m)_i in the columns of y_i ),   m the posterior means there

    Neither the paper's full text nor its code could be read here: unified targets and the complement follow what is
    said of them elsewhere, the maximisation is that of `logme`, and that both parts count the same after they were
    brought to one scale over the candidates is our choice. Fitted widths and heights below 0 count as 0.
    O(n d min(n, d) + n k c).

    Raises MetricInputError for boxes that are no such numbers or shapes that do not fit; UndefinedError for features
    that are all zero, or as many independent dimensions as objects, which any boxes fit. One class is allowed: boxes
    are left to tell sources apart.
    """
    matrix = to_numpy(double(as_features(features)))
    groups = as_labels(labels, rows=len(matrix))
    places = to_numpy(double(as_features(boxes, "boxes", rows=len(matrix))))
    _check_boxes(places)
    left, singular, _ = scipy.linalg.svd(matrix, full_matrices=False)
    if not singular.max() > 0:
        raise UndefinedError("Det-LogME needs features that are not all zero.")
    kept = singular > ZERO * max(matrix.shape) * singular.max()
    left, squares = left[:, kept], singular[kept] ** 2
    if len(squares) == len(matrix):
        raise UndefinedError(
            f"{len(matrix)} objects in as many independent dimensions are fitted perfectly, whatever their boxes. "
            "Take more objects."
        )
    fitted, evidence = np.empty_like(places), []
    for code in range(groups.classes):
        own = groups.codes == code
        projected = left[own].T @ places[own]  # U'Y, as Y is 0 elsewhere
        lengths = (places[own] ** 2).sum(axis=0)
        used = lengths > 0  # a column of zeros has no evidence
        values, ratios = best_ratios(squares, projected[:, used] ** 2, lengths[used], len(matrix))
        evidence.extend(values)
        shrunk = np.zeros_like(projected)
        shrunk[:, used] = projected[:, used] * (squares[:, None] / (squares[:, None] + ratios))
        fitted[own] = left[own] @ shrunk
    return DetLogme(float(np.mean(evidence)), float(_overlaps(fitted, places).mean()))


def _check_boxes(boxes: np.ndarray) -> None:
    if boxes.shape[1] != SIDES:
        raise MetricInputError(f"boxes have {boxes.shape[1]} columns; expected centre x, y, width, height.")
    off = (boxes[:, 2:] <= 0).any(axis=1) | (np.abs(boxes) > 2).any(axis=1)
    if off.any():
        row = int(off.argmax())
        raise MetricInputError(
            f"box {row} is {boxes[row].tolist()}; expected centre, width and height relative to the image, with "
            "positive width and height. Divide by the image's size."
        )


def _overlaps(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Intersection over union (n,) of boxes (n, 4) each."""
    sizes = [np.maximum(boxes[:, 2:], 0) for boxes in (first, second)]
    low = np.maximum(first[:, :2] - sizes[0] / 2, second[:, :2] - sizes[1] / 2)
    high = np.minimum(first[:, :2] + sizes[0] / 2, second[:, :2] + sizes[1] / 2)
    common = np.maximum(high - low, 0).prod(axis=1)
    return common / (sizes[0].prod(axis=1) + sizes[1].prod(axis=1) - common)
