"""N-LEEP: LEEP with the clusters of the features in place of the source head's classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from transfer_atlas.transferability.arrays import (
    MetricInputError,
    UndefinedError,
    as_features,
    as_labels,
    beside,
    double_blocks,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.leep import leep
from transfer_atlas.transferability.mixture import fit_mixture
from transfer_atlas.transferability.moments import ClassMoments, class_moments

STARTS = 3  # one start's score is off by some 0.04, which changes the order of sources
VARIANCE_KEPT = 0.8  # share of the variance that the principal components keep, as in the paper


def n_leep(
    features: Any, labels: Any, *, seed: int, components_per_class: int = 5, starts: int = STARTS
) -> float:
    """N-LEEP (Li et al. 2021, section 3.3). Higher is better, at most 0.

    Features (n, d) are reduced to the first p principal components that keep 80 % of the variance; a mixture of K
    Gaussians with full covariances is fitted to them; its responsibilities (n, K) take the place of the source's
    probabilities in LEEP. So no source head is needed.

    O(n d^2 + n p^2 K) per iteration at worst; components far from a sample are passed over without changing the
    result (see `fit_mixture`).

    Parameters
    ----------
    features, labels
        (n, d) and (n,) integers.
    seed
        Of the k-means starts, seed, seed + 1, ... The score of a start is off by 0.01 to 0.1, differently for each
        source: the same seed does not cancel between sources.
    components_per_class
        K = this number times c, at most n / 2; the paper takes 5.
    starts
        Over so many the score is averaged; the published code takes one.

    Notes
    -----
    Raises MetricInputError for shapes that do not fit; UndefinedError for a single class, or samples all the same.
    """
    matrix = as_features(features)
    return n_leep_of(
        class_moments(matrix, labels),
        matrix,
        labels,
        seed=seed,
        components_per_class=components_per_class,
        starts=starts,
    )


def n_leep_of(
    moments: ClassMoments,
    features: Any,
    labels: Any,
    *,
    seed: int,
    components_per_class: int = 5,
    starts: int = STARTS,
) -> float:
    """N-LEEP with the principal components of moments that are there already; see `n_leep`."""
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "N-LEEP")
    if components_per_class < 1 or starts < 1:
        raise MetricInputError(
            f"components_per_class is {components_per_class} and starts {starts}; expected at least 1."
        )
    variances = moments.principal[0]
    if not variances.sum() > 0:
        raise UndefinedError("N-LEEP needs features that vary, but all samples are the same.")
    share = np.cumsum(variances) / variances.sum()
    kept = int(np.searchsorted(share, VARIANCE_KEPT, side="right")) + 1
    basis = moments.components(kept)
    centre = beside(moments.mean, matrix)
    reduced = np.concatenate(
        [to_numpy((block - centre) @ beside(basis, block)) for _, block in double_blocks(matrix)]
    )
    number = max(1, min(components_per_class * groups.classes, len(reduced) // 2))
    fits = (fit_mixture(reduced, number, seed + start) for start in range(starts))
    return sum(leep(fit.responsibilities, groups.codes) for fit in fits) / starts
