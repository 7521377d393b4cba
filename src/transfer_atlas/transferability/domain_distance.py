"""How far two image domains are apart: distances between sets of image features, and between class means."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from transfer_atlas.transferability.arrays import (
    Array,
    MetricInputError,
    as_features,
    as_labels,
    double,
    double_blocks,
    to_numpy,
)

Assignment = Literal["target_to_source", "source_to_target", "symmetric", "one_to_one"]
MOST_ENTRIES = 4_000_000  # of a block of distances: 32 MB


def domain_distance(
    target_features: Any, source_features: Any, *, assignment: Assignment = "target_to_source"
) -> float:
    """Distance D(T | S) between image domains (Mensink et al. 2021, equation 1 and Table 8). Lower is closer.

    f_t (n_t, d) and f_s (n_s, d) are features of whole images, |.| the Euclidean length:

        target_to_source   D(T | S) = 1/n_t sum_t min_s |f_t - f_s|     (equation 1: is T included in S?)
        source_to_target   D(S | T), every source image to its closest target image
        symmetric          the mean of both
        one_to_one         least mean distance of a matching: of all images if n_s = n_t (Hungarian algorithm), else
                           of equal masses (Earth Mover's), which is the same where both are defined

    O(n_s n_t d) in blocks of float64, each distance taken about the common mean and never below 0; one_to_one
    needs the whole matrix and up to O(n^3). Raises MetricInputError for widths that differ.
    """
    target, source = _pair(target_features, source_features)
    if assignment == "one_to_one":
        return _one_to_one(target, source)
    if assignment not in ("target_to_source", "source_to_target", "symmetric"):
        raise MetricInputError(
            f"assignment is {assignment!r}; expected target_to_source, source_to_target, symmetric or one_to_one."
        )
    return _nearest(target, source)[assignment]


def domain_distances(target_features: Any, source_features: Any) -> dict[Assignment, float]:
    """`domain_distance` by every assignment at once: the first three come from one matrix of distances."""
    target, source = _pair(target_features, source_features)
    return _nearest(target, source) | {"one_to_one": _one_to_one(target, source)}


def class_mean_distance(
    source_features: Any,
    source_labels: Any,
    target_features: Any,
    target_labels: Any,
    *,
    minimum_samples: int = 1,
) -> float:
    """Earth Mover's distance between class means (Cui et al. 2018, section 4.1). Lower is closer.

    Source class means (c_s, d) weigh as their numbers of samples, target class means (c_t, d) likewise; the ground
    distance is Euclidean. Their similarity is exp(-0.01 distance). Source classes of fewer than `minimum_samples`
    are left out (the authors take 200). Raises MetricInputError where none is left.
    """
    import ot  # late: POT takes a second to import, and only this needs it

    source = as_features(source_features, "source_features")
    target = as_features(target_features, "target_features")
    means, weights = _class_means(source, source_labels, minimum_samples)
    target_means, target_weights = _class_means(target, target_labels, 1)
    if means.shape[1] != target_means.shape[1]:
        raise MetricInputError(
            f"features have {target_means.shape[1]} and {means.shape[1]} dimensions; expected one."
        )
    cost = np.sqrt(squared_distances(means, target_means))
    return float(ot.emd2(weights, target_weights, cost))


def squared_distances(first: Array, second: Array) -> Array:
    """Squared Euclidean distances (n, m) of rows (n, d) and (m, d), never below 0."""
    squares = (first * first).sum(1)[:, None] + (second * second).sum(1)[None, :] - 2 * (first @ second.T)
    return squares.clip(0) if isinstance(squares, np.ndarray) else squares.clamp(min=0)


def _pair(target_features: Any, source_features: Any) -> tuple[Array, Array]:
    target = as_features(target_features, "target_features")
    source = as_features(source_features, "source_features")
    if target.shape[1] != source.shape[1]:
        raise MetricInputError(
            f"target features have {target.shape[1]} dimensions, source features {source.shape[1]}; "
            "take both from the same backbone."
        )
    return target, source


def _nearest(target: Array, source: Array) -> dict[Assignment, float]:
    """The mean distance of each target to its closest source, of each source to its closest target, and of both."""
    centre = sum(block.sum(0) for _, block in double_blocks(source)) / source.shape[0]
    sources = double(source) - centre
    size = max(1, MOST_ENTRIES // source.shape[0])
    forward, backward = 0.0, None
    for _, block in double_blocks(target, size):
        squares = squared_distances(block - centre, sources)
        # The expansion loses small distances to rounding: take the closest pairs' from their difference.
        closest = squares.argmin(1)
        forward += float(np.linalg.norm(to_numpy(block - centre - sources[closest]), axis=1).sum())
        nearest = squares.argmin(0)
        distances = np.linalg.norm(to_numpy(block[nearest] - centre - sources), axis=1)
        backward = distances if backward is None else np.minimum(backward, distances)
    there, back = forward / target.shape[0], float(np.mean(backward))
    return {"target_to_source": there, "source_to_target": back, "symmetric": (there + back) / 2}


def _one_to_one(target: Array, source: Array) -> float:
    target, source = (to_numpy(double(side)) for side in (target, source))
    centre = source.mean(axis=0)
    cost = np.sqrt(squared_distances(target - centre, source - centre))
    if len(target) == len(source):
        rows, columns = linear_sum_assignment(cost)
        return float(np.linalg.norm(target[rows] - source[columns], axis=1).mean())
    import ot

    even = [np.full(size, 1 / size) for size in cost.shape]
    value, log = ot.emd2(*even, cost, log=True, numItermax=10_000_000)
    if log["warning"]:
        raise MetricInputError(f"the matching of {cost.shape} images was not found: {log['warning']}")
    return float(value)


def _class_means(features: Array, labels: Any, minimum_samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Means (c, d) and shares (c,) of the classes of enough samples."""
    groups = as_labels(labels, rows=features.shape[0])
    kept = [code for code in range(groups.classes) if groups.counts[code] >= minimum_samples]
    if not kept:
        raise MetricInputError(
            f"no class has {minimum_samples} samples; the largest has {groups.counts.max():.0f}."
        )
    means = np.stack(
        [to_numpy(double(features[np.flatnonzero(groups.codes == code)]).mean(0)) for code in kept]
    )
    return means, groups.counts[kept] / groups.counts[kept].sum()
