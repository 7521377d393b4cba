"""TMI: how much features vary within the target's classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import digamma

from transfer_atlas.transferability.arrays import (
    MetricInputError,
    UndefinedError,
    as_features,
    as_labels,
    double,
    require_classes,
    to_numpy,
)

BLOCK_ROWS = 512  # of distances in memory at a time


def tmi(features: Any, labels: Any, *, neighbours: int = 3, least_distance: float = 1.0) -> float:
    """Transferability by intra-class feature variance (Xu and Kang 2023, ICCV). Higher is better.

    H(X | Y) in nats, the entropy of the features within the target's classes.

    The entropy of each class by Kozachenko and Leonenko's estimate in the maximum norm, r_i the distance of a sample
    to its third nearest of the class, not below 1:

        h_k = psi(n_k) - psi(3) + d/n_k sum_i log(2 r_i),      TMI = sum_k n_k / n h_k

    The paper's view is that a model whose features still vary within classes is easier to adapt, so that more entropy
    is better. Classes of three samples or fewer add nothing, as in the authors' code, which divides by the number of
    classes as well; that is the same for all sources of a target. Grows with the number and the scale of features.
    O(sum n_k^2 d).

    Parameters
    ----------
    features, labels
        (n, d) and (n,) integers.
    neighbours
        Which nearest neighbour.
    least_distance
        In the features' own units; 1 in the authors' code.

    Notes
    -----
    Raises MetricInputError for shapes that do not fit; UndefinedError for a single class, or where no class has more
    samples than neighbours are asked for.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "TMI")
    if neighbours < 1 or not least_distance > 0:
        raise MetricInputError(
            f"neighbours is {neighbours} and least_distance {least_distance}; expected at least 1, and above 0."
        )
    if groups.counts.max() <= neighbours:
        raise UndefinedError(
            f"TMI needs a class of more than {neighbours} samples; the largest has {groups.counts.max():.0f}."
        )
    values = to_numpy(double(matrix))
    total = 0.0
    for code in range(groups.classes):
        own = values[groups.codes == code]
        if len(own) > neighbours:
            total += len(own) / len(values) * _entropy(own, neighbours, least_distance)
    return total


def _entropy(samples: np.ndarray, neighbours: int, least_distance: float) -> float:
    radii = []
    for start in range(0, len(samples), BLOCK_ROWS):
        distances = cdist(samples[start : start + BLOCK_ROWS], samples, metric="chebyshev")
        radii.append(np.partition(distances, neighbours, axis=1)[:, neighbours])  # itself is the nearest
    logarithms = np.log(2 * np.maximum(np.concatenate(radii), least_distance))
    return float(digamma(len(samples)) - digamma(neighbours) + samples.shape[1] * logarithms.mean())
