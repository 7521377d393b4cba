"""Features of several sources made one: weights from transferability scores, and the features that these weigh."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from transfer_atlas.transferability.arrays import MetricInputError, UndefinedError, as_features

How = Literal["sum", "concatenation"]
CONSTANT = 1e-12  # deviation by the largest value below which a dimension is constant but for rounding


def score_weights(scores: Mapping[str, float | None], temperature: float = 1.0) -> dict[str, float]:
    """Weights of sources, which sum to 1: the softmax of their scores (Tan et al., OTCE, multi-source feature fusion).

        w_i = exp(s_i / T) / sum_j exp(s_j / T)

    OTCE scores are in nats, so that with T = 1 (`temperature`; the paper's) a source whose labels leave one nat less of
    the target's open weighs e times as much. As T falls the best source alone counts, as it grows all count the same.
    A source without a finite score has the weight 0.

    Raises MetricInputError for a temperature that is not positive, UndefinedError where no source has a score.
    """
    if not (temperature > 0 and np.isfinite(temperature)):
        raise MetricInputError(f"temperature is {temperature}; expected a positive number.")
    values = np.array([np.nan if score is None else score for score in scores.values()], np.float64)
    known = np.isfinite(values)
    if not known.any():
        raise UndefinedError(f"none of {len(values)} sources has a score to be weighed by.")
    weights = np.zeros(len(values))
    weights[known] = np.exp((values[known] - values[known].max()) / temperature)
    return dict(zip(scores, (weights / weights.sum()).tolist(), strict=True))


def standardised(features: np.ndarray, fitted_on: np.ndarray) -> np.ndarray:
    """Features (n, d) of zero mean and unit deviation in each dimension over the rows `fitted_on` (truths (n,)), by the
    root of d: float64, of mean square 1 per sample, so that no source counts more for its scale or its width.

    Dimensions that are constant over these rows become 0. Raises MetricInputError for what is no finite matrix.
    """
    matrix = np.asarray(as_features(features), np.float64)
    known = matrix[fitted_on]
    deviation = known.std(axis=0)
    varies = deviation > CONSTANT * np.abs(known).max(axis=0, initial=0.0)
    scale = np.where(varies, 1 / np.where(varies, deviation, 1), 0) / np.sqrt(matrix.shape[1])
    return (matrix - known.mean(axis=0)) * scale


def fused(blocks: Sequence[np.ndarray], weights: Sequence[float], how: How = "sum") -> np.ndarray:
    """One feature matrix of those of several sources, each (n, d_i), with weights w_i that are not negative.

    sum: sum of w_i F_i, (n, d), as in the paper; all sources need the same width. concatenation: [sqrt(w_i) F_i]
    side by side, (n, sum of d_i), whose products of samples are the sources' own, weighed by w_i; for any widths.
    Blocks of weight 0 are left out of a concatenation. Raises MetricInputError where shapes or weights do not fit.
    """
    values = np.asarray(weights, np.float64)
    if (
        len(blocks) != len(values)
        or not len(values)
        or not (np.isfinite(values).all() and (values >= 0).all())
    ):
        raise MetricInputError(
            f"there are {len(blocks)} sources and the weights {values.tolist()}; expected one for each, none negative."
        )
    if not values.any():
        raise MetricInputError("all weights are 0; expected at least one source that counts.")
    if len({len(block) for block in blocks}) > 1:
        raise MetricInputError(
            f"sources have {[len(block) for block in blocks]} samples; expected the same samples of each."
        )
    if how == "concatenation":
        return np.concatenate(
            [np.sqrt(weight) * block for weight, block in zip(values, blocks, strict=True) if weight > 0],
            axis=1,
        )
    widths = {block.shape[1] for block in blocks}
    if len(widths) > 1:
        raise MetricInputError(
            f"sources have {sorted(widths)} dimensions; a sum needs the same, take a concatenation."
        )
    return sum(
        (weight * block for weight, block in zip(values, blocks, strict=True)), np.zeros(blocks[0].shape)
    )
