"""OTCE: what optimal transport between source and target samples says about domain and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transfer_atlas.transferability.arrays import (
    Array,
    MetricInputError,
    as_features,
    as_labels,
    beside,
    double,
    one_hot,
    require_classes,
    to_numpy,
)
from transfer_atlas.transferability.leep import conditional_entropy
from transfer_atlas.transferability.transport.exact import exact_plan
from transfer_atlas.transferability.transport.plan import Watch, entropic_plan

TOLERANCE = 1e-4  # of the marginals, to begin with: alone it bounds no error of W_T


@dataclass(frozen=True)
class Otce:
    """What `otce` returns.

    Attributes
    ----------
    domain_difference
        W_D, squared feature units.
    task_difference
        W_T = H(Y_t | Y_s) in nats.
    score
        -W_T, the score without auxiliary tasks. Higher is better.
    marginal_error
        Sum of the absolute errors of both marginals of the plan, the mass left out included.
    iterations
        Newton steps of the entropic plan; 0 for the exact one.
    """

    domain_difference: float
    task_difference: float
    score: float
    marginal_error: float
    iterations: int


def otce(
    source_features: Any,
    source_labels: Any,
    target_features: Any,
    target_labels: Any,
    *,
    epsilon: float | None = 0.1,
    tolerance: float = TOLERANCE,
) -> Otce:
    """Optimal transport based conditional entropy (Tan et al. 2021; for segmentation Tan et al. 2024, section 2.2).

    Source features x_i (n_s, d) with labels y_s, target features (n_t, d) with labels y_t, both from the source
    model; c_ij = |x_i - x_j|^2 as it is, neither normalised nor scaled; uniform weights:

        pi  = argmin sum c_ij pi_ij + epsilon sum pi_ij log pi_ij       over plans with these marginals
        W_D = sum c_ij pi_ij
        P(y_s, y_t) = sum of pi_ij over samples with these labels;    W_T = -sum P log( P / P(y_s) )
        score = -W_T

    An iteration stopped early does not give a rough W_T but a wrong one, near 0, as for a perfect transfer. So the
    marginals are always checked, and UnconvergedError is raised instead of returning a number.

    Parameters
    ----------
    source_features, source_labels, target_features, target_labels
        (n_s, d), (n_s,), (n_t, d), (n_t,). The papers draw 10,000 pixels of either and average 10 draws.
    epsilon
        In units of the cost; 0.1 is the papers'. None computes the exact plan, as the authors' code does. Where costs
        are more than 1e10 times epsilon, that is taken in any case: float64 does not tell the two apart.
    tolerance
        Largest marginal error of the entropic plan. Whatever it is, marginals are tightened until W_T no longer moves
        by 1e-4.

    Notes
    -----
    Raises MetricInputError for shapes that do not fit, UndefinedError for a single class of the target,
    UnconvergedError.
    """
    source, target = _centred(source_features, target_features)
    groups = as_labels(source_labels, "source_labels", rows=source.shape[0])
    others = as_labels(target_labels, "target_labels", rows=target.shape[0])
    require_classes(others, "OTCE")
    first, second = one_hot(groups.codes, groups.classes), one_hot(others.codes, others.classes)
    if epsilon is None:
        found = exact_plan(source, target)
    elif epsilon > 0:
        watch = Watch(first, second, conditional_entropy)
        found = entropic_plan(source, target, epsilon, tolerance=tolerance, watch=watch)
    else:
        raise MetricInputError(
            f"epsilon is {epsilon}; expected a positive number, or None for the exact plan."
        )
    task = conditional_entropy(found.masses(first, second))
    iterations = getattr(found, "iterations", 0)
    return Otce(float(found.linear_cost), task, -task, float(found.marginal_error), iterations)


def _centred(source_features: Any, target_features: Any) -> tuple[Array, Array]:
    """Both sides less their common mean, so that the squares in the costs stay small. float32 stays float32."""
    source = as_features(source_features, "source_features")
    target = as_features(target_features, "target_features")
    if source.shape[1] != target.shape[1]:
        raise MetricInputError(
            f"source features have {source.shape[1]} dimensions, target features {target.shape[1]}; "
            "take both from the source model."
        )
    mean = (to_numpy(double(source).mean(0)) + to_numpy(double(target).mean(0))) / 2
    centre = beside(mean.astype(to_numpy(source[:1]).dtype), source)
    return source - centre, target - beside(mean.astype(to_numpy(target[:1]).dtype), target)
