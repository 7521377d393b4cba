"""The transport plan of least cost, without regularisation, and its potentials."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array, csr_matrix

from transfer_atlas.transferability.arrays import Array, UnconvergedError, double, to_numpy
from transfer_atlas.transferability.domain_distance import squared_distances
from transfer_atlas.transferability.transport.coarse import coarse_potential
from transfer_atlas.transferability.transport.costs import Costs, costs_of_pairs

COMPLETE_ENTRIES = 2_000_000  # up to here the network simplex gets all of them
CANDIDATES = 20  # cheapest entries of every row and every column that a larger problem starts with
SETS = 10  # times as many sets of entries, whose maxima bound those that are asked for
ROUNDS = 12  # of candidates
ROUGH_ROUNDS = 3  # that may look for them in float32, which is blind to costs far below the squares
SHORTFALL = 1e-6  # share of the cost that candidates may leave on the table
NEAR = 1e-2  # of the median cost: candidates this close to use stay
PIVOTS = 10_000_000  # of the network simplex
MARGINALS = 1e-9  # error of the plan's marginals that rounding may cause


@dataclass(frozen=True)
class Distinct:
    """Samples (k, d) that differ, the share of all samples that each stands for (k,), and which one stands for each
    of all of them, places (n,)."""

    samples: np.ndarray
    weights: np.ndarray
    places: np.ndarray

    def averaged(self, values: np.ndarray) -> np.ndarray:
        """Mean (k, a) of values (n, a) of the samples that each stands for."""
        sums = np.zeros((len(self.samples), values.shape[1]))
        np.add.at(sums, self.places, values)
        return sums / (self.weights * len(self.places))[:, None]


@dataclass(frozen=True)
class ExactPlan:
    """A plan of least sum c_ij p_ij with c_ij = |source_i - target_j|^2 and weights 1/n_s and 1/n_t.

    Attributes
    ----------
    plan
        Sparse, float64, between the distinct samples of either side, `source` and `target`: at most one entry less
        than these are together. Equal samples share their mass evenly, as in the limit of small regularisation.
    linear_cost
        sum of plan times cost.
    row, column
        Potentials f (n_s,) and g (n_t,): f_i + g_j <= c_ij, with equality where the plan has mass.
    marginal_error
        Sum of |row sums - weights| and |column sums - weights|.
    """

    plan: csr_matrix
    source: Distinct
    target: Distinct
    linear_cost: float
    row: np.ndarray
    column: np.ndarray
    marginal_error: float

    def masses(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """first' plan second (a, b) of matrices (n_s, a) and (n_t, b)."""
        return self.source.averaged(first).T @ (self.plan @ self.target.averaged(second))

    @property
    def entropy(self) -> float:
        """sum p_ij log(n_s n_t p_ij) over all samples, equal ones included."""
        entries = self.plan.tocoo()
        even = self.source.weights[entries.row] * self.target.weights[entries.col]
        used = entries.data > 0
        return float(entries.data[used] @ np.log(entries.data[used] / even[used]))


def exact_plan(source: Array, target: Array, costs: Costs | None = None) -> ExactPlan:
    """Minimise sum c_ij p_ij by the network simplex (POT), over all entries or over candidates.

    Beyond two million entries, the simplex gets some twenty of every row and column that are cheapest by the
    potentials of a plan between a thousand representatives, and a staircase of entries that makes sure that there is
    a plan. Potentials of what it finds show which entries were missing: if by these all the others together could
    save more than 1e-6 of the cost, those cheapest by the new potentials join, at most 12 times.

    `source` (n_s, d) and `target` (n_t, d) are centred together by the caller, who may have `costs` of them already.
    Raises UnconvergedError.
    """
    first, second = (_distinct(to_numpy(double(side))) for side in (source, target))
    height, width = len(first.samples), len(second.samples)
    if height * width <= COMPLETE_ENTRIES:
        return _solved(squared_distances(first.samples, second.samples), first, second)
    if costs is None or costs.shape != (height, width) or not isinstance(costs.source, np.ndarray):
        costs = Costs(first.samples, second.samples)
    turned = costs.turned()
    # a thousandth of the costs
    smoothing = max(1e-3 * _mean_square(first, second), np.finfo(np.float64).tiny)
    column = coarse_potential(first.samples, second.samples, smoothing)
    rough = costs.precision_for(1e-5 * _mean_square(first, second))
    row, own = _cheapest(costs, column, rough)
    connected = _staircase(first.weights, second.weights)  # or potentials of parts would not be comparable
    keys, missed, found = connected, np.inf, None
    for number in range(ROUNDS):
        precision = rough if number < ROUGH_ROUNDS else np.float64
        _, others = _cheapest(turned, row, precision)
        keys = np.unique(np.concatenate([keys, own, others % height * width + others // height]))
        rows, columns = np.divmod(keys, width)
        values = costs.between(rows, columns)
        found = _solved(coo_array((values, (rows, columns)), shape=(height, width)), first, second)
        row, column = (
            _of_distinct(potential, side) for potential, side in ((found.row, first), (found.column, second))
        )
        least, own = _cheapest(costs, column, precision)
        missed = float(np.maximum(0, row - least) @ first.weights)
        if missed <= SHORTFALL * found.linear_cost:
            return found
        used = found.plan.tocoo()
        near = values - row[rows] - column[columns] <= NEAR * np.median(values)
        taken = used.row.astype(np.int64) * width + used.col
        keys = np.concatenate([connected, taken, keys[near]])
    raise UnconvergedError(
        f"the exact plan between {height} and {width} samples was not found: after {ROUNDS} rounds of candidates, "
        f"others could still save {missed:.3g} of the cost {found.linear_cost:.3g}. Use fewer samples, or a larger "
        "epsilon."
    )


def _distinct(samples: np.ndarray) -> Distinct:
    rows = np.ascontiguousarray(samples + 0.0)  # -0 becomes 0
    whole = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, places, counts = np.unique(whole, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first)  # in their order
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return Distinct(rows[first[order]], counts[order] / len(rows), rank[places])


def _of_distinct(potential: np.ndarray, side: Distinct) -> np.ndarray:
    """Potentials (k,) of distinct samples from those of all (n,)."""
    values = np.empty(len(side.samples))
    values[side.places] = potential
    return values


def _solved(cost: np.ndarray | coo_array, first: Distinct, second: Distinct) -> ExactPlan:
    import ot  # late: POT imports torch where it finds it, which takes seconds

    plan, log = ot.emd(first.weights, second.weights, cost, numItermax=PIVOTS, log=True)
    plan = csr_matrix(plan)
    sums = np.asarray(plan.sum(axis=1)).ravel(), np.asarray(plan.sum(axis=0)).ravel()
    error = float(np.abs(sums[0] - first.weights).sum() + np.abs(sums[1] - second.weights).sum())
    if log["warning"] or error > MARGINALS:
        raise UnconvergedError(
            f"the exact plan of {cost.shape} samples was not found (marginal error {error:.2g}): {log['warning']}. "
            "Use fewer samples or an entropic plan (epsilon=0.1)."
        )
    entries = plan.tocoo()
    linear = float(entries.data @ costs_of_pairs(first.samples, second.samples, entries.row, entries.col))
    row, column = log["u"][first.places], log["v"][second.places]
    return ExactPlan(plan, first, second, linear, row, column, error)


def _mean_square(first: Distinct, second: Distinct) -> float:
    """Mean of |x|^2 of the one side and of the other, in sum: of the order of the costs."""
    return sum(float(side.weights @ (side.samples**2).sum(axis=1)) for side in (first, second))


def _cheapest(costs: Costs, column: np.ndarray, precision: type) -> tuple[np.ndarray, np.ndarray]:
    """min_j (c_ij - g_j) of every row (n_s,), and at least its 20 least such entries, as i n_t + j."""
    width = costs.shape[1]
    least, places = [], []
    for start, block in costs.scores(column, 1.0, precision):
        places.append(_largest(block, min(CANDIDATES, width)) + start * width)
        best = block.argmax(axis=1)
        rows = np.arange(start, start + len(block))
        # with the digits that float32 lacks
        least.append(costs_of_pairs(costs.source, costs.target, rows, best) - column[best])
    return np.concatenate(least), np.concatenate(places)


def _largest(block: np.ndarray, number: int) -> np.ndarray:
    """At least the `number` largest entries of every row of a block (m, k), and about as many; flat positions.

    The number-th largest of the maxima of ten times as many sets of columns is a lower bound that takes one reading of
    the block. Where many entries are equal, more would pass it than are asked for: then they are counted out.
    """
    rows, width = block.shape
    sets = SETS * number
    if width >= 2 * sets:
        whole = width // sets * sets
        maxima = block[:, :whole].reshape(rows, -1, sets).max(axis=1)
        bound = np.partition(maxima, sets - number, axis=1)[:, sets - number]
        places = np.flatnonzero(block >= bound[:, None])
        if len(places) <= 4 * number * rows:
            return places
    within = np.argpartition(block, -number, axis=1)[:, -number:]
    return (within + np.arange(rows)[:, None] * width).ravel()


def _staircase(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Entries of the plan that fills rows and columns of these weights in their order, as i n_t + j."""
    ends = [np.cumsum(side)[:-1] for side in (rows, columns)]
    starts = np.concatenate([[0.0], *ends])
    at = [np.searchsorted(side, starts, side="right") for side in ends]
    return np.unique(at[0].astype(np.int64) * len(columns) + at[1])
