"""A first potential for large transport problems, from an exact plan between representatives."""

from __future__ import annotations

import numpy as np

from transfer_atlas.transferability.arrays import Array, double, to_numpy
from transfer_atlas.transferability.domain_distance import squared_distances

REPRESENTATIVES = 1000
BLOCK_ROWS = 4096


def coarse_potential(source: Array, target: Array, epsilon: float) -> np.ndarray:
    """Potentials (n_t,) of the target's samples, about right for transport from `source` (n_s, d) to `target`.

    Evenly spaced samples represent either side, each with the share of samples that are closest to it, so that
    clusters keep their exact weights. The dual potentials u of the exact plan between them are extended by the
    smooth minimum g(y) = -epsilon log sum_i w_i exp((u_i - |x_i - y|^2) / epsilon).
    """
    import ot  # late: POT imports torch where it finds it, which takes seconds

    first, weights = _representatives(source)
    second, others = _representatives(target)
    cost = to_numpy(squared_distances(double(first), double(second)))
    log = ot.emd(weights, others, cost, numItermax=10_000_000, log=True)[1]
    potential = np.empty(len(target))
    for start in range(0, len(target), BLOCK_ROWS):
        block = to_numpy(squared_distances(double(target[start : start + BLOCK_ROWS]), double(first)))
        values = (log["u"] - block) / epsilon
        top = values.max(axis=1)
        sums = np.exp(values - top[:, None]) @ weights
        potential[start : start + BLOCK_ROWS] = -epsilon * (top + np.log(sums))
    return potential


def nearest_representatives(samples: Array, number: int) -> np.ndarray:
    """For each sample (n,) the closest of up to `number` evenly spaced ones, by its position among them."""
    chosen = _evenly_spaced(samples, number)
    return np.concatenate(
        [
            to_numpy(squared_distances(samples[start : start + BLOCK_ROWS], chosen).argmin(1))
            for start in range(0, len(samples), BLOCK_ROWS)
        ]
    )


def _evenly_spaced(samples: Array, number: int) -> Array:
    number = min(len(samples), number)
    return samples[np.linspace(0, len(samples) - 1, number).round().astype(np.int64)]


def _representatives(samples: Array) -> tuple[Array, np.ndarray]:
    """Up to a thousand samples, evenly spaced in their order, and the share of all samples closest to each."""
    chosen = _evenly_spaced(samples, REPRESENTATIVES)
    counts = np.bincount(nearest_representatives(samples, REPRESENTATIVES), minlength=len(chosen))
    return chosen, counts / counts.sum()
