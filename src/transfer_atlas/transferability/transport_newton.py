"""Maximising the dual of entropic transport on a sparse set of entries, by Newton steps in a trust region."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix

STEPS = 60  # Newton steps per collection of entries
INNER = 200  # conjugate gradient steps per Newton step
TINY = 1e-100  # a mass below this is none
SINKHORN = 5  # Sinkhorn iterations between Newton steps


@dataclass(frozen=True)
class DualState:
    """Potentials `row` f (n_s,) and `column` g (n_t,), the plan's entries (nnz,) with exact row sums, its column
    sums `columns` (n_t,), and the `value` of the dual at g.
    """

    row: np.ndarray
    column: np.ndarray
    plan: np.ndarray
    columns: np.ndarray
    value: float


@dataclass(frozen=True)
class SparseDual:
    """The dual in the column potentials g alone, over entries (i, j) in rows; weights 1/n_s and 1/n_t.

    D(g) = mean_i f_i(g) + mean_j g_j,    f_i(g) = -epsilon log 1/n_t sum_j exp((g_j - c_ij) / epsilon)
    grad D = 1/n_t - column sums;    Hessian = -1/epsilon (diag(column sums) - n_s P'P)
    """

    indptr: np.ndarray
    indices: np.ndarray
    cost: np.ndarray
    width: int
    epsilon: float

    def evaluate(self, column: np.ndarray) -> DualState:
        """The state at potentials g (n_t,), in the logarithmic domain."""
        starts, counts = self.indptr[:-1], np.diff(self.indptr)
        height = len(counts)
        scores = column[self.indices]
        scores -= self.cost
        scores /= self.epsilon
        top = np.maximum.reduceat(scores, starts)
        scores -= np.repeat(top, counts)
        plan = np.exp(scores, out=scores)
        sums = np.add.reduceat(plan, starts)
        plan *= np.repeat(1 / (height * sums), counts)
        row = -self.epsilon * (top + np.log(sums) - np.log(self.width))
        columns = np.bincount(self.indices, weights=plan, minlength=self.width)
        return DualState(row, column, plan, columns, float(row.mean() + column.mean()))

    def matrix(self, state: DualState) -> csr_matrix:
        """The plan (n_s, n_t)."""
        return csr_matrix((state.plan, self.indices, self.indptr), shape=(len(self.indptr) - 1, self.width))


def maximise(dual: SparseDual, state: DualState, tolerance: float, limit: float) -> tuple[DualState, int]:
    """Raise the dual until the column sums are off by at most `tolerance` in sum, or a potential moved by `limit`.

    (Beyond `limit`, entries that were not collected could matter.) Returns the state and the Newton steps taken.
    """
    radius = 4 * dual.epsilon
    start = state.column
    for step in range(STEPS):
        state = _sinkhorn(dual, state)
        if _error(state) <= tolerance or _moved(state.column - start) > limit:
            return state, step
        direction, expected, edge = _newton_step(dual, state, radius, tolerance)
        trial = dual.evaluate(state.column + direction)
        ratio = (trial.value - state.value) / expected if expected > 0 else 0.0
        if ratio > 0.1:
            state = trial
        radius = radius * 2 if ratio > 0.7 and edge else radius / 3 if ratio < 0.3 else radius
        if radius < 1e-6 * dual.epsilon:
            break
    return state, STEPS


def _error(state: DualState) -> float:
    return float(np.abs(state.columns - 1 / len(state.columns)).sum())


def _moved(change: np.ndarray) -> float:
    """Largest change of a potential, but for a common one, which changes nothing."""
    return float(np.abs(change - np.median(change)).max())


def _sinkhorn(dual: SparseDual, state: DualState) -> DualState:
    """A few Sinkhorn iterations by scaling the present plan."""
    plan = dual.matrix(state)
    turned = plan.T.tocsr()
    height, width = plan.shape
    left = np.ones(height)
    for _ in range(SINKHORN):
        right = 1 / (width * np.maximum(turned @ left, TINY))
        left = 1 / (height * np.maximum(plan @ right, TINY))
    masses = turned @ left
    reached = masses > TINY
    raised = state.column + dual.epsilon * np.log(1 / (width * np.where(reached, masses, 1)))
    if not reached.all():  # below what floating point holds: the hard minimum over rows of c_ij - f_i instead
        height_of = np.full(width, np.inf)
        np.minimum.at(height_of, dual.indices, dual.cost - np.repeat(state.row, np.diff(dual.indptr)))
        raised = np.where(reached, raised, height_of)
    return dual.evaluate(raised)


def _newton_step(
    dual: SparseDual, state: DualState, radius: float, tolerance: float
) -> tuple[np.ndarray, float, bool]:
    """Steihaug's conjugate gradients: direction, expected rise, whether it ends on the edge of the region.

    Variables are g / sqrt(n_t), so that the radius bounds the root mean square change of the potentials.
    """
    plan = dual.matrix(state)
    turned = plan.T.tocsr()
    height, width = plan.shape
    scale = np.sqrt(width)
    gradient = (1 / width - state.columns) * scale
    gradient -= gradient.mean()

    def curvature(vector: np.ndarray) -> np.ndarray:
        product = state.columns * vector - height * (turned @ (plan @ vector))
        return product * (width / dual.epsilon)

    position = np.zeros(width)
    residual = gradient.copy()
    direction = residual.copy()
    length = residual @ residual
    goal = length * min(0.01, np.sqrt(length) * scale) ** 2
    for _ in range(INNER):
        bent = curvature(direction)
        curve = direction @ bent
        advance = length / curve if curve > 0 else np.inf
        if not np.isfinite(advance) or np.linalg.norm(position + advance * direction) >= radius:
            position = position + _to_edge(position, direction, radius) * direction
            expected = gradient @ position - position @ curvature(position) / 2
            return position * scale, float(expected), True
        position += advance * direction
        residual -= advance * bent
        following = residual @ residual
        if following <= goal:
            break
        direction = residual + (following / length) * direction
        length = following
    expected = gradient @ position - position @ curvature(position) / 2
    return position * scale, float(expected), False


def _to_edge(position: np.ndarray, direction: np.ndarray, radius: float) -> float:
    """The positive t with |position + t direction| = radius."""
    a, b = direction @ direction, position @ direction
    c = position @ position - radius**2
    return float((-b + np.sqrt(max(b * b - a * c, 0))) / a)
