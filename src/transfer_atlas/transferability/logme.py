"""LogME: the evidence of a linear model on the features, per sample."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from transfer_atlas.transferability.arrays import (
    MetricInputError,
    as_features,
    as_labels,
    beside,
    double,
    double_blocks,
    one_hot,
    to_numpy,
)
from transfer_atlas.transferability.moments import ClassMoments, class_moments

ITERATIONS = 11
EPSILON = 1e-5  # keeps the precisions finite where the classes are separated perfectly
ZERO = (
    1e-15  # times the larger of n and d: share of the largest eigenvalue below which rounding is all there is
)


def logme(
    features: Any,
    labels: Any,
    *,
    centre: bool = False,
    compat: Literal["thuml", "google"] | None = None,
) -> float:
    """Logarithm of maximum evidence (You et al. 2021, 2022). Higher is better; a density, so it may exceed 0.

    F (n, d) features; Y (n, K) targets: one column of zeros and ones per class that occurs, or the continuous
    targets themselves. Each column has prior weights w ~ N(0, I / alpha) and noise N(0, 1 / beta). With k = rank F,
    s (k,) the squared singular values, x = U'y and t = alpha / beta, one step of the fixed-point iteration is

        gamma = sum s / (s + t)              m2 = sum s x^2 / (t + s)^2
        r2    = sum x^2 / (1 + s/t)^2 + |y|^2 - sum x^2
        alpha = gamma / (m2 + 1e-5)          beta = (n - gamma) / (r2 + 1e-5)

    until t moves by less than 0.1 %, at most 11 times from alpha = beta = 1, and

        L = d/2 log alpha + n/2 log beta - 1/2 [sum_k log(alpha + beta s) + (d - k) log alpha]
            - beta/2 r2 - alpha/2 m2 - n/2 log(2 pi);        LogME = mean over columns of L / n

    (A) n >= d: F'F (d, d) has the eigenvalues s and x follows from F'Y, so that class sums are all it takes.
    (B) d > n: FF' (n, n) has them, and its eigenvectors are U.
    O(n d min(n, d) + min(n, d)^3 + K d). Invariant under rotation and added zero columns; not under a shift.

    Parameters
    ----------
    features
        (n, d).
    labels
        (n,) integers: classes. (n,) or (n, K) floating point: regression.
    centre
        Subtract the features' mean first, which makes the score invariant to a shift; the papers do not.
    compat
        "thuml" and "google" leave out the term (d - k)/2 log alpha, as those implementations do, which changes the
        score wherever k < d; "google" also stops at 1 %.

    Raises MetricInputError for features that are all zero, or shapes that do not fit.
    """
    matrix = as_features(features)
    targets = labels if hasattr(labels, "dtype") else np.asarray(labels)
    regression = "float" in str(targets.dtype)
    if not regression and matrix.shape[0] >= max(2, matrix.shape[1]):
        return logme_of(class_moments(matrix, labels), centre=centre, compat=compat)
    if regression:
        columns = to_numpy(double(as_features(targets.reshape(len(targets), -1), "targets")))
        if len(columns) != matrix.shape[0]:
            raise MetricInputError(
                f"there are {len(columns)} targets, but {matrix.shape[0]} rows of features."
            )
    else:
        groups = as_labels(labels, rows=matrix.shape[0])
        columns = one_hot(groups.codes, groups.classes)
    mean = (
        to_numpy(sum(block.sum(0) for _, block in double_blocks(matrix)) / matrix.shape[0]) if centre else 0.0
    )
    squares = (columns**2).sum(axis=0)
    if matrix.shape[0] >= matrix.shape[1]:
        gram = projected = 0.0
        for start, raw in double_blocks(matrix):
            block = raw - beside(mean, raw) if centre else raw
            gram = gram + block.T @ block
            projected = projected + block.T @ beside(columns[start : start + len(block)], block)
        spectrum = _from_gram(to_numpy(gram), to_numpy(projected), matrix.shape[0])
    else:
        wide = to_numpy(double(matrix)) - mean
        values, vectors = np.linalg.eigh(wide @ wide.T)
        kept = values > ZERO * max(matrix.shape) * values.max()
        spectrum = values[kept], (vectors[:, kept].T @ columns) ** 2
    return _mean_evidence(*spectrum, squares, *matrix.shape, compat)


def logme_of(
    moments: ClassMoments, *, centre: bool = False, compat: Literal["thuml", "google"] | None = None
) -> float:
    """LogME for classes from moments that are there already; see `logme`."""
    gram, projected = moments.scatter, moments.class_sums.T
    if not centre:
        gram = gram + moments.samples * np.outer(moments.mean, moments.mean)
        projected = projected + np.outer(moments.mean, moments.counts)
    spectrum = _from_gram(gram, projected, moments.samples)
    return _mean_evidence(*spectrum, moments.counts, moments.samples, moments.dimensions, compat)


def _from_gram(gram: np.ndarray, projected: np.ndarray, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """s (k,) and x^2 (k, K) from F'F (d, d) and F'Y (d, K)."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > ZERO * max(samples, len(gram)) * values.max()
    return values[kept], (vectors[:, kept].T @ projected) ** 2 / values[kept, None]


def _mean_evidence(
    s: np.ndarray, x2: np.ndarray, y2: np.ndarray, n: int, d: int, compat: Literal["thuml", "google"] | None
) -> float:
    """Mean over K columns of the evidence per sample. s (k,), x2 (k, K), y2 (K,) the columns' squared lengths."""
    if not len(s):
        raise MetricInputError("LogME needs features that are not all zero.")
    tolerance = 1e-2 if compat == "google" else 1e-3
    outside = np.maximum(
        y2 - x2.sum(axis=0), 0
    )  # what no weights can explain; not negative, but for rounding
    alpha = np.ones(len(y2))
    beta = np.ones(len(y2))
    m2 = np.zeros(len(y2))
    r2 = np.zeros(len(y2))
    active = np.ones(len(y2), bool)  # columns stop one by one
    for _ in range(ITERATIONS):
        t = alpha[active] / beta[active]
        x, shrunk = x2[:, active], s[:, None] + t
        gamma = (s[:, None] / shrunk).sum(axis=0)
        m2[active] = (s[:, None] * x / shrunk**2).sum(axis=0)
        r2[active] = (x * (t / shrunk) ** 2).sum(axis=0) + outside[active]
        alpha[active] = gamma / (m2[active] + EPSILON)
        beta[active] = (n - gamma) / (r2[active] + EPSILON)
        moved = np.abs(alpha[active] / beta[active] - t) / t
        active[active] = moved > tolerance
        if not active.any():
            break
    unseen = 0 if compat else d - len(s)
    determinant = np.log(alpha + beta * s[:, None]).sum(axis=0) + unseen * np.log(alpha)
    evidence = (
        d * np.log(alpha) + n * np.log(beta) - determinant - beta * r2 - alpha * m2 - n * np.log(2 * np.pi)
    )
    return float((evidence / (2 * n)).mean())
