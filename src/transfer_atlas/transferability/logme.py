"""LogME: the evidence of a linear model on the features, per sample."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.linalg

from transfer_atlas.transferability.arrays import (
    Array,
    MetricInputError,
    UndefinedError,
    as_features,
    as_labels,
    beside,
    double,
    double_blocks,
    one_hot,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.moments import ClassMoments, class_moments

ITERATIONS = 11
EPSILON = (
    1e-5  # of the published iteration: keeps the precisions finite where classes are separated perfectly
)
ZERO = 1e-15  # times the larger of n and d: share of the largest singular value below which rounding is all there is
NOISE = 1e-8  # share of a column's squares that no weights explain: without it, a perfect fit has no maximum
ROUNDING = 1e-14  # the same where rank n explains everything, and the maximum is finite without it
POINTS = 241  # of the first grid of log t, from e^-40 to e^20 times the largest eigenvalue
ZOOMS = 4  # finer grids around the best point, each of a tenth of the spacing
Compat = Literal["fixed_point", "thuml", "google"]


def logme(features: Any, labels: Any, *, centre: bool = False, compat: Compat | None = None) -> float:
    """Logarithm of maximum evidence (You et al. 2021, 2022). Higher is better; a density, so it may exceed 0.

    F (n, d) features; Y (n, c), one column of zeros and ones per class that occurs. Each column y has prior weights
    w ~ N(0, I / alpha) and noise N(0, 1 / beta); LogME is the mean over columns of the largest evidence per sample.
    With k = rank F, s (k,) the squared singular values, x = U'y and t = alpha / beta, the best beta for a t is known,

        Q(t) = |y|^2 - sum x^2 s / (s + t),     beta = n / Q
        L(t) = - 1/2 sum log(1 + s/t) + n/2 log(n / Q) - n/2 (1 + log(2 pi))

    and L is maximised over log t: on a grid, then by finer ones around the best point. Where k < n, at least
    1e-8 of |y|^2 counts as noise, or a perfect fit would have no maximum. For t to infinity L is the evidence
    without features.

    O(n d min(n, d) + min(n, d)^3 + K d). Invariant under rotation, scale and added zero columns; not under a shift.

    Parameters
    ----------
    features
        (n, d).
    labels
        (n,) integers: classes. Real targets are for `logme_regression`.
    centre
        Subtract the features' mean first, which makes the score invariant to a shift; the papers do not.
    compat
        "fixed_point": the published iteration instead (`_fixed_point`), which depends on the scale of the features and
        ends up to 0.05 below the maximum where d > n. "thuml" and "google" also leave out a term, as those
        implementations do, which changes the score wherever k < d; "google" stops at 1 %.

    Notes
    -----
    Raises MetricInputError for labels that are no classes, or shapes that do not fit; UndefinedError for a single class
    or features that are all zero.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "LogME")
    if matrix.shape[0] >= max(2, matrix.shape[1]):
        return logme_of(class_moments(matrix, labels), centre=centre, compat=compat)
    return _logme(matrix, one_hot(groups.codes, groups.classes), centre, compat)


def logme_regression(
    features: Any, targets: Any, *, centre: bool = False, compat: Compat | None = None
) -> float:
    """LogME of real targets (n,) or (n, K), one column after another; see `logme`. Not invariant to their scale."""
    matrix = as_features(features)
    values = targets if hasattr(targets, "reshape") else np.asarray(targets)
    columns = to_numpy(double(as_features(values.reshape(len(values), -1), "targets")))
    if len(columns) != matrix.shape[0]:
        raise MetricInputError(f"there are {len(columns)} targets, but {matrix.shape[0]} rows of features.")
    if not (columns != 0).any(axis=0).all():
        raise UndefinedError("LogME needs targets that are not all zero.")
    return _logme(matrix, columns, centre, compat)


def logme_of(moments: ClassMoments, *, centre: bool = False, compat: Compat | None = None) -> float:
    """LogME for classes from moments that are there already; see `logme`."""
    if len(moments.counts) < 2:
        raise UndefinedError("LogME compares classes, but the labels hold one class only.")
    spectrum = _spectrum(
        moments.scatter,
        None if centre else moments.mean,
        moments.class_sums.T,
        moments.counts,
        moments.samples,
    )
    return _mean_evidence(*spectrum, moments.counts, moments.samples, moments.dimensions, compat)


def _logme(matrix: Array, columns: np.ndarray, centre: bool, compat: Compat | None) -> float:
    """LogME of features (n, d) and target columns (n, K)."""
    n, d = matrix.shape
    mean = to_numpy(sum(block.sum(0) for _, block in double_blocks(matrix)) / n)
    squares = (columns**2).sum(axis=0)
    if n >= d:
        scatter, projected = np.zeros((d, d)), np.zeros((d, columns.shape[1]))
        for start, raw in double_blocks(matrix):
            block = raw - beside(mean, raw)
            scatter += to_numpy(block.T @ block)
            projected += to_numpy(block.T @ beside(columns[start : start + len(block)], block))
        spectrum = _spectrum(scatter, None if centre else mean, projected, columns.sum(axis=0), n)
    else:
        left, values, _ = scipy.linalg.svd(
            to_numpy(double(matrix)) - (mean if centre else 0), full_matrices=False
        )
        kept = values > ZERO * d * values.max()
        spectrum = values[kept] ** 2, (left[:, kept].T @ columns) ** 2
    return _mean_evidence(*spectrum, squares, n, d, compat)


def _spectrum(
    scatter: np.ndarray, mean: np.ndarray | None, projected: np.ndarray, totals: np.ndarray, n: int
) -> tuple[np.ndarray, np.ndarray]:
    """s (k,) and x^2 (k, K), from the scatter (d, d) of centred features C, C'Y (d, K) and the columns' sums (K,).

    With a mean, F = C + 1 m' has the singular values of [sqrt(n) m'; sqrt(Lambda) V'] with C'C = V Lambda V', which
    keeps the digits that F'F loses where the mean is far larger than deviations.
    """
    values, vectors = np.linalg.eigh(scatter)
    kept = values > ZERO * max(n, len(scatter)) * values.max()
    values, vectors = values[kept], vectors[:, kept]
    inner = (vectors.T @ projected) / np.sqrt(values)[:, None]  # U'Y of the centred features
    if mean is None:
        return values, inner**2
    stacked = np.concatenate([np.sqrt(n) * mean[None, :], np.sqrt(values)[:, None] * vectors.T])
    left, singular, _ = scipy.linalg.svd(stacked, full_matrices=False)
    used = singular > ZERO * max(n, len(scatter)) * singular.max()
    turned = left[:, used].T @ np.concatenate([totals[None, :] / np.sqrt(n), inner])
    return singular[used] ** 2, turned**2


def _mean_evidence(
    s: np.ndarray, x2: np.ndarray, y2: np.ndarray, n: int, d: int, compat: Compat | None
) -> float:
    """Mean over K columns of the evidence per sample. s (k,), x2 (k, K), y2 (K,) the columns' squared lengths."""
    if not len(s) or not s.max() > 0:
        raise UndefinedError("LogME needs features that are not all zero.")
    if compat is not None:
        with np.errstate(divide="ignore", invalid="ignore"):  # what comes of it is refused
            return _fixed_point(s, x2, y2, n, d, compat)
    return float(best_ratios(s, x2, y2, n)[0].mean())


def best_ratios(s: np.ndarray, x2: np.ndarray, y2: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest evidence per sample of each column (K,), and its t = alpha / beta (K,); see `logme`."""
    least = ROUNDING if len(s) == n else NOISE
    outside = np.maximum(y2 - x2.sum(axis=0), least * y2)  # what no weights can explain
    columns = np.arange(len(y2))
    exponents = np.log(s.max()) + np.linspace(-40, 20, POINTS)[:, None] + np.zeros(len(y2))
    spacing = 60 / (POINTS - 1)
    for _ in range(ZOOMS):
        best = exponents[_evidence(exponents, s, x2, outside, n).argmax(axis=0), columns]
        exponents = best + np.linspace(-spacing, spacing, 21)[:, None]
        spacing /= 10
    values = _evidence(exponents, s, x2, outside, n)
    at = values.argmax(axis=0)
    return values[at, columns], np.exp(exponents[at, columns])


def _evidence(
    exponents: np.ndarray, s: np.ndarray, x2: np.ndarray, outside: np.ndarray, n: int
) -> np.ndarray:
    """Evidence per sample (T, K) at log t (T, K), with the best beta for each."""
    values = np.empty_like(exponents)
    for column in range(exponents.shape[1]):
        t = np.exp(exponents[:, column])
        left = outside[column] + (t[:, None] / (s + t[:, None])) @ x2[:, column]
        values[:, column] = np.log(n / left) / 2 - np.log1p(s / t[:, None]).sum(axis=1) / (2 * n)
    return values - (1 + np.log(2 * np.pi)) / 2


def _fixed_point(s: np.ndarray, x2: np.ndarray, y2: np.ndarray, n: int, d: int, compat: Compat) -> float:
    """The published iteration, from alpha = beta = 1 until t moves by less than 0.1 %, at most 11 times:

    gamma = sum s / (s + t)              m2 = sum s x^2 / (t + s)^2
    r2    = sum x^2 / (1 + s/t)^2 + |y|^2 - sum x^2
    alpha = gamma / (m2 + 1e-5)          beta = (n - gamma) / (r2 + 1e-5)

    L = d/2 log alpha + n/2 log beta - 1/2 [sum_k log(alpha + beta s) + (d - k) log alpha]
        - beta/2 r2 - alpha/2 m2 - n/2 log(2 pi),   with m2 and r2 of the step before
    """
    tolerance = 1e-2 if compat == "google" else 1e-3
    outside = np.maximum(y2 - x2.sum(axis=0), 0)  # not negative, but for rounding
    alpha, beta = np.ones((2, len(y2)))
    m2, r2 = np.zeros((2, len(y2)))
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
    unseen = d - len(s) if compat == "fixed_point" else 0
    determinant = np.log(alpha + beta * s[:, None]).sum(axis=0) + unseen * np.log(alpha)
    evidence = (
        d * np.log(alpha) + n * np.log(beta) - determinant - beta * r2 - alpha * m2 - n * np.log(2 * np.pi)
    )
    if not np.isfinite(evidence).all():
        raise UndefinedError(
            "the published iteration of LogME divides 0 by 0 here; take the maximum (compat=None)."
        )
    return float((evidence / (2 * n)).mean())
