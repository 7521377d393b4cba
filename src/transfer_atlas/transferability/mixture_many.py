"""A mixture of Gaussians in many dimensions, fitted where few components matter to a sample."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg

NEGLIGIBLE = 1e-17  # a responsibility that adds nothing in float64
WATCHED = (
    100.0  # natural logarithm: components this close to a sample's best one are evaluated in every iteration
)
MISSED = 1e-9  # the largest responsibility that an unwatched component may turn out to have
BLOCK = 8192  # samples at a time: fewer stay in the cache, but what calls cost for each component weighs more
# What float32 may get wrong in a whitened coordinate: WATCHED leaves e^-60 between what is looked for and what counts.
COARSE_ERROR = 0.05


@dataclass(frozen=True)
class _Parameters:
    """Constants (K,) of the log densities, means (K, p), and U_k (p, p) with U_k U_k' the inverse covariances."""

    constants: np.ndarray
    means: np.ndarray
    factors: list[np.ndarray]


def fit_many(
    samples: np.ndarray, start: np.ndarray, ridge: float, iterations: int, tolerance: float
) -> tuple[np.ndarray, int, float]:
    """Responsibilities (n, K), iterations and mean log likelihood, from samples (n, p) and responsibilities `start`.

    log N = constant - |U_k'(x - m_k)|^2 / 2. All components are considered for all samples in iterations 1, 4, 16, ...
    and at the end; in the others, for each sample those within e^-100 of its best one at the last such time. To
    consider a component, the square is summed over leading dimensions first, which need the leading block of U_k only,
    and given up where the sum already puts the component e^-100 below the sample's best one of the step before; in
    float32, where that is precise enough, and again in float64 for the few that stay. Each
    M step takes the samples with a share in the component. If at the end an unwatched component has a share after all,
    the iteration goes on. So the result is that of evaluating everything always, but for shares below 1e-9.

    At most 2 n p^2 K operations for a complete evaluation, 2 n p^2 for the others. Raises LinAlgError where a
    covariance plus `ridge` is not positive definite.
    """
    parameters = _maximise(samples, start, ridge)
    likelihood, watched, best = -np.inf, None, start.argmax(axis=1)
    consider_all = 1
    for count in range(1, iterations + 1):
        if count == consider_all:
            watched, consider_all = None, 4 * consider_all
        shares, now, watched = _expect(samples, parameters, watched, best)
        best = shares.argmax(axis=1)
        parameters = _maximise(samples, shares, ridge)
        change, likelihood = now - likelihood, now
        if abs(change) < tolerance or count == iterations:
            shares, likelihood, _ = _expect(samples, parameters, None, best)
            if count == iterations or not (shares[~watched] > MISSED).any():
                return shares, count, likelihood
            watched = None
    raise AssertionError("unreachable: the last iteration returns")


def _maximise(samples: np.ndarray, shares: np.ndarray, ridge: float) -> _Parameters:
    n, p = samples.shape
    totals = shares.sum(axis=0) + 10 * np.finfo(np.float64).eps
    constants, means, factors = np.log(totals / n) - p / 2 * np.log(2 * np.pi), [], []
    for k, total in enumerate(totals):
        rows = np.flatnonzero(shares[:, k] > NEGLIGIBLE)
        weights, own = shares[rows, k], samples[rows]
        means.append(weights @ own / total)
        own = (own - means[-1]) * np.sqrt(weights)[:, None]
        covariance = own.T @ own / total
        covariance.flat[:: p + 1] += ridge
        lower = np.linalg.cholesky(covariance)
        factors.append(scipy.linalg.solve_triangular(lower, np.eye(p), lower=True, check_finite=False).T)
        constants[k] += np.log(np.diagonal(factors[-1])).sum()
    return _Parameters(constants, np.stack(means), factors)


def _expect(
    samples: np.ndarray, parameters: _Parameters, watched: np.ndarray | None, best: np.ndarray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Responsibilities (n, K), mean log likelihood, and which (n, K) to watch; of `watched` ones only, if given.

    `best` (n,) is a guess at the best component of each sample, whose density is a lower bound of the best one.
    """
    constants = parameters.constants
    logs = np.full((len(samples), len(constants)), -np.inf)
    coarse = _coarse(samples, parameters) if watched is None else {}
    for start in range(0, len(samples), BLOCK):
        part = slice(start, start + BLOCK)
        block, own = samples[part], logs[part]
        if watched is None:
            guess = best[part]
            for k in np.unique(guess):
                rows = np.flatnonzero(guess == k)
                own[rows, k] = (
                    constants[k] - _squares(block[rows] - parameters.means[k], parameters.factors[k]) / 2
                )
            least = own[np.arange(len(block)), guess] - WATCHED
            rounded = block.astype(np.float32)
            for k, constant in enumerate(constants):
                rows, limits = np.flatnonzero(guess != k), 2 * (constant - least)
                if k in coarse:
                    rows, _ = _near(rounded, rows, *coarse[k], limits)
                rows, squares = _near(block, rows, parameters.means[k], parameters.factors[k], limits)
                own[rows, k] = constant - squares / 2
        else:
            for k, constant in enumerate(constants):
                rows = np.flatnonzero(watched[part, k])
                own[rows, k] = (
                    constant - _squares(block[rows] - parameters.means[k], parameters.factors[k]) / 2
                )
    top = logs.max(axis=1)
    if watched is None:
        watched = logs > top[:, None] - WATCHED
    shares = np.exp(logs - top[:, None])
    sums = shares.sum(axis=1)
    return shares / sums[:, None], float((top + np.log(sums)).mean()), watched


def _coarse(samples: np.ndarray, parameters: _Parameters) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Means and factors in float32 of the components whose whitened coordinates it tells well enough."""
    largest = np.abs(samples).max(axis=0)
    found = {}
    for k, (mean, factor) in enumerate(zip(parameters.means, parameters.factors, strict=True)):
        error = np.finfo(np.float32).eps * ((largest + np.abs(mean)) @ np.abs(factor)).max()
        if error < COARSE_ERROR:
            found[k] = mean.astype(np.float32), factor.astype(np.float32)
    return found


def _squares(centred: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """|U'x|^2 of each row (n,)."""
    whitened = centred @ factor
    return np.einsum("ij,ij->i", whitened, whitened)


def _near(
    samples: np.ndarray, rows: np.ndarray, mean: np.ndarray, factor: np.ndarray, limits: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Those of `rows` whose |U'(x - m)|^2 is below their limit, and these squares."""
    p, first = len(mean), 0
    rows = rows[limits[rows] > 0]
    squares = np.zeros(len(rows))
    for last in (
        p // 4,
        p // 2,
        3 * p // 4,
        p,
    ):  # U is upper triangular: leading columns need leading dimensions only
        centred = samples[rows, :last] - mean[:last]
        squares += _squares(centred, factor[:last, first:last])
        near = squares < limits[rows]
        rows, squares, first = rows[near], squares[near], last
    return rows, squares
