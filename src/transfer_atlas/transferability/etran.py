"""ETran: energy of the source head, a Fisher discriminant for classes, and least squares for real targets."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import scipy.linalg
import scipy.special

from transfer_atlas.transferability.arrays import (
    MetricInputError,
    UndefinedError,
    as_features,
    as_labels,
    double,
    double_blocks,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.fisher import fisher, own_class_mean

CUTOFF = 1e-10  # share of the largest singular value below which it counts as 0


def etran_energy(logits: Any, *, share: float = 1.0, tail: Literal["top", "bottom"] = "top") -> float:
    """Energy score (Gholami et al. 2023, ICCV). Higher: the target looks more like what the source has seen.

    E = mean_i log sum_z exp(logit_iz) of the source head's logits (n, S), before the softmax; needs no labels.
    `share` averages over the samples of highest ("top") or lowest ("bottom") energy only, at least one: the paper
    takes a percentage that depends on the benchmark. O(n S). Not comparable between heads of different numbers of
    classes without `combine_parts`. Raises MetricInputError for probabilities in place of logits.
    """
    values = as_features(logits, "logits")
    if not 0 < share <= 1:
        raise MetricInputError(f"share is {share}; expected a number above 0, at most 1.")
    energies = np.concatenate(
        [scipy.special.logsumexp(to_numpy(block), axis=1) for _, block in double_blocks(values)]
    )
    sums = to_numpy(values.sum(1))
    if values.shape[1] > 1 and float(values.min()) >= 0 and np.abs(sums - 1).max() < 1e-2:
        raise MetricInputError("the logits are probabilities; hand over what goes into the softmax.")
    number = max(1, round(share * len(energies)))
    ordered = np.sort(energies)
    return float((ordered[-number:] if tail == "top" else ordered[:number]).mean())


def etran_classification(features: Any, labels: Any) -> float:
    """Classification score (Gholami et al. 2023). Higher is better, 0 to 1.

    Mean probability of the own class by a regularised Fisher discriminant (`fisher`), the first half of SFDA.
    O(n d^2 + d^3). Raises MetricInputError for shapes that do not fit, UndefinedError for a single class.
    """
    matrix = as_features(features)
    groups = as_labels(labels, rows=matrix.shape[0])
    require_classes(groups, "ETran")
    found = fisher(to_numpy(double(matrix)), groups.codes, groups.counts, None)
    return own_class_mean(found.probabilities, groups.codes)


def etran_regression(features: Any, targets: Any) -> float:
    """Regression score (Gholami et al. 2023): minus the error of least squares. Higher is better, at most 0.

    Features F (n, d) = U S V', targets Y (n, K) such as boxes (centre, width and height relative to the image):

        score = - 1/(n K) |Y - U U' Y|^2

    without an intercept, as in the authors' code. 0 for any targets where d >= n: so fewer independent dimensions
    than samples are required. Targets keep their scale. O(n d min(n, d)).

    Raises MetricInputError for shapes that do not fit; UndefinedError where rank F = n, or all features are zero.
    """
    matrix = to_numpy(double(as_features(features)))
    values = targets if hasattr(targets, "reshape") else np.asarray(targets)
    columns = to_numpy(double(as_features(values.reshape(len(values), -1), "targets", rows=len(matrix))))
    left, singular, _ = scipy.linalg.svd(matrix, full_matrices=False)
    if not singular.max() > 0:
        raise UndefinedError("ETran's regression score needs features that are not all zero.")
    basis = left[:, singular > CUTOFF * singular.max()]
    if basis.shape[1] == len(matrix):
        raise UndefinedError(
            f"{len(matrix)} samples in as many independent dimensions are fitted perfectly, whatever the targets. "
            "Take more samples."
        )
    return -float(((columns - basis @ (basis.T @ columns)) ** 2).mean())
