"""The coupling that can be differentiated: against the exact solver of the scores, and its gradients numerically."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.transferability import otce
from transfer_atlas.transferability.arrays import MetricInputError, UnconvergedError
from transfer_atlas.transferability.transport.differentiable import (
    conditional_entropy_of,
    entropic_coupling,
    squared_distances,
    task_difference,
)


def clusters(
    n: int, d: int, classes: int, seed: int, shift: float = 0.0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = np.random.default_rng(seed)
    labels = np.arange(n) % classes
    centres = np.random.default_rng(99).normal(size=(classes, d)) * 1.5
    return (
        torch.from_numpy(centres[labels] + generator.normal(size=(n, d)) + shift),
        torch.from_numpy(labels),
    )


@pytest.mark.parametrize("epsilon", [1.0, 0.1, 0.03])
@pytest.mark.parametrize("relative", [True, False])
def test_gradients_are_those_of_differences(epsilon, relative):
    (x, a), (y, b) = clusters(8, 3, 3, 0), clusters(10, 3, 2, 1, 0.5)
    x, y = (0.5 * x).requires_grad_(), (0.5 * y).requires_grad_()

    def loss(x, y):
        return task_difference(x, a, y, b, epsilon=epsilon, relative=relative, tolerance=1e-10)

    assert torch.autograd.gradcheck(loss, (x, y), eps=1e-5, atol=1e-5, fast_mode=True)


def test_gradients_of_a_large_coupling_are_those_of_differences_along_a_direction():
    """Above some hundred samples conjugate gradients and the Newton steps are at work."""
    (x, a), (y, b) = clusters(150, 8, 5, 0), clusters(120, 8, 4, 1, 0.5)
    x.requires_grad_()
    direction = torch.from_numpy(np.random.default_rng(3).normal(size=x.shape))

    def loss(at):
        return task_difference(at, a, y, b, epsilon=0.03, tolerance=1e-11)

    loss(x).backward()
    step = 1e-5
    with torch.no_grad():
        slope = (loss(x + step * direction) - loss(x - step * direction)) / (2 * step)
    assert float((x.grad * direction).sum()) == pytest.approx(float(slope), rel=1e-5)


@pytest.mark.parametrize("epsilon", [0.5, 0.1])
def test_w_t_is_that_of_the_score(epsilon):
    (x, a), (y, b) = clusters(120, 6, 5, 0), clusters(90, 6, 3, 1, 0.3)
    x, y = 0.3 * x, 0.3 * y
    found = float(task_difference(x, a, y, b, epsilon=epsilon, relative=False))
    assert found == pytest.approx(
        otce(x.numpy(), a.numpy(), y.numpy(), b.numpy(), epsilon=epsilon).task_difference, abs=2e-4
    )


def test_two_samples_of_either_side_by_hand():
    """Costs 0 and 1: the plan is 1/2 softmax; W_T the binary entropy of its share."""
    cost = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    plan = entropic_coupling(cost, 0.5)
    share = 1 / (1 + np.exp(-2))
    assert plan.numpy() == pytest.approx(np.array([[share, 1 - share], [1 - share, share]]) / 2)
    labels = torch.tensor([0, 1])
    binary = -share * np.log(share) - (1 - share) * np.log(1 - share)
    assert float(conditional_entropy_of(plan, labels, labels)) == pytest.approx(binary)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.02, 5), st.integers(0, 10_000))
def test_marginals_are_uniform_and_scale_does_not_matter(rows, columns, epsilon, seed):
    generator = np.random.default_rng(seed)
    x, y = (torch.from_numpy(generator.normal(size=(n, 3))) for n in (rows, columns))
    plan = entropic_coupling(squared_distances(x, y), epsilon)
    assert plan.sum(1).numpy() == pytest.approx(np.full(rows, 1 / rows), abs=1e-6)
    assert plan.sum(0).numpy() == pytest.approx(np.full(columns, 1 / columns), abs=1e-6)
    a, b = torch.arange(rows) % 2, torch.arange(columns) % 3
    cost = squared_distances(x, y)
    if float(cost.mean()) > 1e-9:
        first, second = (float(task_difference(s * x, a, s * y, b, epsilon=epsilon)) for s in (1, 1000))
        assert first == pytest.approx(second, abs=1e-5)


def test_a_step_downhill_lowers_w_t():
    (x, a), (y, b) = clusters(60, 5, 3, 0), clusters(60, 5, 3, 1, 1.0)
    weight = torch.eye(5, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.Adam([weight], lr=0.05)
    values = []
    for _ in range(15):
        loss = task_difference(x @ weight, a, y @ weight, b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(float(loss))
    assert values[-1] < values[0] - 0.05


def test_what_does_not_converge_is_no_number():
    """Costs of some thousand epsilon, and one round allowed."""
    (x, _), (y, _) = clusters(60, 64, 5, 0), clusters(60, 64, 5, 1)
    with pytest.raises(
        UnconvergedError, match=r"did not converge at epsilon 0\.01: its marginals are off by"
    ):
        entropic_coupling(squared_distances(10 * x, 10 * y), 0.01, rounds=1)


@pytest.mark.parametrize(
    ("cost", "epsilon", "said"),
    [
        (torch.tensor([[1.0, float("nan")]]), 0.1, "not finite"),
        (torch.ones(2, 2), 0.0, "expected a positive number"),
        (torch.ones(0, 2), 0.1, "expected .n, m. with n and m above 0"),
    ],
)
def test_bad_input_is_named(cost, epsilon, said):
    with pytest.raises(MetricInputError, match=said):
        entropic_coupling(cost, epsilon)


def test_features_that_are_all_the_same_have_no_scale():
    same, labels = torch.ones(4, 2), torch.tensor([0, 1, 0, 1])
    with pytest.raises(MetricInputError, match="all features are the same"):
        task_difference(same, labels, same, labels)
    with pytest.raises(MetricInputError, match="take both from the source model"):
        task_difference(same, labels, torch.ones(4, 3), labels)


def test_clusters_that_are_all_but_apart_converge_and_their_gradients_are_right():
    """7 and 5 of 12 on the one side, 2 and 2 on the other, exp(-20) between: the dual is flat along the clusters."""
    generator = np.random.default_rng(0)
    first = np.repeat([[0.0, 0.0], [1.0, 1.0]], [7, 5], axis=0) + 0.01 * generator.normal(size=(12, 2))
    second = np.repeat([[0.0, 0.0], [1.0, 1.0]], [2, 2], axis=0) + 0.01 * generator.normal(size=(4, 2))
    x, y = (torch.from_numpy(side).requires_grad_() for side in (first, second))
    a, b = torch.arange(12) % 2, torch.tensor([0, 0, 1, 1])
    plan = entropic_coupling(squared_distances(x, y) / squared_distances(x, y).mean(), 0.1, tolerance=1e-10)
    assert plan.sum(0).detach().numpy() == pytest.approx(np.full(4, 0.25))
    assert torch.autograd.gradcheck(
        lambda x, y: task_difference(x, a, y, b, tolerance=1e-11), (x, y), eps=1e-6, atol=1e-5, fast_mode=True
    )
