"""Entropic optimal transport between two large samples, with checked marginals.

At the small regularisation that OTCE asks for (0.1 on squared distances of 10 to 1000), Sinkhorn's iteration needs
thousands of passes over n_s n_t entries, of which some 100 in a row matter. At a large one (or small, normalised or
collapsed features) most entries matter, and it needs tens. So here

1. potentials to start from: those of an exact plan, between about a thousand representatives of either side
   (`coarse.py`), or between all where costs are thousands of times epsilon (`exact.py`); none where costs are
   near epsilon: then the plan is dense, and step 2 is left out;
2. a pass over blocks of the costs collects the entries that matter to the plan of these potentials, in the library
   and on the device of the features (`blocks.py`): some two hundred a row the first time, then every one above
   e^-9 / (n_s n_t), but at least 150 a row;
3. if these are more than a thousand a row or a quarter of all, the plan is dense and all entries are held
   (`dense.py`); else the sparse part only;
4. Sinkhorn steps on what is held, with Newton steps in a trust region between them, which move mass between clusters,
   where Sinkhorn's iteration is slow (`newton.py`), by a factorisation where the plan is a forest but for few entries;
5. for a sparse plan, one more pass over the costs sums up the marginals of the whole, what was not collected
   included; steps 2 to 4 repeat until they are as asked for, with more entries where too much was left out;
6. errors of the marginals do not bound those of what is computed from the plan: small errors can add up along a chain
   of samples. So the marginals are tightened until `Watch.value` no longer moves, or is that of the exact plan.

Where costs exceed epsilon so far that float64 does not tell the entropic plan from the exact one, that is taken; and
where the iteration does not end, if the duality gap shows that the two are the same.

Every loop has a bound: ROUNDS of step 2, STEPS Newton steps with INNER conjugate gradient steps in each, TIGHTENINGS of
step 6, and those of the network simplex.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from transfer_atlas.transferability.arrays import Array, UnconvergedError, double, to_numpy
from transfer_atlas.transferability.transport.blocks import collect_entries, whole_plan
from transfer_atlas.transferability.transport.coarse import coarse_potential, nearest_representatives
from transfer_atlas.transferability.transport.costs import Costs
from transfer_atlas.transferability.transport.dense import DenseDual
from transfer_atlas.transferability.transport.exact import ExactPlan, exact_plan
from transfer_atlas.transferability.transport.newton import (
    Dual,
    DualState,
    SparseDual,
    column_error,
    maximise,
    times,
)

NEGLIGIBLE = 9.0  # natural logarithm: entries below e^-9 / (n_s n_t) are left out
FIRST_PER_ROW = 200  # entries collected per row on average, while potentials are poor
MOST_PER_ROW = 1000  # the same, when they are good; more make a dense plan
MOST_SHARE = 4  # the same: more than one in so many
FEWEST_PER_ROW = 150  # the same, at least: with fewer, potentials soon move beyond what was collected
FEW_SAMPLES = 600  # of the target: that few entries a row are always all held
GROUPS = 128  # of target samples, among which Newton's equations are solved exactly first
ROUNDS = 20  # collections of the sparse part
TIGHTENINGS = 8  # of the marginals, until what is watched has settled
TIGHTER = 30.0  # by this factor each
LEFT_OUT = 1e-5  # mass that a sparse plan may leave out
SETTLED = 1e-4  # change of what is watched that counts as none
UNIFORM = 20.0  # mean cost by epsilon up to which potentials start at 0, and all entries are held
FAR_APART = 2000.0  # mean cost by epsilon from which potentials of representatives are too rough a start
INDISTINCT = 1e10  # mean cost by epsilon from which float64 rounds potentials to more than 1e-6 epsilon
SAME = 1e-7  # Kullback-Leibler divergence of two plans that are one: at most 2e-4 of the mass is elsewhere


@dataclass(frozen=True)
class Watch:
    """What is computed from a plan: `value` of the masses (a, b) = first' plan second.

    first (n_s, a) and second (n_t, b) are indicators of the classes of samples.
    """

    first: np.ndarray
    second: np.ndarray
    value: Callable[[np.ndarray], float]


@dataclass(frozen=True)
class EntropicPlan:
    """A transport plan between uniform weights 1/n_s and 1/n_t.

    Attributes
    ----------
    plan
        (n_s, n_t): sparse float64, with about all entries above e^-9 / (n_s n_t); or dense, float64 or float32. Rows
        sum to 1/n_s to the last bits.
    linear_cost
        sum of plan times cost.
    marginal_error
        Sum of |row sums - 1/n_s| and |column sums - 1/n_t|, the mass left out included.
    iterations
        Newton steps.
    passes
        Passes over the whole cost matrix, those for the first potentials not counted.
    """

    plan: csr_matrix | np.ndarray
    linear_cost: float
    marginal_error: float
    iterations: int
    passes: int

    def masses(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """first' plan second (a, b) of matrices (n_s, a) and (n_t, b)."""
        return first.T @ times(self.plan, second)


class _Unsettled(Exception):
    """The iteration ended before its goal; with the best potentials it had."""

    def __init__(self, state: DualState, error: float, steps: int) -> None:
        super().__init__()
        self.state, self.error, self.steps = state, error, steps


def entropic_plan(
    source: Array, target: Array, epsilon: float, *, tolerance: float = 1e-4, watch: Watch | None = None
) -> EntropicPlan | ExactPlan:
    """Minimise sum c_ij p_ij + epsilon sum p_ij log p_ij with c_ij = |source_i - target_j|^2 and uniform marginals.

    `source` (n_s, d) and `target` (n_t, d) are centred together by the caller, in one library. The marginal error
    ends at or below `tolerance`, and what is watched has settled to 1e-4; else UnconvergedError is raised. Memory:
    blocks of 40 MB, 8 n_s n_t bytes up to 1 GB from 100 dimensions on, and 20 bytes per collected entry of a sparse
    plan, of which there are some hundred per row; 4 n_s
    n_t bytes of a dense one (8 below 16 million entries). An ExactPlan where costs exceed epsilon too far.
    """
    ratio = _mean_cost(source, target) / epsilon
    if ratio > INDISTINCT:
        return exact_plan(source, target)
    costs = Costs(source, target)
    column, exactly = _start(costs, epsilon, ratio, watch)
    groups = nearest_representatives(target, GROUPS)
    try:
        if ratio <= UNIFORM:
            return _dense(costs, column, groups, epsilon, tolerance, watch, exactly, 0, 0)
        return _sparse(costs, column, groups, epsilon, tolerance, watch, exactly)
    except _Unsettled as ended:
        exact = exact_plan(source, target, costs)
        # what an exact plan costs beyond the dual's value is its divergence from the entropic plan, or more
        gap = (exact.linear_cost - ended.state.value) / epsilon + exact.entropy
        if gap <= SAME:
            return exact
        raise UnconvergedError(
            f"the transport plan between {len(source)} and {len(target)} samples did not converge at epsilon "
            f"{epsilon:g}: its marginals are off by {ended.error:.2g} (allowed: {tolerance:g}) after {ended.steps} "
            "Newton steps, or what follows from it has not settled. Use the exact plan (epsilon=None), fewer samples, "
            "or a larger epsilon."
        ) from None


def _start(costs: Costs, epsilon: float, ratio: float, watch: Watch | None) -> tuple[np.ndarray, float]:
    """First potentials (n_t,), and what is watched in the limit of small epsilon, nan where that is not known."""
    if ratio <= UNIFORM:
        return np.zeros(costs.shape[1]), math.nan
    if ratio > FAR_APART:
        exact = exact_plan(costs.source, costs.target, costs)
        known = math.nan if watch is None else watch.value(exact.masses(watch.first, watch.second))
        return exact.column, known
    return coarse_potential(costs.source, costs.target, epsilon), math.nan


def _sparse(
    costs: Costs,
    column: np.ndarray,
    groups: np.ndarray,
    epsilon: float,
    tolerance: float,
    watch: Watch | None,
    exactly: float,
) -> EntropicPlan:
    """Rounds of steps 2 to 6 above, which go on with the dense plan where the sparse one holds too much."""
    row, steps, error, depth, passes = None, 0, math.inf, NEGLIGIBLE, 0
    state, width = None, costs.shape[1]
    largest = min(MOST_PER_ROW, width // MOST_SHARE)
    most = min(FIRST_PER_ROW, largest)
    for _ in range(ROUNDS):
        entries = None
        if width > FEW_SAMPLES:
            entries = collect_entries(costs, row, column, epsilon, depth, FEWEST_PER_ROW, most)
            passes += 2
        if entries is None:
            return _dense(costs, column, groups, epsilon, tolerance, watch, exactly, steps, passes)
        dual = SparseDual(entries.indptr, entries.indices, entries.cost, groups, width, epsilon)
        state = dual.evaluate(column)
        limit = 2 * entries.depth * epsilon
        state, taken = maximise(dual, state, tolerance / 2, limit)
        steps += taken
        error = column_error(state)
        first, row, column = row is None, state.row, state.column
        if first:
            most = largest
            continue
        if error > tolerance:
            continue  # stopped where other entries matter
        state, taken, settled = _settle(dual, state, limit, watch, exactly)
        steps += taken
        row, column = state.row, state.column
        mass, error = whole_plan(costs, row, column, epsilon)
        passes += 1
        if error <= tolerance and mass - 1 <= LEFT_OUT + tolerance / 10 and settled:
            plan = dual.plan(state)
            return EntropicPlan(plan, float(plan.data @ entries.cost), error, steps, passes)
        if mass - 1 > LEFT_OUT:
            depth = entries.depth + 2
    raise _Unsettled(state, error, steps)


def _dense(
    costs: Costs,
    column: np.ndarray,
    groups: np.ndarray,
    epsilon: float,
    tolerance: float,
    watch: Watch | None,
    exactly: float,
    steps: int,
    passes: int,
) -> EntropicPlan:
    """Steps 4 and 6 with all entries."""
    dual = DenseDual(costs, groups, epsilon)
    state, taken = maximise(dual, dual.evaluate(column), tolerance / 2)
    steps += taken
    if column_error(state) > tolerance:
        raise _Unsettled(state, column_error(state), steps)
    state, taken, settled = _settle(dual, state, np.inf, watch, exactly)
    error = column_error(state)
    if not settled or error > tolerance:
        raise _Unsettled(state, error, steps + taken)
    plan = dual.plan(state)
    return EntropicPlan(plan, _linear_cost(plan, costs.source, costs.target), error, steps + taken, passes)


def _settle(
    dual: Dual, state: DualState, limit: float, watch: Watch | None, exactly: float
) -> tuple[DualState, int, bool]:
    """Tighten the marginals until what is watched no longer moves: the state, Newton steps, and whether it has settled.

    It has as well where rounding leaves nothing to tighten, or where it is what the exact plan gives (`exactly`, nan if
    unknown): that plan and the entropic one of marginals this close are either side of the one that is sought.
    """
    if watch is None:
        return state, 0, True
    floor = _floor(dual, state)
    value, steps = _watched(state, watch), 0
    if abs(value - exactly) <= SETTLED:
        return state, 0, True
    for _ in range(TIGHTENINGS):
        error = column_error(state)
        if error <= floor:
            return state, steps, True
        later, taken = maximise(dual, state, max(error / TIGHTER, floor), limit)
        steps += taken
        if column_error(later) > error / 2:
            return state, steps, error <= 10 * floor
        after = _watched(later, watch)
        moved, state, value = abs(after - value), later, after
        if moved <= SETTLED:
            return state, steps, True
    return state, steps, False


def _floor(dual: Dual, state: DualState) -> float:
    """Error of the marginals that rounding causes: of the entries as they are held, or of potentials by epsilon."""
    if dual.precision == np.float32:
        return 1e-6
    largest = max(
        np.abs(state.row - state.row.mean()).max(), np.abs(state.column - state.column.mean()).max()
    )
    return 1e-12 + 4 * np.finfo(np.float64).eps * float(largest) / dual.epsilon


def _watched(state: DualState, watch: Watch) -> float:
    plan = state.base.plan
    return watch.value(
        (watch.first * state.left[:, None]).T @ times(plan, watch.second * state.right[:, None])
    )


def _mean_cost(source: Array, target: Array) -> float:
    """Mean of all |source_i - target_j|^2."""
    squares = sum(float((double(side) ** 2).sum(1).mean()) for side in (source, target))
    means = [to_numpy(double(side).mean(0)) for side in (source, target)]
    return max(0.0, squares - 2 * float(means[0] @ means[1]))


def _linear_cost(plan: np.ndarray, source: Array, target: Array) -> float:
    """Sum of a dense plan times cost: |x|^2 and |y|^2 weighed by the marginals, less 2 x'y."""
    first, second = to_numpy(double(source)), to_numpy(double(target))
    cross = float((first * times(plan, second)).sum())
    rows = float(plan.sum(axis=1, dtype=np.float64) @ (first**2).sum(axis=1))
    columns = float(plan.sum(axis=0, dtype=np.float64) @ (second**2).sum(axis=1))
    return max(0.0, rows + columns - 2 * cross)
