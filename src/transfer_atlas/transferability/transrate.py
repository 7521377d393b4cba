"""TransRate: the mutual information of features and labels, by coding rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from transfer_atlas.transferability.arrays import (
    Array,
    as_features,
    as_labels,
    beside,
    double_blocks,
    require_classes,
    to_numpy,
)


def transrate(features: Any, labels: Any, *, distortion: float = 1e-4) -> float:
    """TransRate (Huang et al. 2022). Higher is better, unbounded; grows with the scale of the features.

    Z (n, d) centred on its mean, Z_k its rows of class k (not centred again), R the coding rate at a distortion e:

        R(Z, e) = 1/2 log det( I + Z'Z / (n e) ),     TransRate = R(Z, e) - 1/c sum_k R(Z_k, e)

    as in the Transfer-Learning-Library: classes weigh the same, and features keep their scale, so scores of
    backbones whose features differ in scale are not comparable. O(n d^2 + c d^3), or c n_k^3 for small classes.
    Raises MetricInputError for a single class or shapes that do not fit.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "TransRate")
    mean = sum(block.sum(0) for _, block in double_blocks(matrix)) / matrix.shape[0]
    rates, scatter = [], np.zeros((matrix.shape[1], matrix.shape[1]))
    for code in range(groups.classes):
        rows = matrix[np.flatnonzero(groups.codes == code)]
        part = _scatter(rows, mean)
        scatter += part
        if len(rows) < matrix.shape[1]:  # det(I + Z'Z) = det(I + ZZ'), and the smaller one is cheaper
            centred = np.concatenate([to_numpy(block - mean) for _, block in double_blocks(rows)])
            part = centred @ centred.T
        rates.append(_rate(part, len(rows) * distortion))
    return _rate(scatter, matrix.shape[0] * distortion) - float(np.mean(rates))


def _scatter(rows: Array, mean: Array) -> np.ndarray:
    total: Array = 0.0
    for _, block in double_blocks(rows):
        centred = block - beside(mean, block) if isinstance(mean, np.ndarray) else block - mean
        total = total + centred.T @ centred
    return to_numpy(total)


def _rate(scatter: np.ndarray, scale: float) -> float:
    """1/2 log det(I + scatter / scale)."""
    return 0.5 * float(np.linalg.slogdet(np.eye(len(scatter)) + scatter / scale)[1])
