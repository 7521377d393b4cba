"""Regularised Fisher discriminant analysis, which several metrics build on: class probabilities of every sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from transfer_atlas.transferability.arrays import UndefinedError, one_hot

POWER_STEPS = 3  # of the iteration for the largest eigenvalue, as in the published code
LEAST_SHRINKAGE = 1e-10
DECAY = 5.0  # of the shrinkage with the largest eigenvalue


@dataclass(frozen=True)
class Fisher:
    """Probabilities (n, c) of the classes of every sample, and the shrinkage that was used."""

    probabilities: np.ndarray
    shrinkage: float


def fisher(features: np.ndarray, codes: np.ndarray, counts: np.ndarray, shrinkage: float | None) -> Fisher:
    """Bayes' rule for Gaussian classes with one covariance (Shao et al. 2022, ECCV; TencentARC/SFDA).

    X (n, d) float64, codes (n,) from 0 to c - 1, counts (c,). S_W = 1/n sum (x_i - m_k)(x_i - m_k)' within classes,
    s its largest eigenvalue (by three power iterations from its row sums), lambda = max(exp(-5 s), 1e-10) unless it
    is given,

        S = (1 - lambda) S_W + lambda tr(S_W)/d I
        p(k | x) ~ (n_k / n) exp( x' S^-1 m_k - m_k' S^-1 m_k / 2 )

    The published code takes S^-1 from generalised eigenvectors of the between-class scatter, which are normalised to
    S^-1 = E E'. O(n d^2 + d^3). Raises UndefinedError where S cannot be inverted.
    """
    indicator = one_hot(codes, len(counts))
    means = indicator.T @ features / counts[:, None]
    apart = features - means[codes]
    within = apart.T @ apart / len(features)
    if shrinkage is None:
        largest = _largest_eigenvalue(within)
        shrinkage = max(float(np.exp(-DECAY * largest)), LEAST_SHRINKAGE)
    level = np.trace(within) / len(within)
    shrunk = (1 - shrinkage) * within
    shrunk.flat[:: len(within) + 1] += shrinkage * level
    try:
        factor = scipy.linalg.cho_factor(shrunk, lower=True)
    except np.linalg.LinAlgError:
        raise UndefinedError(
            f"the scatter within classes of {len(features)} samples in {len(within)} dimensions cannot be inverted "
            f"with a shrinkage of {shrinkage:.2g}. Scale the features down, or take more samples."
        ) from None
    weights = scipy.linalg.cho_solve(factor, means.T)  # (d, c)
    constants = np.log(counts / len(features)) - np.einsum("kd,dk->k", means, weights) / 2
    return Fisher(softmax(features @ weights + constants), shrinkage)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Rows (n, c) of logits as probabilities."""
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    return values / values.sum(axis=1, keepdims=True)


def own_class_mean(probabilities: np.ndarray, codes: np.ndarray) -> float:
    """Mean probability of every sample's own class."""
    return float(probabilities[np.arange(len(codes)), codes].mean())


def _largest_eigenvalue(matrix: np.ndarray) -> float:
    first = matrix.sum(axis=1)
    if not np.linalg.norm(matrix @ first) > 0:
        return float(np.linalg.eigvalsh(matrix)[-1])
    second = first
    for _ in range(POWER_STEPS):
        second = matrix @ first
        second = second / np.linalg.norm(second)
        first = matrix @ second
        first = first / np.linalg.norm(first)
    return float(first @ matrix @ second)
