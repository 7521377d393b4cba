"""A mixture of Gaussians with full covariances, fitted by expectation and maximisation, for N-LEEP.

The same start, steps and stopping rule as scikit-learn's GaussianMixture, hence the same result, at a fraction of
the cost. (A) In few dimensions: a log density is linear in the products x_a x_b of a sample's coordinates, so that the
densities of all components are one matrix product, and all sums of the maximisation another. (B) In many dimensions a
sample belongs to one component, or to few (`mixture_many.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

from transfer_atlas.transferability.arrays import UnconvergedError, one_hot
from transfer_atlas.transferability.mixture_many import fit_many

RIDGE = 1e-6  # added to the diagonal of every covariance
FEW_DIMENSIONS = 48  # up to here (A) is faster
BLOCK_NUMBERS = 1_000_000  # products in memory at a time: 8 MB


@dataclass(frozen=True)
class Mixture:
    """A fitted mixture: `responsibilities` (n, K) summing to 1, iterations used, mean log likelihood, ridge used."""

    responsibilities: np.ndarray
    iterations: int
    log_likelihood: float
    ridge: float


def fit_mixture(
    samples: np.ndarray, components: int, seed: int, *, iterations: int = 100, tolerance: float = 1e-3
) -> Mixture:
    """Fit K Gaussians to samples (n, p) float64 from one k-means start.

    E step: r_ik ~ w_k N(x_i; m_k, S_k). M step: weights, means and covariances (plus 1e-6 I) of the
    responsibilities. Ends when the mean log likelihood rises by less than `tolerance`.

    (A) With z_i (q,), q = 1 + p + p (p + 1) / 2, the products 1, x_a and x_a x_b (a <= b) of a sample, log densities
    are z' C with one column of C per component, and the sums of the M step are z r'. 4 n q K operations per
    iteration, half of what component after component takes; 8 MB beside the samples. (B) See `fit_many`.

    Where a covariance is not positive definite, the ridge is raised tenfold and the fit starts again. Raises
    UnconvergedError if that does not help either.
    """
    from sklearn.cluster import KMeans  # late: scikit-learn takes a second to import, and only this needs it

    # the same steps by either algorithm; Elkan's leaves out distances that cannot matter
    algorithm = "elkan" if components > 1 else "lloyd"
    start = (
        KMeans(n_clusters=components, n_init=1, random_state=seed, algorithm=algorithm).fit(samples).labels_
    )
    few = samples.shape[1] <= FEW_DIMENSIONS
    centred = samples - samples.mean(axis=0)  # products of centred samples keep more digits
    columns = np.ascontiguousarray(centred.T) if few else None
    scale = max(1.0, float(samples.var(axis=0).max()))
    ridge = RIDGE
    while ridge <= scale:
        try:
            if few:
                found = _fit_few(columns, one_hot(start, components).T, ridge, iterations, tolerance)
            else:
                found = fit_many(centred, one_hot(start, components), ridge, iterations, tolerance)
            return Mixture(*found, ridge)
        except np.linalg.LinAlgError:
            ridge *= 10
    raise UnconvergedError(
        f"a mixture of {components} Gaussians in {samples.shape[1]} dimensions has no positive definite covariances "
        f"even with {ridge / 10:g} I added; use fewer components."
    )


def _fit_few(
    columns: np.ndarray, start: np.ndarray, ridge: float, iterations: int, tolerance: float
) -> tuple[np.ndarray, int, float]:
    """Iterate from the responsibilities `start` (K, n); samples come as columns (p, n)."""
    dimensions, n = columns.shape
    _, _, sums = _pass(columns, start, None)
    likelihood, count = -np.inf, 0
    for count in range(1, iterations + 1):  # noqa: B007 (reported)
        coefficients = _coefficients(sums, n, dimensions, ridge)
        _, now, sums = _pass(columns, None, coefficients)
        change, likelihood = now - likelihood, now
        if abs(change) < tolerance:
            break
    # As in scikit-learn, the responsibilities are those of the last parameters.
    shares, likelihood, _ = _pass(columns, None, _coefficients(sums, n, dimensions, ridge))
    return shares.T, count, likelihood


def _pass(
    columns: np.ndarray, shares: np.ndarray | None, coefficients: np.ndarray | None
) -> tuple[np.ndarray, float, np.ndarray]:
    """Responsibilities (K, n), mean log likelihood, and their sums over products (K, q).

    Responsibilities are either given, or follow from the coefficients (K, q) of the log densities.
    """
    dimensions, n = columns.shape
    number = 1 + dimensions + dimensions * (dimensions + 1) // 2
    size = max(16, BLOCK_NUMBERS // number)
    given = shares is not None
    shares = shares if given else np.empty((len(coefficients), n))
    sums, total = 0.0, 0.0
    buffer = np.empty((number, size))
    for start in range(0, n, size):
        block = columns[:, start : start + size]
        products = buffer[:, : block.shape[1]]
        products[0] = 1
        products[1 : dimensions + 1] = block
        first = dimensions + 1
        for a in range(dimensions):  # a row of the upper triangle at a time
            np.multiply(block[a], block[a:], out=products[first : first + dimensions - a])
            first += dimensions - a
        part = shares[:, start : start + size]
        if not given:
            logs = coefficients @ products
            top = logs.max(axis=0)
            np.exp(logs - top, out=part)
            masses = part.sum(axis=0)
            part /= masses
            total += float((top + np.log(masses)).sum())
        sums = sums + part @ products.T
    return shares, total / n, sums


def _coefficients(sums: np.ndarray, n: int, dimensions: int, ridge: float) -> np.ndarray:
    """Coefficients (K, q) of 1, x_a and x_a x_b in the weighted log densities, from sums over those (K, q)."""
    pairs = np.triu_indices(dimensions)
    twice = np.where(pairs[0] == pairs[1], 1.0, 2.0)
    coefficients = np.empty_like(sums)
    totals = sums[:, 0] + 10 * np.finfo(np.float64).eps
    for k, total in enumerate(totals):
        mean = sums[k, 1 : dimensions + 1] / total
        covariance = np.empty((dimensions, dimensions))
        covariance[pairs] = covariance[pairs[::-1]] = sums[k, dimensions + 1 :] / total
        covariance -= np.outer(mean, mean)
        covariance.flat[:: dimensions + 1] += ridge
        lower = np.linalg.cholesky(covariance)
        inverse = scipy.linalg.solve_triangular(lower, np.eye(dimensions), lower=True, check_finite=False)
        precision = inverse.T @ inverse
        slope = precision @ mean
        constant = np.log(np.diagonal(inverse)).sum() - dimensions / 2 * np.log(2 * np.pi)
        coefficients[k, 0] = np.log(total / n) + constant - mean @ slope / 2
        coefficients[k, 1 : dimensions + 1] = slope
        coefficients[k, dimensions + 1 :] = -precision[pairs] * twice / 2
    return coefficients
