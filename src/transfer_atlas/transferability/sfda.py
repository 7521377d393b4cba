"""SFDA: how well classes are separated by a Fisher discriminant after the easy samples were made harder."""

from __future__ import annotations

from typing import Any

import numpy as np

from transfer_atlas.transferability.arrays import (
    as_features,
    as_labels,
    double,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.fisher import fisher, own_class_mean, softmax


def sfda(features: Any, labels: Any) -> float:
    """Self-challenging Fisher discriminant analysis (Shao et al. 2022, ECCV). Higher is better, 0 to 1.

    1. p = softmax of the class probabilities of `fisher`, once more, which keeps them away from 0 and 1;
    2. every sample moves towards the mean of the other classes' means, the more the less certain it is (ConfMix):
       x_i <- p_i x_i + (1 - p_i) mean_{l != y_i} m_l;
    3. the score is the mean probability of the own class by another `fisher` with the same shrinkage.

    The logarithm of the paper's equation is left out, as in the authors' code. Not invariant to the scale of the
    features, on which the shrinkage depends. O(n d^2 + d^3), two copies of the features in float64.

    Raises MetricInputError for shapes that do not fit, UndefinedError for a single class or a scatter that cannot be
    inverted (features that are constant within classes).
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "SFDA")
    values = to_numpy(double(matrix))
    first = fisher(values, groups.codes, groups.counts, None)
    certain = softmax(first.probabilities)[np.arange(len(values)), groups.codes][:, None]
    means = np.stack([values[groups.codes == code].mean(axis=0) for code in range(groups.classes)])
    others = (means.sum(axis=0) - means) / (groups.classes - 1)
    mixed = certain * values + (1 - certain) * others[groups.codes]
    second = fisher(mixed, groups.codes, groups.counts, first.shrinkage)
    return own_class_mean(second.probabilities, groups.codes)
