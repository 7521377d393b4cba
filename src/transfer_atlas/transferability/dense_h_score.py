"""Dense H-score: the H-score of image-to-image tasks, averaged over superpixels."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfer_atlas.transferability.arrays import (
    Array,
    MetricInputError,
    UndefinedError,
    as_features,
    as_labels,
    beside,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.h_score import h_score_of, shrinkage_h_score_of
from transfer_atlas.transferability.moments import ClassMoments, class_moments

SUPERPIXELS = 4  # on a side
LARGEST_GRID = 256


@dataclass(frozen=True)
class DenseHScore:
    """What the dense H-scores return.

    Attributes
    ----------
    score
        Mean over superpixels. Higher is better.
    scored
        Superpixels that entered: those with two samples or more.
    """

    score: float
    scored: int


def dense_h_score(features: Any, labels: Any, places: Any, *, superpixels: int = SUPERPIXELS) -> DenseHScore:
    """H-score of an image-to-image task (Bao et al. 2019, as Li's talk has it: "average H-score over all superpixels").

    The image plane is cut into a grid of g x g superpixels, the same in every image. In each, the samples of all images
    are those of a classification task; H_s is their H-score (`h_score`), and

        H = 1 / |S| sum of H_s over superpixels s of two samples or more

    So what counts is what features tell of the label where it is, and not that the sky is above. A superpixel with a
    single class, of which there is nothing to tell, has H_s = 0, as the formula says. The talk does not say how its
    superpixels are made: a grid is the choice here. Continuous labels (depth, normals) are quantised before.

    O(n d^2 + g^2 d^3), from 0 to min(d, c - 1).

    Parameters
    ----------
    features, labels
        (n, d) and (n,) integers.
    places
        (n, 2) row and column of each sample in its image, relative to its height and width: from 0 to 1.
    superpixels
        g, of each side; 1 is the H-score itself.

    Notes
    -----
    Raises MetricInputError for shapes that do not fit or places outside the image. Raises UndefinedError for a single
    class in all, and where a superpixel's features have as many independent dimensions as samples less one: there the
    H-score is c - 1 whatever the labels, and leaving it out would compare sources on other pixels. Take
    `dense_shrinkage_h_score` then, fewer superpixels, or more samples.
    """
    return _averaged(features, labels, places, superpixels, h_score_of, "the dense H-score")


def dense_shrinkage_h_score(
    features: Any, labels: Any, places: Any, *, superpixels: int = SUPERPIXELS
) -> DenseHScore:
    """The same with `shrinkage_h_score` in each superpixel (Ibrahim et al. 2021), for any number of samples.

    Raises MetricInputError as `dense_h_score`, UndefinedError for a single class in all.
    """
    return _averaged(
        features, labels, places, superpixels, shrinkage_h_score_of, "the dense shrinkage H-score"
    )


def _averaged(
    features: Any,
    labels: Any,
    places: Any,
    superpixels: int,
    score_of: Callable[[ClassMoments], float],
    metric: str,
) -> DenseHScore:
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, metric)
    cells = superpixels_of(places, superpixels, rows=matrix.shape[0])
    scores = []
    for cell in np.unique(cells):
        rows = np.flatnonzero(cells == cell)
        if len(rows) < 2:
            continue
        own = groups.codes[rows]
        scores.append(
            0.0 if (own == own[0]).all() else _of_cell(_rows(matrix, rows), own, score_of, metric, cell)
        )
    if not scores:
        raise UndefinedError(f"{metric} needs two samples in a superpixel, but there is none with so many.")
    return DenseHScore(float(np.mean(scores)), len(scores))


def _of_cell(
    features: Array, labels: np.ndarray, score_of: Callable[[ClassMoments], float], metric: str, cell: int
) -> float:
    moments = class_moments(features, labels)
    if not np.trace(moments.scatter) > 0:
        return 0.0  # samples that are all the same tell nothing
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of few samples, superpixel by superpixel
            return score_of(moments)
    except UndefinedError as problem:
        raise UndefinedError(
            f"{metric} is undefined in superpixel {cell}: {problem} Fewer superpixels have more samples each."
        ) from None


def superpixels_of(places: Any, superpixels: int, rows: int) -> np.ndarray:
    """The superpixel of each sample, (n,) from 0 to g^2 - 1, row by row. Raises MetricInputError."""
    if not 1 <= superpixels <= LARGEST_GRID:
        raise MetricInputError(f"superpixels is {superpixels}; expected from 1 to {LARGEST_GRID} on a side.")
    found = to_numpy(as_features(places, "places", rows=rows)).astype(np.float64)
    if found.shape[1] != 2 or found.min() < 0 or found.max() > 1:
        raise MetricInputError(
            f"places have shape {found.shape} and go from {found.min():g} to {found.max():g}; expected row and "
            "column of each sample, relative to the image: (n, 2), from 0 to 1."
        )
    cells = np.minimum((found * superpixels).astype(np.int64), superpixels - 1)
    return cells[:, 0] * superpixels + cells[:, 1]


def _rows(matrix: Array, rows: np.ndarray) -> Array:
    return matrix[rows] if isinstance(matrix, np.ndarray) else matrix[beside(rows, matrix)]
