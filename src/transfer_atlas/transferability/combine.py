"""One score from several parts of different scale, as ETran, NCTI and Det-LogME form it over all candidates."""

from __future__ import annotations

import numpy as np

from transfer_atlas.transferability.arrays import MetricInputError


def combine_parts(parts: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Weighted sum (sources,) of parts (sources, k), each brought to 0 to 1 over the sources of one target.

    part_m <- (part_m - min) / (max - min); a part that is the same for all is 0. weights (k,), 1 each by default,
    negative where lower is better. A source's sum depends on the other candidates: compare it within one target and
    one list of candidates only. Rows with a number that is not finite get nan and do not count in min and max.
    Raises MetricInputError for another shape.
    """
    values = np.asarray(parts, np.float64)
    if values.ndim != 2 or 0 in values.shape:
        raise MetricInputError(f"parts have shape {values.shape}; expected (sources, parts), neither 0.")
    signs = np.ones(values.shape[1]) if weights is None else np.asarray(weights, np.float64)
    if signs.shape != (values.shape[1],):
        raise MetricInputError(f"there are {values.shape[1]} parts, but weights of shape {signs.shape}.")
    known = np.isfinite(values).all(axis=1)
    total = np.full(len(values), np.nan)
    if known.any():
        used = values[known]
        low, span = used.min(axis=0), np.ptp(used, axis=0)
        total[known] = ((used - low) / np.where(span > 0, span, 1)) @ signs
    return total
