"""GBC, the Gaussian Bhattacharyya coefficient: how much the target's classes overlap in feature space."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from transfer_atlas.transferability.arrays import (
    Array,
    Labels,
    MetricInputError,
    as_features,
    as_labels,
    beside,
    double_blocks,
    one_hot,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.moments import ClassMoments, class_moments

FLOOR = 1e-4  # least variance of a class, in the features' own units, as in the authors' code
Covariance = Literal["spherical", "diagonal", "full"]


def gbc(
    features: Any,
    labels: Any,
    *,
    covariance: Covariance = "spherical",
    components: int | None = 64,
    minimum_samples: int = 1,
    compat: Literal["google"] | None = None,
) -> float:
    """Gaussian Bhattacharyya coefficient (Pandy et al. 2022, section 3). Higher is better, from -c (c - 1) to 0.

    Each class k is a Gaussian (m_k, S_k) in the space of the first principal components; over ordered pairs

        GBC = - sum_{k != l} exp(-D_kl),    S = (S_k + S_l) / 2
        D_kl = 1/8 (m_k - m_l)' S^-1 (m_k - m_l) + 1/2 log( |S| / sqrt(|S_k| |S_l|) )

    Not comparable between targets of different numbers of classes. O(n d^2 + n d p + c^2 p) with p components
    (c^2 p^3 for full covariances).

    Parameters
    ----------
    features, labels
        (n, d) and (n,) integers.
    covariance
        "spherical": S_k = s_k^2 I, the mean variance (the paper's choice for image classification); "diagonal": one
        variance per component (its choice for segmentation); "full". Variances are divided by n_k and at least
        1e-4; a full covariance gets 1e-4 I added instead.
    components
        Principal components (centred, not whitened), at most min(n, d); None takes the features as they are.
        Diagonal covariances depend on the basis, so the components are part of the definition.
    minimum_samples
        Classes of fewer samples are left out. With 1, a single sample counts as a class of least variance, which
        overlaps with nothing and raises the score.
    compat
        "google" gives the published number of google-research/stable_transfer for spherical covariances, whose
        logarithm of the determinant lacks the factor p.

    Notes
    -----
    Raises MetricInputError where fewer than two classes are left, or for shapes that do not fit.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "GBC")
    if components is not None and components < 1:
        raise MetricInputError(f"components is {components}; expected at least 1, or None for no reduction.")
    moments = class_moments(matrix, labels) if components is not None else None
    return _gbc(matrix, groups, moments, covariance, components, minimum_samples, compat)


def gbc_of(
    moments: ClassMoments,
    features: Any,
    labels: Any,
    *,
    covariance: Covariance = "spherical",
    components: int | None = 64,
    minimum_samples: int = 1,
    compat: Literal["google"] | None = None,
) -> float:
    """GBC with the principal components of moments that are there already; see `gbc`."""
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "GBC")
    return _gbc(matrix, groups, moments, covariance, components, minimum_samples, compat)


def _gbc(
    matrix: Array,
    groups: Labels,
    moments: ClassMoments | None,
    covariance: Covariance,
    components: int | None,
    minimum_samples: int,
    compat: Literal["google"] | None,
) -> float:
    basis = moments.components(components) if moments is not None and components is not None else None
    kept = groups.counts >= minimum_samples
    if kept.sum() < 2:
        raise MetricInputError(
            f"GBC needs two classes of at least {minimum_samples} samples; found {kept.sum()}."
        )
    if covariance == "full":
        means, scatters = _class_covariances(matrix, groups, basis)
        covariances = scatters + FLOOR * np.eye(means.shape[1])
        return -_sum_over_pairs(_full_distances(means[kept], covariances[kept]))
    if covariance not in ("spherical", "diagonal"):
        raise MetricInputError(f"covariance is {covariance!r}; expected 'spherical', 'diagonal' or 'full'.")
    means, variances = _class_variances(matrix, groups, basis)
    means, variances = means[kept], np.maximum(variances[kept], FLOOR)
    weight = 1.0
    if covariance == "spherical":
        variances = variances.mean(axis=1, keepdims=True)
        weight = 1.0 if compat == "google" else float(means.shape[1])
    return -_sum_over_pairs(_diagonal_distances(means, variances, weight))


def _class_variances(
    matrix: Array, groups: Labels, basis: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Means and variances (divided by n_k) of each class and component: (c, p) each. One pass, centred."""
    centre = sum(block.sum(0) for _, block in double_blocks(matrix)) / matrix.shape[0]
    first = second = 0.0
    for start, block in double_blocks(matrix):
        reduced = block - centre
        if basis is not None:
            reduced = reduced @ beside(basis, block)
        indicator = beside(one_hot(groups.codes[start : start + len(block)], groups.classes), block).T
        first = first + indicator @ reduced
        second = second + indicator @ (reduced * reduced)
    means = to_numpy(first) / groups.counts[:, None]
    return means, to_numpy(second) / groups.counts[:, None] - means**2


def _class_covariances(
    matrix: Array, groups: Labels, basis: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Means (c, p) and covariances (c, p, p) (divided by n_k) of each class."""
    means, covariances = [], []
    for code in range(groups.classes):
        rows = matrix[np.flatnonzero(groups.codes == code)]
        reduced = np.concatenate(
            [
                to_numpy(block if basis is None else block @ beside(basis, block))
                for _, block in double_blocks(rows)
            ]
        )
        means.append(reduced.mean(axis=0))
        centred = reduced - means[-1]
        covariances.append(centred.T @ centred / len(centred))
    return np.stack(means), np.stack(covariances)


def _diagonal_distances(means: np.ndarray, variances: np.ndarray, weight: float) -> np.ndarray:
    """Bhattacharyya distances (c, c) of diagonal Gaussians: means (c, p), variances (c, p) or (c, 1).

    `weight` multiplies the logarithm of the variances: p for (c, 1), where each of them stands for p equal ones.
    """
    distances = np.empty((len(means), len(means)))
    logarithms = np.log(variances)
    for row in range(len(means)):  # c x c x p at once would be 400 MB for 1000 classes
        average = (variances + variances[row]) / 2
        apart = ((means - means[row]) ** 2 / average).sum(axis=1) / 8
        unlike = (np.log(average) - (logarithms + logarithms[row]) / 2).sum(axis=1) / 2
        distances[row] = apart + weight * unlike
    return distances


def _full_distances(means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Bhattacharyya distances (c, c) of Gaussians: means (c, p), covariances (c, p, p) positive definite."""
    distances = np.zeros((len(means), len(means)))
    logarithms = np.linalg.slogdet(covariances)[1]
    for row in range(len(means) - 1):
        later = slice(row + 1, None)
        factors = np.linalg.cholesky((covariances[later] + covariances[row]) / 2)
        whitened = np.linalg.solve(factors, (means[later] - means[row])[:, :, None])[:, :, 0]
        determinants = 2 * np.log(np.diagonal(factors, axis1=1, axis2=2)).sum(axis=1)
        unlike = (determinants - (logarithms[later] + logarithms[row]) / 2) / 2
        distances[row, later] = distances[later, row] = (whitened**2).sum(axis=1) / 8 + unlike
    return distances


def _sum_over_pairs(distances: np.ndarray) -> float:
    coefficients = np.exp(-np.maximum(distances, 0))  # no distance is negative, but for rounding
    return float(coefficients.sum() - np.trace(coefficients))
