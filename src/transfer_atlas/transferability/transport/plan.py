"""Entropic optimal transport between two large samples: the plan as a sparse matrix, with checked marginals.

At the small regularisation that OTCE asks for (0.1 on squared distances of 10 to 1000), Sinkhorn's iteration needs
thousands of passes over n_s n_t entries, of which some 100 in a row matter. So here

1. an exact plan between about a thousand representatives of either side, each weighing as many samples as are
   closest to it, gives potentials that are right in the large (`transport_coarse.py`);
2. a pass over blocks of the cost matrix collects the entries that matter to the plan of these potentials, in the
   library and on the device of the features (`transport_blocks.py`): some two hundred a row the first time, then
   every one above e^-9 / (n_s n_t), but at least 150 and at most a thousand a row;
3. Newton steps with a trust region on this sparse part move mass between clusters, where Sinkhorn's iteration is
   slow, with Sinkhorn steps between them for what is fast (`transport_newton.py`);
4. one more pass over the cost sums up the marginals of the whole plan, what was not collected included; steps 2 and
   3 repeat until they are as asked for, with more entries where too much was left out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

from transfer_atlas.transferability.arrays import Array, UnconvergedError
from transfer_atlas.transferability.transport.blocks import collect_entries, whole_plan
from transfer_atlas.transferability.transport.coarse import coarse_potential, nearest_representatives
from transfer_atlas.transferability.transport.newton import SparseDual, maximise

NEGLIGIBLE = 9.0  # natural logarithm: entries below e^-9 / (n_s n_t) are left out
FIRST_PER_ROW = 200  # entries collected per row on average, while potentials are poor
MOST_PER_ROW = 1000  # the same, when they are good
FEWEST_PER_ROW = 150  # the same, at least: with fewer, potentials soon move beyond what was collected
LARGEST_DEPTH = 1e9  # beyond, float64 does not tell entries apart
GROUPS = 128  # of target samples, among which Newton's equations are solved exactly first
ROUNDS = 100  # collections of the sparse part


@dataclass(frozen=True)
class EntropicPlan:
    """A transport plan between uniform weights 1/n_s and 1/n_t.

    Attributes
    ----------
    plan
        (n_s, n_t) sparse, float64: about all entries above e^-9 / (n_s n_t). Rows sum to 1/n_s to the last bits.
    linear_cost
        sum of plan times cost.
    marginal_error
        Sum of |row sums - 1/n_s| and |column sums - 1/n_t|, the mass left out included.
    iterations
        Newton steps.
    passes
        Passes over the whole cost matrix.
    """

    plan: csr_matrix
    linear_cost: float
    marginal_error: float
    iterations: int
    passes: int


def entropic_plan(source: Array, target: Array, epsilon: float, *, tolerance: float = 1e-4) -> EntropicPlan:
    """Minimise sum c_ij p_ij + epsilon sum p_ij log p_ij with c_ij = |source_i - target_j|^2 and uniform marginals.

    `source` (n_s, d) and `target` (n_t, d) are centred together by the caller, in one library. The marginal error
    ends at or below `tolerance`; else UnconvergedError is raised. Memory: blocks of 40 MB and 20 bytes per
    collected entry, of which there are some hundred per row.
    """
    column = coarse_potential(source, target, epsilon)
    groups = nearest_representatives(target, GROUPS)
    row, steps, error, depth, most, passes = None, 0, math.inf, NEGLIGIBLE, FIRST_PER_ROW, 0
    for _ in range(ROUNDS):
        entries = collect_entries(source, target, row, column, epsilon, depth, most)
        passes += 1
        fewest = len(source) * min(FEWEST_PER_ROW, len(target) // 2)
        while len(entries.cost) < fewest and entries.depth == depth < LARGEST_DEPTH:
            depth *= 2  # costs are many times epsilon: a plan of few entries, found among many
            entries = collect_entries(source, target, row, column, epsilon, depth, most)
            passes += 1
        dual = SparseDual(entries.indptr, entries.indices, entries.cost, groups, len(target), epsilon)
        state = dual.evaluate(column)
        state, taken = maximise(dual, state, tolerance / 2, limit=2 * entries.depth * epsilon)
        steps += taken
        error = float(np.abs(state.columns - 1 / len(target)).sum())
        first, row, column = row is None, state.row, state.column
        if first:
            most = MOST_PER_ROW
            continue
        if error > tolerance:
            continue  # stopped where other entries matter
        mass, error = whole_plan(source, target, row, column, epsilon)
        passes += 1
        if error <= tolerance:
            plan = state.plan()
            return EntropicPlan(plan, float(plan.data @ entries.cost), error, steps, passes)
        if mass - 1 > tolerance / 4 and error < 4 * (mass - 1):  # nothing but what was left out
            depth, most = entries.depth + 2, 2 * most
    raise UnconvergedError(
        f"the transport plan between {len(row)} and {len(column)} samples did not converge at epsilon {epsilon:g}: "
        f"its marginals are off by {error:.2g} (allowed: {tolerance:g}) after {steps} Newton steps. Use the exact "
        "plan (epsilon=None), fewer samples, or a larger epsilon."
    )
