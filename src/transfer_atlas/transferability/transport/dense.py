"""The dual of entropic transport where the plan is dense: many entries a row matter, because costs differ little."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from transfer_atlas.transferability.transport.blocks import largest_of_columns
from transfer_atlas.transferability.transport.costs import Costs
from transfer_atlas.transferability.transport.newton import FAR, Base, DualState, state_near

EXACT_ENTRIES = 16_000_000  # of a plan that is held in float64 (128 MB); a larger one in float32
BLOCK_ENTRIES = 8_000_000  # of a plan that is scaled at a time


@dataclass(frozen=True)
class DenseDual:
    """As `SparseDual`, with all entries (i, j) of the costs (n_s, n_t).

    4 n_s n_t bytes; 8 below 16 million entries. groups (n_t,): as there.
    """

    costs: Costs
    groups: np.ndarray
    epsilon: float

    @property
    def precision(self) -> type:
        """In which the plan is held. float32 tells marginals to about 1e-6."""
        return np.float64 if math.prod(self.costs.shape) <= EXACT_ENTRIES else np.float32

    def evaluate(self, column: np.ndarray, near: DualState | None = None) -> DualState:
        """The state at potentials g (n_t,), from the base of a state nearby if there is one."""
        if near is None or np.abs(column - near.base.column).max() > FAR * self.epsilon:
            return state_near(self._base(column), column, self.epsilon)
        return state_near(near.base, column, self.epsilon)

    def _base(self, column: np.ndarray) -> Base:
        """The plan of potentials g (n_t,), in the logarithmic domain, one pass over blocks of the costs."""
        height, width = self.costs.shape
        plan = np.empty((height, width), self.precision)
        row = np.empty(height)
        computed = np.float64 if plan.dtype == np.float64 else self.costs.precision_for(1e-4 * self.epsilon)
        for start, scores in self.costs.scores(column, self.epsilon, computed):
            part = slice(start, start + len(scores))
            top = scores.max(axis=1)
            scores -= top[:, None]
            np.exp(scores, out=scores)
            sums = scores.sum(axis=1, dtype=np.float64)
            scores *= (1 / (height * sums))[:, None].astype(scores.dtype)
            plan[part] = scores
            row[part] = -self.epsilon * (top + np.log(sums) - np.log(width))
        return Base(plan, row, column)

    def raised(self, row: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """min_i (c_ij - f_i) of the given columns j."""
        chosen = self.costs.of_columns(columns)
        rows, costs = largest_of_columns(chosen, row, np.zeros(len(columns)), self.epsilon)
        return costs - row[rows]

    def shares(self, state: DualState) -> tuple[np.ndarray, np.ndarray]:
        """Sums of squares of the plan's columns (n_t,), and each row's mass in each group of columns (n_s, groups)."""
        height, width = state.base.plan.shape
        members = np.zeros((width, int(self.groups.max()) + 1), state.base.plan.dtype)
        members[np.arange(width), self.groups] = 1
        squares, parts = np.zeros(width), []
        for start in range(0, height, max(1, BLOCK_ENTRIES // width)):
            block = scaled_rows(state, start)
            squares += np.einsum("ij,ij->j", block, block)
            parts.append((block @ members).astype(np.float64))
        return squares, np.concatenate(parts)

    def plan(self, state: DualState) -> np.ndarray:
        """The plan (n_s, n_t) of a state, in place of its base's."""
        plan = state.base.plan
        plan *= state.right.astype(plan.dtype)
        plan *= state.left[:, None].astype(plan.dtype)
        return plan


def scaled_rows(state: DualState, start: int) -> np.ndarray:
    """A block of rows of the plan, from `start` on."""
    plan = state.base.plan
    part = slice(start, start + max(1, BLOCK_ENTRIES // plan.shape[1]))
    return plan[part] * state.right.astype(plan.dtype) * state.left[part, None].astype(plan.dtype)
