"""Maximising the dual of entropic transport, by Newton steps in a trust region, with Sinkhorn steps between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from scipy.sparse import block_array, csr_matrix, diags_array
from scipy.sparse.linalg import splu

STEPS = 60  # Newton steps per collection of entries
INNER = 200  # conjugate gradient steps per Newton step
TINY = {np.dtype(np.float64): 1e-100, np.dtype(np.float32): 1e-30}  # a mass below this is none
DIRECT_PER_ROW = 12  # entries of a plan that is factorised
FOREST = 1e-10  # share of a row's mass that an entry of it has at least
RIDGE = 1e-9  # of column sums, relative to their mean
FAR = 30.0  # in units of epsilon: potentials that have moved further get a plan of their own
SINKHORN = 5  # Sinkhorn iterations between Newton steps
MOST_SINKHORN = 30  # the same, where they are all it takes


@dataclass(frozen=True)
class Base:
    """A plan (n_s, n_t), with exact row sums, and the potentials `row` f (n_s,) and `column` g (n_t,) it belongs to."""

    plan: csr_matrix | np.ndarray
    row: np.ndarray
    column: np.ndarray


@dataclass(frozen=True)
class DualState:
    """Potentials `row` f (n_s,) and `column` g (n_t,), their plan's column sums (n_t,), and the `value` of the dual.

    The plan, with exact row sums, is diag(left) base.plan diag(right). So potentials near those of the base cost two
    products with a sparse matrix, and no exponential of each of its entries.
    """

    row: np.ndarray
    column: np.ndarray
    columns: np.ndarray
    value: float
    base: Base
    left: np.ndarray
    right: np.ndarray


def state_near(base: Base, column: np.ndarray, epsilon: float) -> DualState:
    """The state of potentials g (n_t,) by scaling a plan whose potentials are not far from them."""
    height, plan = len(base.row), base.plan
    right = np.exp((column - base.column) / epsilon)
    sums = np.maximum(times(plan, right), TINY[plan.dtype])
    left = 1 / (height * sums)
    row = base.row - epsilon * np.log(height * sums)
    columns = right * times(plan.T, left)
    return DualState(row, column, columns, float(row.mean() + column.mean()), base, left, right)


def times(plan: csr_matrix | np.ndarray, vector: np.ndarray) -> np.ndarray:
    """plan @ vector in float64, with the plan read as it is held."""
    return (plan @ vector.astype(plan.dtype, copy=False)).astype(np.float64, copy=False)


@dataclass(frozen=True)
class SparseDual:
    """The dual in the column potentials g alone, over entries (i, j) in rows; weights 1/n_s and 1/n_t.

    D(g) = mean_i f_i(g) + mean_j g_j,    f_i(g) = -epsilon log 1/n_t sum_j exp((g_j - c_ij) / epsilon)
    grad D = 1/n_t - column sums;    Hessian = -1/epsilon (diag(column sums) - n_s P'P)

    groups (n_t,): numbers of groups of similar columns, for the solution of Newton's equations only.
    """

    indptr: np.ndarray
    indices: np.ndarray
    cost: np.ndarray
    groups: np.ndarray
    width: int
    epsilon: float
    precision: ClassVar[type] = np.float64  # in which the plan is held

    def evaluate(self, column: np.ndarray, near: DualState | None = None) -> DualState:
        """The state at potentials g (n_t,), from the base of a state nearby if there is one."""
        if near is None or np.abs(column - near.base.column).max() > FAR * self.epsilon:
            return state_near(self._base(column), column, self.epsilon)
        return state_near(near.base, column, self.epsilon)

    def _base(self, column: np.ndarray) -> Base:
        """The plan of potentials g (n_t,), in the logarithmic domain."""
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
        return Base(csr_matrix((plan, self.indices, self.indptr), shape=(height, self.width)), row, column)

    def raised(self, row: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """min_i (c_ij - f_i) of the given columns j."""
        least = np.full(self.width, np.inf)
        np.minimum.at(least, self.indices, self.cost - np.repeat(row, np.diff(self.indptr)))
        return least[columns]

    def shares(self, state: DualState) -> tuple[np.ndarray, np.ndarray]:
        """Sums of squares of the plan's columns (n_t,), and each row's mass in each group of columns (n_s, groups)."""
        plan = self.plan(state)
        (height, width), groups = plan.shape, int(self.groups.max()) + 1
        squares = np.bincount(plan.indices, weights=plan.data**2, minlength=width)
        rows = np.repeat(np.arange(height) * groups, np.diff(plan.indptr))
        shares = np.bincount(rows + self.groups[plan.indices], weights=plan.data, minlength=height * groups)
        return squares, shares.reshape(height, groups)

    def plan(self, state: DualState) -> csr_matrix:
        """The plan (n_s, n_t) of a state."""
        stored = state.base.plan
        entries = stored.data * state.right[stored.indices]
        entries *= np.repeat(state.left, np.diff(stored.indptr))
        return csr_matrix((entries, stored.indices, stored.indptr), shape=stored.shape)


class Dual(Protocol):
    """What `maximise` asks of the dual: `SparseDual`, or `DenseDual` of `dense.py`."""

    groups: np.ndarray
    epsilon: float

    @property
    def precision(self) -> type:
        """In which the plan is held."""
        ...

    def evaluate(self, column: np.ndarray, near: DualState | None = None) -> DualState:
        """The state at potentials g (n_t,)."""
        ...

    def raised(self, row: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """min_i (c_ij - f_i) of columns j."""
        ...

    def shares(self, state: DualState) -> tuple[np.ndarray, np.ndarray]:
        """Squares of the plan's columns, masses of rows in groups."""
        ...


def maximise(dual: Dual, state: DualState, tolerance: float, limit: float = np.inf) -> tuple[DualState, int]:
    """Raise the dual until the column sums are off by at most `tolerance` in sum, or a potential moved by `limit`.

    (Beyond `limit`, entries that were not collected could matter.) Returns the state and the Newton steps taken; at
    most STEPS, fewer where rounding lets nothing rise any more.
    """
    radius = 4 * dual.epsilon
    start, factorise = state.column, True
    for step in range(STEPS):
        state = _sinkhorn(dual, state, tolerance)
        if column_error(state) <= tolerance or _moved(state.column - start) > limit:
            return state, step
        found = _direct_step(dual, state, radius) if factorise else None
        direction, expected, edge = found or _newton_step(dual, state, radius, tolerance)
        trial = dual.evaluate(state.column + direction, near=state)
        ratio = _ratio(state, trial, expected)
        if ratio > 0.1:
            state = trial
        factorise = ratio > 0.1 or not factorise  # what one solution gets wrong, the other may not
        radius = radius * 2 if ratio > 0.7 and edge else radius / 3 if ratio < 0.3 else radius
        if radius < 1e-6 * dual.epsilon:
            return state, step + 1
    return state, STEPS


def column_error(state: DualState) -> float:
    """Sum of |column sums - 1/n_t|."""
    return float(np.abs(state.columns - 1 / len(state.columns)).sum())


def _ratio(state: DualState, trial: DualState, expected: float) -> float:
    """Rise of the dual by that expected. Where that drowns in the rounding of potentials, what counts is the error."""
    rounding = np.finfo(np.float64).eps * float(np.abs(state.row).mean() + np.abs(state.column).mean())
    if expected <= 10 * rounding:
        return 1.0 if column_error(trial) < column_error(state) else 0.0
    return (trial.value - state.value) / expected


def _moved(change: np.ndarray) -> float:
    """Largest change of a potential, but for a common one, which changes nothing."""
    return float(np.abs(change - np.median(change)).max())


def _sinkhorn(dual: Dual, state: DualState, tolerance: float) -> DualState:
    """Sinkhorn iterations by scaling the present plan.

    A few; more while each leaves at most half of the error; none once it is a tenth of `tolerance`.
    """
    plan = state.base.plan
    turned = plan.T  # by columns: turning it would cost as much as many products
    (height, width), tiny = plan.shape, TINY[plan.dtype]
    left, right, before = state.left, state.right, np.inf
    masses = times(turned, left)
    for step in range(MOST_SINKHORN):
        error = float(np.abs(right * masses - 1 / width).sum())
        if error <= tolerance / 10 or (step >= SINKHORN and error > before / 2):
            break
        right = 1 / (width * np.maximum(masses, tiny))
        left = 1 / (height * np.maximum(times(plan, right), tiny))
        masses, before = times(turned, left), error
    reached = masses > tiny
    raised = state.base.column + dual.epsilon * np.log(1 / (width * np.where(reached, masses, 1)))
    if not reached.all():  # below what floating point holds: the hard minimum over rows of c_ij - f_i instead
        raised[~reached] = dual.raised(state.row, np.flatnonzero(~reached))
    return dual.evaluate(raised, near=state)


def _direct_step(dual: Dual, state: DualState, radius: float) -> tuple[np.ndarray, float, bool] | None:
    """As `_newton_step`, by a sparse factorisation; None where the plan is not sparse enough for that.

    A plan far below its costs is a forest but for few entries, whose weak links conjugate gradients do not see. With
    A the entries above 1e-10 of a row's mass, r and c the sums of its rows and columns, the equations
    [diag(r) A; A' diag(c)] [-; g] = [0; gradient] fill in next to nothing.
    """
    base = state.base.plan
    if not isinstance(base, csr_matrix):
        return None
    height, width = base.shape
    data = base.data * state.right[base.indices] * np.repeat(state.left, np.diff(base.indptr))
    kept = np.flatnonzero(data > FOREST / height)
    if len(kept) > DIRECT_PER_ROW * height:
        return None
    rows = np.searchsorted(base.indptr, kept, side="right") - 1
    entries = csr_matrix((data[kept], (rows, base.indices[kept])), shape=base.shape)
    ridge = RIDGE / width
    own = diags_array(np.asarray(entries.sum(axis=1)).ravel() + ridge)
    other = diags_array(np.asarray(entries.sum(axis=0)).ravel() + ridge)
    system = block_array([[own, entries], [entries.T, other]], format="csc")
    gradient = 1 / width - state.columns
    gradient -= gradient.mean()
    right = np.concatenate([np.zeros(height), gradient * dual.epsilon])
    position = splu(system, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True}).solve(right)[height:]
    if not np.isfinite(position).all():
        return None
    position -= position.mean()
    length = float(np.sqrt((position**2).mean()))
    edge = length > radius
    if edge:
        position *= radius / length
    product = state.columns * position
    turned = base.T
    inner = state.left**2 * times(base, state.right * position)
    product -= height * state.right * times(turned, inner)
    expected = float(gradient @ position - position @ product / (2 * dual.epsilon))
    return (position, expected, edge) if expected > 0 else None


def _newton_step(
    dual: Dual, state: DualState, radius: float, tolerance: float
) -> tuple[np.ndarray, float, bool]:
    """Steihaug's conjugate gradients: direction, expected rise, whether it ends on the edge of the region.

    Variables are g / sqrt(n_t), so that the radius bounds the root mean square change of the potentials.
    """
    plan, left, right = state.base.plan, state.left, state.right
    turned = plan.T
    height, width = plan.shape
    scale = np.sqrt(width)
    gradient = (1 / width - state.columns) * scale
    gradient -= gradient.mean()
    if not gradient.any():
        return gradient, 0.0, False
    precondition = _preconditioner(dual, state)

    def curvature(vector: np.ndarray) -> np.ndarray:
        product = state.columns * vector
        product -= height * right * times(turned, left**2 * times(plan, right * vector))
        return product * (width / dual.epsilon)

    position = np.zeros(width)
    residual = gradient.copy()
    improved = precondition(residual)
    direction = improved.copy()
    length = residual @ improved
    goal = np.linalg.norm(residual) * min(0.01, np.linalg.norm(residual) * scale)
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
        if np.linalg.norm(residual) <= goal:
            break
        improved = precondition(residual)
        following = residual @ improved
        direction = improved + (following / length) * direction
        length = following
    expected = gradient @ position - position @ curvature(position) / 2
    return position * scale, float(expected), False


def _preconditioner(dual: Dual, state: DualState) -> Callable[[np.ndarray], np.ndarray]:
    """About the inverse of the curvature: of its diagonal, plus that among groups of columns.

    Mass moves slowly between clusters, and fast within them: what conjugate gradients would need a hundred steps for
    is a linear system as large as there are groups.
    """
    (height, width), groups = state.base.plan.shape, int(dual.groups.max()) + 1
    squares, shares = dual.shares(state)  # shares: of each row's mass that goes to each group
    unit = width / dual.epsilon
    diagonal = unit * np.maximum(
        state.columns - height * squares, 1e-3 * state.columns + TINY[np.dtype(np.float64)]
    )
    own = np.diag(np.bincount(dual.groups, weights=state.columns, minlength=groups))
    inverse = np.linalg.pinv(unit * (own - height * shares.T @ shares), rcond=1e-10, hermitian=True)

    def precondition(residual: np.ndarray) -> np.ndarray:
        summed = np.bincount(dual.groups, weights=residual, minlength=groups)
        improved = residual / diagonal + (inverse @ summed)[dual.groups]
        return improved - improved.mean()

    return precondition


def _to_edge(position: np.ndarray, direction: np.ndarray, radius: float) -> float:
    """The positive t with |position + t direction| = radius."""
    a, b = direction @ direction, position @ direction
    c = position @ position - radius**2
    return float((-b + np.sqrt(max(b * b - a * c, 0))) / a)
