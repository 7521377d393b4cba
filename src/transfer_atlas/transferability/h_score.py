"""H-score and shrinkage H-score: how much of the features' variance lies between the target's classes."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np

from transfer_atlas.transferability.arrays import UndefinedError
from transfer_atlas.transferability.moments import (
    RELATIVE_CUTOFF,
    ClassMoments,
    class_moments,
    solve_spectral,
    solve_symmetric,
)

GOOGLE_CUTOFF = 1e-5
CONSTANT = 1e-13  # deviation by mean below which a column is constant but for rounding
FEW_SAMPLES = 10  # samples per dimension below which even random labels reach a high H-score


def h_score(features: Any, labels: Any, *, compat: Literal["google"] | None = None) -> float:
    """H-score (Bao et al. 2019, equation 6). Higher is better, from 0 to min(d, c - 1).

    X (n, d), class means m_k (centred) with n_k samples, S the scatter matrix of X:

        H = tr( pinv(cov X) cov E[X | Y] ) = sum_k n_k m_k' pinv(S) m_k

    O(n d^2 + d^3). Invariant under any invertible linear map and any shift of the features; columns are brought to one
    scale first, so that this holds in floating point as well. With few samples it measures their number: H of
    random labels is about (c - 1) d / (n - 1), so a warning is given below ten samples per dimension. Where the
    centred features have rank n - 1, it is c - 1 whatever the labels, and so undefined.

    Parameters
    ----------
    features, labels
        (n, d) and (n,) integers.
    compat
        "google" gives the published number of google-research/stable_transfer, which multiplies the two matrices
        element by element: sum_i pinv(cov X)_ii cov(E[X | Y])_ii. It is neither invariant nor bounded by c - 1.

    Notes
    -----
    Raises MetricInputError for shapes that do not fit; UndefinedError for a single class, constant features, or as many
    independent dimensions as n - 1.
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
    scatter, between = _standardised(moments, between)
    if moments.dimensions >= moments.samples - 1:
        values, vectors = np.linalg.eigh(scatter)
        rank = int((values > RELATIVE_CUTOFF * values.max()).sum())
        if rank >= moments.samples - 1:
            raise UndefinedError(
                f"the H-score of {moments.samples} samples in {rank} independent dimensions is "
                f"{len(moments.counts) - 1} whatever the labels. Take the shrinkage H-score, or more samples."
            )
        solved = solve_spectral(values, vectors, between.T, RELATIVE_CUTOFF)
    else:
        solved = solve_symmetric(scatter, between.T, RELATIVE_CUTOFF)
    if moments.samples < FEW_SAMPLES * moments.dimensions:
        warnings.warn(
            f"H-score of {moments.samples} samples in {moments.dimensions} dimensions: random labels would reach "
            f"about {(len(moments.counts) - 1) * min(1, moments.dimensions / (moments.samples - 1)):.2f}. "
            "Use the shrinkage H-score, or more samples.",
            stacklevel=3,
        )
    return float((solved * between.T).sum())


def _standardised(moments: ClassMoments, between: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scatter (d, d) and class sums (c, d) of columns of unit scale; those constant but for rounding are 0."""
    lengths = np.sqrt(np.diagonal(moments.scatter))
    constant = lengths <= CONSTANT * np.abs(moments.mean) * np.sqrt(moments.samples)
    scale = np.where(constant, 0, 1 / np.where(constant, 1, lengths))
    return moments.scatter * scale * scale[:, None], between * scale


def shrinkage_h_score(features: Any, labels: Any, *, compat: Literal["tllib"] | None = None) -> float:
    """H-score with a shrunk covariance (Ibrahim et al. 2021). Higher is better, from 0 to below c - 1.

    With S_0 the covariance, a the shrinkage of Ledoit and Wolf (2004) and S_a = (1 - a) S_0 + a tr(S_0)/d I:

        H_a = (1 - a) tr( S_a^-1 cov E[X | Y] )        (both covariances divided by n)

    a follows from the moments alone, since the sum over all pairs of features of the squared products' sums is
    the sum of |x_i - m|^4; no second pass over the d x d products is needed. O(n d^2 + d^3). Meaningful also for
    d > n. Invariant under rotation, shift and one common scale, not under a scale per feature.

    compat: "tllib" divides cov E[X | Y] by n - 1, as the authors' code and the Transfer-Learning-Library do, which
    exceeds c - 1 for few samples. Raises MetricInputError and UndefinedError as `h_score`, but for any n and d.
    """
    return shrinkage_h_score_of(class_moments(features, labels), compat=compat)


def shrinkage_h_score_of(moments: ClassMoments, *, compat: Literal["tllib"] | None = None) -> float:
    """Shrinkage H-score from moments that are there already; see `shrinkage_h_score`."""
    _check(moments, "the shrinkage H-score")
    covariance = moments.scatter / moments.samples
    level = np.trace(covariance) / moments.dimensions
    amount = ledoit_wolf_shrinkage(moments)
    divisor = moments.samples - 1 if compat == "tllib" else moments.samples
    between = moments.class_sums.T / np.sqrt(moments.counts * divisor)
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
        raise UndefinedError(f"{metric} compares classes, but the labels hold one class only.")
    if not np.trace(moments.scatter) > 0:
        raise UndefinedError(f"{metric} needs features that vary, but all samples are the same.")
