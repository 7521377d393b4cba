"""Entropic transport whose plan can be differentiated: of batches of some hundred samples, in torch.

The plan is solved for in float64 (Sinkhorn's iteration, with Newton steps where that is slow), and differentiated by
the implicit function theorem at the solution: exact whatever the number of iterations was, and nothing of them is kept.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from transfer_atlas.transferability.arrays import MetricInputError, UnconvergedError

TOLERANCE = 1e-7  # of the marginals: sum of absolute errors
ROUNDS = 60  # of `SINKHORN_STEPS` steps and a Newton step
SINKHORN_STEPS = 20
LARGEST_SCALING = 1e30  # beyond it scalings are taken into the potentials
ANNEALED = 100.0  # largest cost in units of epsilon that needs no start from a larger epsilon
LONGEST_STEP = 5.0  # of Newton's, in units of epsilon
CONJUGATE_STEPS = 40  # of the derivative: more cost more than solving at once
CONJUGATE_TOLERANCE = 1e-12
RIDGE = (
    1e-12  # relative to the marginal: plans that are all but permutations leave their potentials undetermined
)


def entropic_coupling(
    cost: Tensor, epsilon: float, *, tolerance: float = TOLERANCE, rounds: int = ROUNDS
) -> Tensor:
    """The plan (n, m) float64 that minimises sum c p + epsilon sum p log p with uniform marginals; differentiable.

    cost (n, m) of any floating type; gradients come back in it. Raises MetricInputError for a cost that is not
    finite or an epsilon that is not positive, UnconvergedError where marginals are off by more than `tolerance`.
    """
    if cost.ndim != 2 or not cost.numel():
        raise MetricInputError(f"cost has shape {tuple(cost.shape)}; expected (n, m) with n and m above 0.")
    if not epsilon > 0:
        raise MetricInputError(f"epsilon is {epsilon}; expected a positive number.")
    if not bool(torch.isfinite(cost.detach()).all()):
        raise MetricInputError("the cost holds values that are not finite; features diverged.")
    return _Coupling.apply(cost.double(), epsilon, tolerance, rounds)


def squared_distances(source: Tensor, target: Tensor) -> Tensor:
    """|x_i - y_j|^2 (n, m) of features (n, d) and (m, d), never below 0."""
    centre = source.detach().mean(dim=0)
    x, y = source - centre, target - centre
    return ((x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T).clamp(min=0)


def task_difference(
    source_features: Tensor,
    source_labels: Tensor,
    target_features: Tensor,
    target_labels: Tensor,
    *,
    epsilon: float = 0.1,
    relative: bool = True,
    tolerance: float = TOLERANCE,
) -> Tensor:
    """W_T = H(Y_t | Y_s) in nats under the entropic plan, differentiable in the features (Tan et al. 2021, eq. 4 to 7).

    Raises MetricInputError, UnconvergedError.

    Parameters
    ----------
    source_features, target_features
        (n, d) and (m, d).
    source_labels, target_labels
        (n,) and (m,) integers; any numbers, of which only equality counts.
    epsilon
        Of the transport.
    relative
        Whether epsilon is in units of the mean cost, whose gradient counts: W_T then does not change with the scale of
        the features, so that it cannot be lowered by making them larger. Else in units of the cost, as the score has
        it: where costs are many times epsilon the plan is all but a permutation, and gradients vanish.
    """
    if source_features.shape[1] != target_features.shape[1]:
        raise MetricInputError(
            f"source features have {source_features.shape[1]} dimensions, target features "
            f"{target_features.shape[1]}; take both from the source model."
        )
    cost = squared_distances(source_features.double(), target_features.double())
    if relative:
        mean = cost.mean()
        if not bool(mean.detach() > 0):
            raise MetricInputError("all features are the same; there is no cost to compare epsilon with.")
        cost = cost / mean
    plan = entropic_coupling(cost, epsilon, tolerance=tolerance)
    return conditional_entropy_of(plan, source_labels, target_labels)


def conditional_entropy_of(plan: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """H(label of the column | label of the row) in nats of a plan (n, m); labels (n,) and (m,) integers."""
    first, second = (_one_hot(labels, plan) for labels in (rows, columns))
    joint = first.T @ plan @ second
    joint = joint / joint.sum()
    smallest = torch.finfo(joint.dtype).tiny
    share = joint.sum(dim=1)
    return (
        (share * share.clamp(min=smallest).log()).sum() - (joint * joint.clamp(min=smallest).log()).sum()
    ).clamp(min=0)


def _one_hot(labels: Tensor, like: Tensor) -> Tensor:
    codes = torch.unique(labels, return_inverse=True)[1].to(like.device)
    return torch.nn.functional.one_hot(codes).to(like.dtype)


class _Coupling(torch.autograd.Function):
    """The plan of a cost, and the derivative of a loss by the cost from that by the plan.

    With dP = P (df_i + dg_j - dC) / epsilon and marginals that stay, a loss with dL/dP = G has
    dL/dC = P (u_i + v_j - G) / epsilon, where (u, v) solve diag(a) u + P v = (P G) 1, P' u + diag(b) v = (P G)' 1.
    """

    @staticmethod
    def forward(ctx: Any, cost: Tensor, epsilon: float, tolerance: float, rounds: int) -> Tensor:
        plan = solved(cost, epsilon, tolerance, rounds)
        ctx.save_for_backward(plan)
        ctx.epsilon = epsilon
        return plan

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (plan,) = ctx.saved_tensors
        weighed = plan * gradient
        rows, columns = weighed.sum(dim=1), weighed.sum(dim=0)
        height = plan.shape[0]
        scaled = plan * height  # diag(1 / a) P
        right = _solved_by_steps(scaled, plan, columns - scaled.T @ rows)
        left = height * rows - scaled @ right
        found = (left[:, None] + right[None]).sub_(gradient).mul_(plan).div_(ctx.epsilon)
        return found, None, None, None


def _solved_by_steps(scaled: Tensor, plan: Tensor, wanted: Tensor) -> Tensor:
    """As `_solve` by conjugate gradients, which need few products where the plan mixes well; else by `_solve` itself.

    scaled: the plan over its rows' sums.
    """
    width = plan.shape[1]
    found = torch.zeros_like(wanted)
    residual, goal = wanted.clone(), CONJUGATE_TOLERANCE * float(wanted.norm())
    direction, square = residual.clone(), float(residual @ residual)
    for _ in range(CONJUGATE_STEPS):
        if square**0.5 <= goal:
            return found
        image = direction / width - plan.T @ (scaled @ direction)
        curvature = float(direction @ image)
        if curvature <= 0:
            break
        found = found + square / curvature * direction
        residual = residual - square / curvature * image
        after = float(residual @ residual)
        direction, square = residual + after / square * direction, after
    return _solve(plan, wanted)


def _solve(plan: Tensor, wanted: Tensor) -> Tensor:
    """x (m,) with (diag(b) - P' diag(1/a) P) x = wanted, of mean 0; `wanted` sums to 0, as all that is asked does."""
    height, width = plan.shape
    matrix = plan.T @ plan
    matrix.mul_(-height).add_(
        1 / width**2
    )  # the constant vector is in the kernel: it is given a value of its own
    matrix.diagonal().add_(plan.sum(dim=0) + RIDGE / width)
    factor, failed = torch.linalg.cholesky_ex(matrix)
    if int(failed):
        matrix.diagonal().add_(1e-9 / width)
        factor, failed = torch.linalg.cholesky_ex(matrix)
        if int(failed):
            raise UnconvergedError("the transport plan is too near to a permutation to be differentiated.")
    return torch.cholesky_solve(wanted[:, None], factor)[:, 0]


@torch.no_grad()
def solved(cost: Tensor, epsilon: float, tolerance: float, rounds: int) -> Tensor:
    """The plan (n, m) of a cost (n, m) float64. Raises UnconvergedError."""
    height, width = cost.shape
    row, column = cost.min(dim=1).values, cost.new_zeros(width)
    largest = float(cost.max() - cost.min())
    step = largest
    while step > ANNEALED * epsilon:  # a start near the solution, from larger epsilons
        row, column = _in_logarithms(cost, row, column, step)
        step /= 4
    error = float("inf")
    for number in range(rounds):
        kernel = ((row[:, None] + column[None] - cost) / epsilon).exp_().div_(height * width)
        left, right = _scalings(kernel)
        if left is None or right is None:
            row, column = _in_logarithms(cost, row, column, epsilon)
            continue
        row, column = row + epsilon * left.log(), column + epsilon * right.log()
        plan = kernel.mul_(left[:, None]).mul_(right)
        error = _error(plan)
        if error <= tolerance:
            return plan
        if number:  # Sinkhorn's steps alone would do for an easy one
            row, column, plan, error = _newton(cost, row, column, plan, epsilon, error)
            if error <= tolerance:
                return plan
    raise UnconvergedError(
        f"the transport plan between {height} and {width} samples did not converge at epsilon {epsilon:g}: its "
        f"marginals are off by {error:.2g} (allowed: {tolerance:g}) after {rounds} rounds. Use a larger epsilon, or "
        "fewer samples."
    )


def _in_logarithms(cost: Tensor, row: Tensor, column: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """One step of Sinkhorn's iteration that no size of the costs can hurt."""
    size = torch.tensor(float(cost.shape[0]), dtype=cost.dtype, device=cost.device)
    row = _rows(cost, column, epsilon)
    column = epsilon * (size.log() - torch.logsumexp((row[:, None] - cost) / epsilon, dim=0))
    return row, column


def _scalings(kernel: Tensor) -> tuple[Tensor | None, Tensor | None]:
    """Scalings (n,), (m,) after some steps of the plain iteration; None, None where they leave what floats hold."""
    height, width = kernel.shape
    right = kernel.new_ones(width)
    for _ in range(SINKHORN_STEPS):
        left = 1 / (height * (kernel @ right))
        right = 1 / (width * (kernel.T @ left))
    both = torch.cat([left, right])
    usable = torch.isfinite(both).all() & (both < LARGEST_SCALING).all() & (both > 1 / LARGEST_SCALING).all()
    return (left, right) if bool(usable) else (None, None)


def _error(plan: Tensor) -> float:
    """Sum of the absolute errors of both marginals."""
    rows = (plan.sum(dim=1) - 1 / plan.shape[0]).abs().sum()
    columns = (plan.sum(dim=0) - 1 / plan.shape[1]).abs().sum()
    return float(rows + columns)


def _newton(
    cost: Tensor, row: Tensor, column: Tensor, plan: Tensor, epsilon: float, error: float
) -> tuple[Tensor, Tensor, Tensor, float]:
    """A Newton step on the columns' potentials, halved until marginals are nearer or the dual is higher; else
    all as it was.

    Where clusters are all but apart the dual is flat along their common potentials, and steps would be out of all
    proportion: they are cut to where the exponentials of the model still mean something.
    """
    # Sinkhorn's steps end with the columns' marginals right; the dual of the columns' potentials has the rows' right
    best = _rows(cost, column, epsilon)
    base = ((best[:, None] + column[None] - cost) / epsilon).exp_().div_(cost.numel())
    error = min(error, _error(base))
    try:
        step = epsilon * _solve(base, 1 / base.shape[1] - base.sum(dim=0))
    except UnconvergedError:
        return row, column, plan, error
    longest = float(step.abs().max())
    if longest > LONGEST_STEP * epsilon:
        step = step * (LONGEST_STEP * epsilon / longest)
    here = float(best.mean() + column.mean())
    for _ in range(8):
        there = column + step
        across = _rows(cost, there, epsilon)
        tried = ((across[:, None] + there[None] - cost) / epsilon).exp_().div_(cost.numel())
        reached = _error(tried)
        # near the solution rounding hides what the dual gains
        if reached < error or float(across.mean() + there.mean()) > here:
            return across, there, tried, reached
        step = step / 2
    return row, column, plan, error


def _rows(cost: Tensor, column: Tensor, epsilon: float) -> Tensor:
    """The rows' best potentials (n,) for those of the columns (m,)."""
    size = torch.tensor(float(cost.shape[1]), dtype=cost.dtype, device=cost.device)
    return epsilon * (size.log() - torch.logsumexp((column[None] - cost) / epsilon, dim=1))
