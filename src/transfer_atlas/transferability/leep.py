"""LEEP and NCE: how well the source model's own predictions explain the target's labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from transfer_atlas.transferability.arrays import (
    Array,
    Labels,
    MetricInputError,
    as_features,
    as_labels,
    beside,
    double_blocks,
    one_hot,
    require_classes,
    to_numpy,
)

SUM_TOLERANCE = 1e-2  # rows of probabilities may miss 1 by this much: bfloat16 keeps 8 bits of each
EXACT_TOLERANCE = 1e-4  # beyond this, rows are divided by their sum


def leep(probabilities: Any, labels: Any) -> float:
    """Log expected empirical prediction (Nguyen et al. 2020, equation 2). Higher is better, at most 0.

    n samples, S source classes z, c target classes y, theta (n, S) the source head's probabilities:

        P(y, z) = 1/n sum_{i: y_i = y} theta_iz,    P(y | z) = P(y, z) / P(z)
        LEEP    = 1/n sum_i log sum_z P(y_i | z) theta_iz

    A source class without any mass predicts nothing: its P(y | z) is 0, as in Google's code, not 0/0. A sample's
    own label then always has a positive probability. O(n S c), memory O(c S + n).

    Parameters
    ----------
    probabilities
        (n, S) after the softmax, rows summing to 1.
    labels
        (n,) integers; only classes that occur count.

    Raises
    ------
    MetricInputError
        For negative entries, rows whose sum is off by more than 1 % (logits?), or shapes that do not fit.
    UndefinedError
        For a single class, which anything explains.
    """
    theta = as_features(probabilities, "probabilities")
    groups = as_labels(labels, rows=theta.shape[0])
    joint: Array = 0.0
    for start, raw in double_blocks(theta):
        block = _probabilities(raw, start)
        joint = (
            joint + beside(one_hot(groups.codes[start : start + len(block)], groups.classes), block).T @ block
        )
    require_classes(groups, "LEEP")
    return _mean_log(theta, groups.codes, to_numpy(joint))


def as_probabilities(probabilities: Any, labels: Any) -> tuple[np.ndarray, Labels]:
    """The source head's probabilities (n, S) as float64 rows that sum to 1, and the labels; as `leep` checks them."""
    theta = as_features(probabilities, "probabilities")
    groups = as_labels(labels, rows=theta.shape[0])
    blocks = [to_numpy(_probabilities(block, start)) for start, block in double_blocks(theta)]
    return np.concatenate(blocks), groups


def _mean_log(theta: Array, codes: np.ndarray, joint: np.ndarray) -> float:
    """Mean log probability of each sample's label, from the joint masses (c, S)."""
    marginal = joint.sum(axis=0)
    conditional = np.divide(joint, marginal, out=np.zeros_like(joint), where=marginal > 0)
    total = 0.0
    for start, raw in double_blocks(theta):
        block = _probabilities(raw, start)
        own = beside(conditional[codes[start : start + len(block)]], block)
        total += float(np.log(to_numpy((own * block).sum(1))).sum())
    return total / theta.shape[0]


def nce(source_labels: Any, labels: Any) -> float:
    """Negative conditional entropy -H(Y | Z) (Tran et al. 2019), natural logarithm. Higher is better, at most 0.

    z (n,) are hard labels of the source model, the first of its most probable classes; y (n,) the target's:

        NCE = sum_{y, z} P(y, z) log( P(y, z) / P(z) ),  with counts as probabilities and no smoothing

    O(n + c S). Equal to LEEP of one-hot predictions. Raises MetricInputError for shapes that do not fit,
    UndefinedError for a single class of the target.
    """
    source = as_labels(source_labels, "source_labels")
    target = as_labels(labels, rows=len(source.codes))
    require_classes(target, "NCE")
    return -conditional_entropy(joint_counts(source.codes, source.classes, target.codes, target.classes))


def joint_counts(
    first: np.ndarray, first_classes: int, second: np.ndarray, second_classes: int
) -> np.ndarray:
    """How often codes (n,) and (n,) meet: (first_classes, second_classes) float64."""
    flat = np.bincount(first * second_classes + second, minlength=first_classes * second_classes)
    return flat.reshape(first_classes, second_classes).astype(np.float64)


def conditional_entropy(joint: np.ndarray) -> float:
    """H(column | row) in nats of a table of masses (rows, columns) of any positive total; empty rows count nothing."""
    share = joint / joint.sum()
    rows = np.broadcast_to(share.sum(axis=1, keepdims=True), share.shape)
    used = share > 0
    return float(max(0.0, -(share[used] * np.log(share[used] / rows[used])).sum()))


def _probabilities(block: Array, start: int) -> Array:
    """Rows in float64 whose sum is 1, checked; `start` is the number of the first."""
    sums = to_numpy(block.sum(1))
    lowest = to_numpy(block.min(1) if isinstance(block, np.ndarray) else block.amin(1))
    missing = np.abs(sums - 1)
    off = (missing > SUM_TOLERANCE) | (lowest < 0)
    if off.any():
        row = int(off.argmax())
        raise MetricInputError(
            f"probabilities of sample {start + row} sum to {sums[row]:.4g} with a lowest entry of "
            f"{lowest[row]:.4g}; expected probabilities. Apply the softmax to logits first."
        )
    divisor = np.where(missing > EXACT_TOLERANCE, sums, 1.0)
    return block / beside(divisor[:, None], block)
