"""NCTI: how far the target's features are from neural collapse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg

from transfer_atlas.transferability.arrays import (
    UndefinedError,
    as_features,
    as_labels,
    beside,
    double_blocks,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.fisher import own_class_mean
from transfer_atlas.transferability.moments import class_moments

COMPONENTS = 64  # principal components that are kept
SHRUNK_BY = 32  # leading ones whose variance decides on the shrinkage
LEAST_SHRINKAGE = 1e-10
CUTOFF = 1e-12  # share of the scatter that is none but for rounding
WEIGHTS = (1.0, 1.0, -1.0)  # of geometry, nearest centre and collapse in the combined score


@dataclass(frozen=True)
class Ncti:
    """The three parts; over the sources of one target, `combine_parts(parts, WEIGHTS)` is the paper's score.

    Attributes
    ----------
    geometry
        S_seli, nuclear norm of the discriminant coordinates. Higher is better.
    nearest_centre
        S_ncc, mean probability of the own class. Higher is better.
    collapse
        log sum_k |P_k|_*, of the probabilities of each class's samples: -S_vc on a logarithmic scale. Lower is better.
    """

    geometry: float
    nearest_centre: float
    collapse: float


def ncti(features: Any, labels: Any) -> Ncti:
    """Neural collapse transferability index (Wang et al. 2023, ICCV; BUserName/NCTI).

    Z (n, p) the first 64 principal components of the features, v their variances (divided by n - 1). With
    a = max(exp(-sum of the first 32 v), 1e-10), a linear discriminant analysis of Z, whose covariances within classes
    (divided by n) are shrunk by a towards their mean variance, or not at all where a is 1e-10 (scikit-learn's solvers
    "eigen" and "svd"), gives c - 1 coordinates T (n, c - 1), centred here, and probabilities P (n, c):

        geometry = |T|_*,      nearest_centre = mean_i p(y_i | z_i),      collapse = log sum_k |P of class k|_*

    Depends on the scale of the features through a. O(n d^2 + d^3 + n p c).

    Raises MetricInputError for shapes that do not fit; UndefinedError for a single class, as many classes as samples,
    or samples that do not vary within classes.
    """
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis  # late: takes a second to import

    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "NCTI")
    n, c = matrix.shape[0], groups.classes
    if c == n:
        raise UndefinedError("NCTI needs a class of two samples, but every sample has a class of its own.")
    moments = class_moments(matrix, labels)
    between = (moments.class_sums**2).sum(axis=1) @ (1 / groups.counts)
    if not np.trace(moments.scatter) - between > CUTOFF * np.trace(moments.scatter):
        raise UndefinedError("NCTI needs features that vary within classes.")
    variances = moments.principal[0][: min(COMPONENTS, n, matrix.shape[1])] / (n - 1)
    variances = variances[
        variances > CUTOFF * variances[0]
    ]  # the others are rounding, which a discriminant magnifies
    basis, centre = moments.components(len(variances)), beside(moments.mean, matrix)
    reduced = np.concatenate(
        [to_numpy((block - centre) @ beside(basis, block)) for _, block in double_blocks(matrix)]
    )
    amount = max(float(np.exp(-variances[:SHRUNK_BY].sum())), LEAST_SHRINKAGE)
    if amount > LEAST_SHRINKAGE:
        analysis = LinearDiscriminantAnalysis(solver="eigen", shrinkage=amount)
    else:
        analysis = LinearDiscriminantAnalysis(solver="svd")
    coordinates = analysis.fit_transform(reduced, groups.codes)
    probabilities = analysis.predict_proba(reduced)
    collapse = sum(_nuclear(probabilities[groups.codes == code]) for code in range(c))
    return Ncti(
        _nuclear(coordinates - coordinates.mean(axis=0)),
        own_class_mean(probabilities, groups.codes),
        float(np.log(collapse)),
    )


def _nuclear(matrix: np.ndarray) -> float:
    """Sum of the singular values."""
    return float(scipy.linalg.svdvals(matrix).sum())
