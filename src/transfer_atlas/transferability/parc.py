"""PARC: whether samples that look alike to the source model also share a class."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy

from transfer_atlas.transferability.arrays import (
    MetricInputError,
    UndefinedError,
    as_features,
    as_labels,
    double,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.moments import class_moments

MOST_SAMPLES = 20_000  # 200 million pairs, 3 GB while their ranks are taken


def parc(features: Any, labels: Any, *, components: int | None = None) -> float:
    """Pairwise annotation representation comparison (Bolya et al. 2021). Higher is better, from -100 to 100.

    Over all pairs i < j, with r the correlation coefficient of two rows:

        PARC = 100 Spearman( 1 - r(x_i, x_j), 1 - r(onehot(y_i), onehot(y_j)) )

    after each feature was brought to mean 0 and standard deviation 1. One-hot rows correlate in two ways only (same
    class or not), so the label side is a comparison of two groups of ranks. A constant row, whose correlation is
    undefined, counts as uncorrelated with all others. O(n^2 d) and 8 n^2 bytes: sample a few thousand first.

    Parameters
    ----------
    features, labels
        (n, d) and (n,) integers.
    components
        Principal components (of the standardised features' own scale, centred) to keep first; the paper uses 32.

    Notes
    -----
    Raises MetricInputError for a single class, classes of one sample only, or more than 20,000 samples.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "PARC")
    samples = matrix.shape[0]
    if samples > MOST_SAMPLES:
        raise MetricInputError(
            f"PARC compares all pairs of {samples} samples; draw at most {MOST_SAMPLES} of them first."
        )
    if groups.classes == samples:
        raise UndefinedError("PARC needs a class of two samples, but every sample has a class of its own.")
    values = to_numpy(double(matrix))
    if components is not None:
        moments = class_moments(matrix, labels)
        values = (values - moments.mean) @ _signed(moments.components(components))
    deviation = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    values = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    values = values / np.where(length > 0, length, 1)
    upper = np.triu_indices(samples, 1)
    ranks = scipy.stats.rankdata(1 - (values @ values.T)[upper])
    different = groups.codes[upper[0]] != groups.codes[upper[1]]
    if different.all() or np.ptp(ranks) == 0:
        raise UndefinedError("PARC is undefined: all pairs of samples are equally far apart.")
    return 100 * float(np.corrcoef(ranks, different)[0, 1])


def _signed(basis: np.ndarray) -> np.ndarray:
    """Components (d, p), each with its largest entry positive: PARC, unlike variances, depends on their signs."""
    largest = np.abs(basis).argmax(axis=0)
    return basis * np.sign(basis[largest, np.arange(basis.shape[1])])
