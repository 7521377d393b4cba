"""Class moments: one pass over the features, after which H-score, LogME, GBC and PCA need no sample any more.

Everything those metrics ask of the samples is in the scatter matrix, the class sums and the class counts, so that
one pass and one eigendecomposition serve all of them for one (source, target).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg.blas import dsyrk

from transfer_atlas.transferability.arrays import (
    BLOCK_ROWS,
    Array,
    MetricInputError,
    as_features,
    as_labels,
    beside,
    double,
    double_blocks,
    one_hot,
    to_numpy,
)

RELATIVE_CUTOFF = 1e-10  # eigenvalues below this share of the largest are taken for zero


@dataclass(frozen=True)
class ClassMoments:
    """Sums over samples x_i (n, d) with labels of c classes, all float64 and centred on the common mean m.

    Attributes
    ----------
    samples, dimensions
        n and d.
    counts
        (c,) samples of each class.
    mean
        (d,) m, the mean of all samples.
    class_sums
        (c, d) sum of x_i - m over the samples of each class.
    scatter
        (d, d) sum of (x_i - m)(x_i - m)'.
    fourth
        Sum of |x_i - m|^4, for the shrinkage of Ledoit and Wolf.
    """

    samples: int
    dimensions: int
    counts: np.ndarray
    mean: np.ndarray
    class_sums: np.ndarray
    scatter: np.ndarray
    fourth: float

    @cached_property
    def principal(self) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues of the scatter matrix, (d,) descending and not negative, and eigenvectors (d, d) as columns.

        O(d^3), once. The eigenvectors are the principal components of the samples.
        """
        values, vectors = np.linalg.eigh(self.scatter)
        return np.maximum(values[::-1], 0), vectors[:, ::-1]

    def components(self, number: int) -> np.ndarray:
        """The first `number` principal components (d, number); fewer if n or d is smaller."""
        number = min(number, self.dimensions, self.samples)
        if "principal" in self.__dict__ or 4 * number > self.dimensions:
            return self.principal[1][:, :number]
        last = self.dimensions - 1  # a few of many are cheaper than all
        _, vectors = scipy.linalg.eigh(self.scatter, subset_by_index=[last - number + 1, last])
        return vectors[:, ::-1]


def class_moments(features: Any, labels: Any) -> ClassMoments:
    """Moments of features (n, d) by class labels (n,). O(n d^2), memory O(d^2) beside the input.

    Raises MetricInputError for fewer than two samples, or what `as_features` and `as_labels` refuse.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    samples, dimensions = matrix.shape
    if samples < 2:
        raise MetricInputError("there is 1 sample; scores need at least 2.")
    mean = _mean(matrix)
    scatter = np.zeros((dimensions, dimensions), order="F")
    class_sums, fourth = np.zeros((groups.classes, dimensions)), 0.0
    buffer = np.empty((BLOCK_ROWS, dimensions)) if isinstance(matrix, np.ndarray) else None
    for start in range(0, samples, BLOCK_ROWS):
        rows = matrix[start : start + BLOCK_ROWS]
        indicator = one_hot(groups.codes[start : start + len(rows)], groups.classes).T
        if buffer is not None:
            centred = np.subtract(rows, mean, out=buffer[: len(rows)])
            # BLAS's symmetric product, at half the cost of a general one; it fills the upper triangle only.
            scatter = dsyrk(1.0, centred.T, beta=1.0, c=scatter, overwrite_c=1)
            class_sums += indicator @ centred
            lengths = np.einsum("ij,ij->i", centred, centred)
        else:
            centred = double(rows) - beside(mean, rows)
            scatter += to_numpy(centred.T @ centred)
            class_sums += to_numpy(beside(indicator, rows) @ centred)
            lengths = to_numpy((centred * centred).sum(1))
        fourth += float(lengths @ lengths)
    scatter = np.triu(scatter) + np.triu(scatter, 1).T
    return ClassMoments(samples, dimensions, groups.counts, mean, class_sums, scatter, fourth)


def _mean(matrix: Array) -> np.ndarray:
    """Mean of the rows (d,), float64."""
    if isinstance(matrix, np.ndarray):
        return matrix.mean(axis=0, dtype=np.float64)
    return to_numpy(sum(block.sum(0) for _, block in double_blocks(matrix)) / matrix.shape[0])


def solve_symmetric(matrix: np.ndarray, right: np.ndarray, cutoff: float = RELATIVE_CUTOFF) -> np.ndarray:
    """pinv(matrix) @ right for a symmetric matrix without negative eigenvalues, (d, d) and (d, k).

    Eigenvalues below `cutoff` times the largest count as zero. Where the condition number shows that there are
    none (kappa_2 <= kappa_1), the pseudo-inverse is the inverse, and a Cholesky factorisation does at a tenth of
    the cost.
    """
    factor, failed = scipy.linalg.lapack.dpotrf(matrix, lower=1)
    if not failed:
        reciprocal, _ = scipy.linalg.lapack.dpocon(factor, np.linalg.norm(matrix, 1), uplo="L")
        if reciprocal > cutoff:
            return scipy.linalg.cho_solve((factor, True), right, check_finite=False)
    values, vectors = np.linalg.eigh(matrix)
    return solve_spectral(values, vectors, right, cutoff)


def solve_spectral(
    values: np.ndarray, vectors: np.ndarray, right: np.ndarray, cutoff: float = RELATIVE_CUTOFF
) -> np.ndarray:
    """pinv(V diag(values) V') @ right, by the rule of `solve_symmetric`."""
    kept = values > cutoff * values.max()
    basis = vectors[:, kept]
    return basis @ ((basis.T @ right) / values[kept, None])
