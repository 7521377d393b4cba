"""OTCE: what optimal transport between source and target samples says about domain and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from transfer_atlas.transferability.arrays import (
    Array,
    MetricInputError,
    UnconvergedError,
    as_features,
    as_labels,
    beside,
    double,
    one_hot,
    to_numpy,
)
from transfer_atlas.transferability.domain_distance import squared_distances
from transfer_atlas.transferability.leep import conditional_entropy
from transfer_atlas.transferability.transport.plan import entropic_plan

TOLERANCE = 1e-4  # of the marginals; conditional entropy is then within 1e-3 of its converged value
EXACT_ITERATIONS = 10_000_000


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
        In units of the cost; 0.1 is the papers'. None computes the exact plan, as the authors' code does:
        O(n^3) at worst, 16 n_s n_t bytes.
    tolerance
        Largest marginal error of the entropic plan.

    Raises MetricInputError for shapes that do not fit, UnconvergedError.
    """
    source, target = _centred(source_features, target_features)
    groups = as_labels(source_labels, "source_labels", rows=source.shape[0])
    others = as_labels(target_labels, "target_labels", rows=target.shape[0])
    if epsilon is None:
        plan, cost, error, iterations = *_exact_plan(source, target), 0
    elif epsilon > 0:
        found = entropic_plan(source, target, epsilon, tolerance=tolerance)
        plan, cost, error, iterations = found.plan, found.linear_cost, found.marginal_error, found.iterations
    else:
        raise MetricInputError(
            f"epsilon is {epsilon}; expected a positive number, or None for the exact plan."
        )
    joint = one_hot(groups.codes, groups.classes).T @ (plan @ one_hot(others.codes, others.classes))
    task = conditional_entropy(joint)
    return Otce(float(cost), task, -task, float(error), iterations)


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


def _exact_plan(source: Array, target: Array) -> tuple[csr_matrix, float, float]:
    """The plan of least cost, its cost and its marginal error."""
    import ot  # late, as in transport_coarse.py

    cost = to_numpy(squared_distances(double(source), double(target)))
    plan, log = ot.emd([], [], cost, numItermax=EXACT_ITERATIONS, log=True)
    error = float(sum(np.abs(plan.sum(axis=1 - side) - 1 / plan.shape[side]).sum() for side in (0, 1)))
    if log["warning"] or error > TOLERANCE:
        raise UnconvergedError(
            f"the exact plan of {cost.shape} samples was not found (marginal error {error:.2g}): {log['warning']}. "
            "Use fewer samples or an entropic plan (epsilon=0.1)."
        )
    return csr_matrix(plan), float((plan * cost).sum()), error
