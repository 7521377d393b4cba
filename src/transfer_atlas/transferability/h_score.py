"""H-score and shrinkage H-score: how much of the features' variance lies between the target's classes."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from transfer_atlas.transferability.arrays import MetricInputError
from transfer_atlas.transferability.moments import (
    RELATIVE_CUTOFF,
    ClassMoments,
    class_moments,
    solve_spectral,
    solve_symmetric,
)

GOOGLE_CUTOFF = 1e-5
FEW_SAMPLES = 10  # samples per dimension below which even random labels reach a high H-score


def h_score(features: Any, labels: Any, *, compat: Literal["google"] | None = None) -> float:
    """H-score (Bao et al. 2019, equation 6). Higher is better, from 0 to min(d, c - 1).

    X (n, d), class means m_k (centred) with n_k samples, S the scatter matrix of X:

        H = tr( pinv(cov X) cov E[X | Y] ) = sum_k n_k m_k' pinv(S) m_k

    O(n d^2 + d^3). Invariant under any invertible linear map and any shift of the features. With few samples it
    measures their number: H of random labels is about (c - 1) d / (n - 1), and exactly c - 1 when d >= n - 1, so
    a warning is given below ten samples per dimension.

    Parameters
    ----------
    features, labels
        (n, d) and (n,) integers.
    compat
        "google" gives the published number of google-research/stable_transfer, which multiplies the two matrices
        element by element: sum_i pinv(cov X)_ii cov(E[X | Y])_ii. It is neither invariant nor bounded by c - 1.

    Raises MetricInputError for a single class, constant features, or shapes that do not fit.
    """
    return h_score_of(class_moments(features, labels), compat=compat)


def h_score_of(moments: ClassMoments, *, compat: Literal["google"] | None = None) -> float:
    """H-score from moments that are there already; see `h_score`."""
    _check(moments, "the H-score")
    between = moments.class_sums / np.sqrt(moments.counts)[:, None]  # B = between' between
    if compat == "google":
        values, vectors = moments.principal
        kept = values > GOOGLE_CUTOFF * values.max()
        diagonal = (vectors[:, kept] ** 2 / values[kept]).sum(axis=1)
        return float((diagonal * (between**2).sum(axis=0)).sum())
    if moments.samples < FEW_SAMPLES * moments.dimensions:
        warnings.warn(
            f"H-score of {moments.samples} samples in {moments.dimensions} dimensions: random labels would reach "
            f"about {(len(moments.counts) - 1) * min(1, moments.dimensions / (moments.samples - 1)):.2f}. "
            "Use the shrinkage H-score, or more samples.",
            stacklevel=3,
        )
    if "principal" in moments.__dict__:
        solved = solve_spectral(*moments.principal, between.T, RELATIVE_CUTOFF)
    else:
        solved = solve_symmetric(moments.scatter, between.T, RELATIVE_CUTOFF)
    return float((solved * between.T).sum())


def shrinkage_h_score(features: Any, labels: Any) -> float:
    """H-score with a shrunk covariance (Ibrahim et al. 2021). Higher is better, from 0 to below c - 1.

    With S_0 the covariance (divided by n), a the shrinkage of Ledoit and Wolf (2004) and
    S_a = (1 - a) S_0 + a tr(S_0)/d I:

        H_a = (1 - a) tr( S_a^-1 cov E[X | Y] )        (cov divided by n - 1, as in the authors' code)

    a follows from the moments alone, since the sum over all pairs of features of the squared products' sums is
    the sum of |x_i - m|^4; no second pass over the d x d products is needed. O(n d^2 + d^3). Meaningful also for
    d > n. Invariant under rotation, shift and one common scale, not under a scale per feature.
    Raises MetricInputError as `h_score`.
    """
    return shrinkage_h_score_of(class_moments(features, labels))


def shrinkage_h_score_of(moments: ClassMoments) -> float:
    """Shrinkage H-score from moments that are there already; see `shrinkage_h_score`."""
    _check(moments, "the shrinkage H-score")
    covariance = moments.scatter / moments.samples
    level = np.trace(covariance) / moments.dimensions
    amount = ledoit_wolf_shrinkage(moments)
    between = moments.class_sums.T / np.sqrt(moments.counts * (moments.samples - 1))
    if "principal" in moments.__dict__:
        values, vectors = moments.principal
        shrunk = (1 - amount) * values / moments.samples + amount * level
        solved = solve_spectral(shrunk, vectors, between)
    else:
        shrunk = (1 - amount) * covariance
        shrunk.flat[:: moments.dimensions + 1] += amount * level
        solved = solve_symmetric(shrunk, between)
    return float((1 - amount) * (solved * between).sum())


def ledoit_wolf_shrinkage(moments: ClassMoments) -> float:
    """Share of the scaled identity in the optimal mixture (Ledoit and Wolf 2004), from 0 to 1; as scikit-learn."""
    if moments.dimensions == 1:
        return 0.0
    n, d = moments.samples, moments.dimensions
    trace = np.trace(moments.scatter) / n
    squares = (moments.scatter**2).sum() / n**2
    distance = (squares - trace**2 / d) / d
    error = min((moments.fourth / n - squares) / (d * n), distance)
    return 0.0 if error <= 0 else float(error / distance)


def _check(moments: ClassMoments, metric: str) -> None:
    if len(moments.counts) < 2:
        raise MetricInputError(f"{metric} compares classes, but the labels hold one class only.")
    if not np.trace(moments.scatter) > 0:
        raise MetricInputError(f"{metric} needs features that vary, but all samples are the same.")
