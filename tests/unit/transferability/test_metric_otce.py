"""OTCE: goldens, POT, properties of the plan, refusal of unconverged plans, fitted coefficients."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import ot
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metric_examples import golden, seeds
from scipy.special import logsumexp

from transfer_atlas.transferability import (
    MetricInputError,
    UnconvergedError,
    UndefinedError,
    fit_coefficients,
    leave_one_target_out,
    otce,
)
from transfer_atlas.transferability.leep import conditional_entropy
from transfer_atlas.transferability.transport.costs import Costs
from transfer_atlas.transferability.transport.exact import exact_plan
from transfer_atlas.transferability.transport.plan import entropic_plan

sys.path.append(str(Path(__file__).parents[3] / "benchmarks"))
import transport_fuzz


def sides(arrays: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    return tuple(arrays[name] for name in ("Xs", "ys", "Xt", "yt"))


def clusters(seed: int, n: int, m: int, d: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Pixels of five classes on either side, in unequal shares."""
    generator = np.random.default_rng(seed)
    means = generator.standard_normal((5, d))
    source = generator.choice(5, n, p=[0.4, 0.3, 0.1, 0.1, 0.1])
    target = generator.choice(5, m)
    moved = means + 0.3 * generator.standard_normal((5, d))
    return (
        means[source] + 0.4 * generator.standard_normal((n, d)),
        source,
        moved[target] + 0.4 * generator.standard_normal((m, d)),
        target,
    )


def test_converged_golden():
    arrays, expected = golden("ot_small")
    result = otce(*sides(arrays), tolerance=1e-5)
    reference = expected["POT/sinkhorn(knopp)_reg0.1"]
    assert result.task_difference == pytest.approx(reference["CE"], abs=1e-5)
    assert result.domain_difference == pytest.approx(reference["linear_cost"], rel=1e-5)
    assert result.score == -result.task_difference
    assert result.marginal_error <= 1.1e-5


def test_golden_whose_references_had_not_converged():
    # POT needed 20,000 iterations for this accuracy; its default of 1000 says 0.4207
    arrays, expected = golden("ot_mid")
    result = otce(*sides(arrays))
    assert result.task_difference == pytest.approx(expected["POT/sinkhorn(knopp)_reg0.1"]["CE"], abs=1e-3)
    assert result.marginal_error < 1e-3


@pytest.mark.parametrize("case", ["ot_small", "ot_mid"])
def test_exact_goldens(case):
    arrays, expected = golden(case)
    result = otce(*sides(arrays), epsilon=None)
    reference = expected["tanyang1231_OTCE_CVPR21/demo(ot.emd, no eps)"]
    assert result.domain_difference == pytest.approx(reference["W_D_emd_sqeucl"], rel=1e-6)
    assert result.task_difference == pytest.approx(reference["CE"], abs=1e-6)


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(30, 120), st.integers(30, 120))
def test_plan_is_pots(seed, n, m):
    source, ys, target, yt = clusters(seed, n, m)
    cost = ot.dist(source, target)
    reference = ot.sinkhorn([], [], cost, 0.1, method="sinkhorn_log", numItermax=20_000, stopThr=1e-6)
    plan = entropic_plan(source, target, 0.1, tolerance=2e-5)
    np.testing.assert_allclose(plan.masses(np.eye(n), np.eye(m)), reference, atol=2e-5)
    assert plan.linear_cost == pytest.approx((reference * cost).sum(), rel=1e-4)
    joint = np.eye(5)[ys].T @ reference @ np.eye(5)[yt]
    result = otce(source, ys, target, yt, tolerance=2e-5)
    assert result.task_difference == pytest.approx(conditional_entropy(joint), abs=1e-3)


def test_marginals_of_the_plan_beyond_the_representatives():
    source, _, target, _ = clusters(0, 2500, 2100)
    found = entropic_plan(source.astype(np.float32), target.astype(np.float32), 0.1)
    np.testing.assert_allclose(found.plan.sum(axis=1), 1 / 2500, rtol=1e-9)
    assert found.marginal_error <= 1e-4
    assert np.abs(found.plan.sum(axis=0) - 1 / 2100).sum() <= 2e-4
    # the plan is of the form exp((f + g - c) / epsilon): log ratios of a 2 x 2 minor are those of the costs
    row = found.plan[0]
    first, second = row.indices[np.argsort(row.data)[-2:]]
    other = next(i for i in range(1, 2500) if found.plan[i, first] > 0 and found.plan[i, second] > 0)
    minor = found.plan[[0, other]][:, [first, second]].toarray()
    cost = ((source[[0, other], None] - target[None, [first, second]]) ** 2).sum(axis=2)
    ratio = np.log(minor[0, 0] * minor[1, 1] / (minor[0, 1] * minor[1, 0]))
    assert ratio == pytest.approx(-(cost[0, 0] + cost[1, 1] - cost[0, 1] - cost[1, 0]) / 0.1, abs=1e-3)


def test_costs_far_above_epsilon_and_more_samples_than_representatives():
    generator = np.random.default_rng(0)
    source = 3 * generator.standard_normal((1200, 8))
    target = 3 * generator.standard_normal((1100, 8))
    plan = entropic_plan(source, target, 0.1)
    assert plan.marginal_error <= 1e-4
    exact = ot.emd2(
        [], [], ot.dist(source, target), numItermax=1_000_000
    )  # median cost 130, 1300 times epsilon
    assert exact * (1 - 1e-4) < plan.linear_cost < exact + 0.1 * np.log(1200)


def test_repeated_samples_and_dead_features_are_transported():
    generator = np.random.default_rng(0)
    source, labels = np.repeat(generator.standard_normal((40, 8)), 5, axis=0), generator.integers(0, 3, 200)
    assert otce(source, labels, source, labels).domain_difference < 1e-2
    dead = otce(np.zeros((50, 4)), labels[:50], np.ones((60, 4)), labels[:60])
    assert dead.domain_difference == pytest.approx(4, rel=1e-9)


def test_a_plan_that_does_not_converge_is_no_number(monkeypatch):
    monkeypatch.setattr("transfer_atlas.transferability.transport.plan.ROUNDS", 1)
    monkeypatch.setattr("transfer_atlas.transferability.transport.newton.STEPS", 0)
    with pytest.raises(UnconvergedError, match=r"did not converge at epsilon 0\.1: its marginals are off by"):
        otce(*clusters(1, 300, 300))


def wide_apart(seed: int, n: int, d: int, scale: float, shift: float = 0.3) -> tuple[np.ndarray, ...]:
    """Normal features of both sides of this scale, with labels that mean nothing."""
    generator = np.random.default_rng(seed)
    first, second = generator.standard_normal((2, n, d)) * scale
    return first, generator.integers(0, 5, n), second + shift * scale, generator.integers(0, 5, n)


def sinkhorn(xs: np.ndarray, xt: np.ndarray, epsilon: float, passes: int = 2000) -> np.ndarray:
    """The plan by iterations in the logarithmic domain, until marginals are right to 1e-10."""
    cost = ot.dist(xs, xt)
    f, g = np.zeros(len(xs)), np.zeros(len(xt))
    for _ in range(passes):
        f = -epsilon * (logsumexp((g - cost) / epsilon, axis=1) - np.log(len(xt)))
        plan = np.exp((f[:, None] + g - cost) / epsilon) / cost.size
        if np.abs(plan.sum(axis=0) - 1 / len(xt)).sum() < 1e-10:
            return plan
        g = -epsilon * (logsumexp((f[:, None] - cost) / epsilon, axis=0) - np.log(len(xs)))
    raise AssertionError("the reference did not converge")


def entropy_of(plan: np.ndarray, ys: np.ndarray, yt: np.ndarray) -> float:
    return conditional_entropy(np.eye(ys.max() + 1)[ys].T @ plan @ np.eye(yt.max() + 1)[yt])


@pytest.mark.parametrize(
    ("n", "scale", "epsilon"), [(1200, 0.02, 0.1), (1200, 1.0, 10.0), (1200, 1.0, 100.0), (1100, 0.1, 0.1)]
)
def test_dense_plans_end(n, scale, epsilon):
    # more than a thousand entries a row above uniform: what looked for fewer never found them
    xs, ys, xt, yt = wide_apart(0, n, 16, scale)
    result = otce(xs, ys, xt, yt, epsilon=epsilon)
    plan = sinkhorn(xs, xt, epsilon)
    assert result.task_difference == pytest.approx(entropy_of(plan, ys, yt), abs=1e-4)
    assert result.domain_difference == pytest.approx((plan * ot.dist(xs, xt)).sum(), rel=1e-4)


def test_normalised_features_of_tight_classes_end():
    generator = np.random.default_rng(1)
    means = generator.standard_normal((5, 32))
    sides = []
    for size in (1300, 250):
        labels = generator.integers(0, 5, size)
        features = means[labels] + 0.05 * generator.standard_normal((size, 32))
        sides += [features / np.linalg.norm(features, axis=1, keepdims=True), labels]
    expected = transport_fuzz.reference(tuple(sides), 0.1)
    assert otce(*sides).task_difference == pytest.approx(expected, abs=1e-3)
    assert otce(*sides[2:], *sides[:2]).task_difference == pytest.approx(
        transport_fuzz.reference((*sides[2:], *sides[:2]), 0.1), abs=1e-3
    )


@pytest.mark.parametrize("n", [150, 400, 1100])
@pytest.mark.parametrize("epsilon", [0.1, None])
@pytest.mark.parametrize("constant", ["both", "source", "target"])
def test_collapsed_features_say_nothing_of_labels(n, epsilon, constant):
    xs, ys, xt, yt = wide_apart(2, n, 4, 1.0)
    xs = np.ones_like(xs) if constant != "target" else xs
    xt = np.ones_like(xt) if constant != "source" else xt
    result = otce(xs, ys, xt, yt, epsilon=epsilon)
    even = np.outer(np.bincount(ys), np.bincount(yt)) / n**2
    assert result.task_difference == pytest.approx(conditional_entropy(even), abs=1e-9)
    assert result.domain_difference == pytest.approx(((xs[:, None] - xt) ** 2).sum(axis=2).mean(), abs=1e-9)


@pytest.mark.parametrize(("d", "share"), [(2, 2 / 3), (16, 0.6)])
def test_many_equal_samples_among_others(d, share):
    generator = np.random.default_rng(0)
    xs, ys, xt, yt = wide_apart(0, 1000, d, 1.0)
    xs[: int(1000 * share)] = xs[0]
    order = generator.permutation(1000)
    xs, ys = xs[order], ys[order]
    result = otce(xs, ys, xt, yt, epsilon=0.3)
    expected = transport_fuzz.reference((xs, ys, xt, yt), 0.3)
    assert result.task_difference == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("n", [150, 700])
def test_small_errors_that_add_up_along_a_chain(n):
    # marginals right to 4e-5 left W_T = 0.0088 here; converged it is a tenth of that
    place = np.arange(n, dtype=float)[:, None]
    labels = np.arange(n) % 2
    assert otce(place, labels, place + 0.5, labels).task_difference == pytest.approx(0.00093, abs=1e-4)


def test_costs_far_beyond_epsilon_are_transported_exactly():
    xs, ys, xt, yt = wide_apart(3, 400, 16, 1e6)
    result, exact = otce(xs, ys, xt, yt), otce(xs, ys, xt, yt, epsilon=None)
    assert result == exact
    assert result.domain_difference == pytest.approx(ot.emd2([], [], ot.dist(xs, xt)), rel=1e-9)
    repeated = np.tile(xs[:40], (10, 1))
    shared = otce(repeated, ys, xt, yt)
    assert shared.task_difference > result.task_difference  # equal samples share their mass evenly


@pytest.mark.parametrize("apart", [0.0, 1e3])
def test_a_plan_from_candidates_is_the_least_of_all(monkeypatch, apart):
    xs, ys, xt, yt = wide_apart(4, 500, 8, 3.0)
    xs, xt = (
        xs + apart * np.eye(8)[ys],
        (xt + apart * np.eye(8)[yt])[:430],
    )  # clusters: each a problem of its own
    least = ot.emd2([], [], ot.dist(xs, xt))
    monkeypatch.setattr("transfer_atlas.transferability.transport.exact.COMPLETE_ENTRIES", 1000)
    monkeypatch.setattr("transfer_atlas.transferability.transport.coarse.REPRESENTATIVES", 50)
    found = exact_plan(xs, xt)
    assert least * (1 - 1e-12) < found.linear_cost < least * (1 + 1e-6)
    np.testing.assert_allclose(found.plan.sum(axis=1), 1 / 500, rtol=1e-9)
    slack = ot.dist(xs, xt) - found.row[:, None] - found.column
    assert slack.min() > -1e-2 * max(1, apart)
    monkeypatch.setattr("transfer_atlas.transferability.transport.exact.ROUNDS", 1)
    monkeypatch.setattr("transfer_atlas.transferability.transport.exact.CANDIDATES", 1)
    with pytest.raises(UnconvergedError, match="others could still save"):
        exact_plan(xs, xt)


@pytest.mark.parametrize("seed", range(40))
def test_problems_of_every_scale(seed):
    outcome, words, _ = transport_fuzz.check(seed, 120)
    assert outcome in ("right", "unconverged"), words


def test_most_problems_converge():
    outcomes = [transport_fuzz.check(seed, 40)[0] for seed in range(100, 140)]
    assert outcomes.count("right") >= 38


def test_identical_tasks_transfer_perfectly():
    source, ys, _, _ = clusters(2, 200, 10)
    exact = otce(10 * source, ys, 10 * source, ys, epsilon=None)
    assert (exact.domain_difference, exact.task_difference) == pytest.approx((0, 0), abs=1e-9)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((np.eye(3), np.arange(3), np.eye(4), np.arange(4)), "take both from the source model"),
        ((np.eye(3), np.arange(2), np.eye(3), np.arange(3)), "2 source_labels, but 3 rows"),
    ],
)
def test_bad_input_is_named(arguments, words):
    with pytest.raises(MetricInputError, match=words):
        otce(*arguments)
    with pytest.raises(MetricInputError, match="epsilon is -1; expected a positive"):
        otce(np.eye(3), np.arange(3), np.eye(3), np.arange(3), epsilon=-1)


@pytest.mark.parametrize(("n", "scale"), [(80, 1.0), (700, 3.0), (650, 0.05), (640, 1e6)])
def test_plans_of_tensors_are_those_of_arrays(n, scale):
    torch = pytest.importorskip("torch")
    xs, _, xt, _ = wide_apart(5, n, 6, scale)
    plain, tensors = entropic_plan(xs, xt, 0.1), entropic_plan(torch.tensor(xs), torch.tensor(xt), 0.1)
    assert tensors.linear_cost == pytest.approx(plain.linear_cost, rel=1e-6)
    first, second = np.eye(3)[np.arange(n) % 3], np.eye(4)[np.arange(n) % 4]
    np.testing.assert_allclose(tensors.masses(first, second), plain.masses(first, second), atol=1e-5)


def test_a_single_class_of_the_target_is_undefined():
    source, ys, target, yt = clusters(1, 60, 50)
    for epsilon in (0.1, None):
        with pytest.raises(UndefinedError, match="OTCE compares classes"):
            otce(source, ys, target, np.zeros_like(yt), epsilon=epsilon)
        assert otce(source, np.zeros_like(ys), target, yt, epsilon=epsilon).task_difference > 1


def transfers() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    table = pd.DataFrame({"target": np.repeat(["a", "b", "c"], 4)})
    table["domain_difference"] = 1000 * generator.random(12)
    table["task_difference"] = generator.random(12)
    table["performance"] = 0.9 - 2e-4 * table["domain_difference"] - 0.3 * table["task_difference"]
    return table


def test_coefficients_are_found_again():
    table = transfers()
    found = fit_coefficients(table["domain_difference"], table["task_difference"], table["performance"])
    assert (found.domain, found.task, found.intercept) == pytest.approx((-2e-4, -0.3, 0.9), rel=1e-9)


def test_leave_one_target_out_does_not_look_at_the_target():
    table = transfers()
    scores = leave_one_target_out(table)
    pd.testing.assert_series_equal(scores["score"], table["performance"], check_names=False)
    spoilt = table.assign(performance=table["performance"].where(table["target"] != "b", 17.0))
    again = leave_one_target_out(spoilt)
    own = table["target"] == "b"
    pd.testing.assert_series_equal(again["score"][own], scores["score"][own])
    assert not np.allclose(again["score"][~own], scores["score"][~own])
    assert (scores["fitted_on"] == 8).all()


def test_a_constant_difference_gets_no_coefficient():
    found = fit_coefficients(np.array([5.0, 5, 5]), np.array([1.0, 2, 3]), np.array([3.0, 2, 1]))
    assert (found.domain, found.task, found.intercept) == pytest.approx((0, -1, 4))


def test_bad_transfers_are_named():
    with pytest.raises(MetricInputError, match="need at least 3"):
        fit_coefficients(np.ones(2), np.ones(2), np.ones(2))
    with pytest.raises(MetricInputError, match="lack the columns performance"):
        leave_one_target_out(transfers().drop(columns="performance"))
    with pytest.raises(MetricInputError, match="for a need 3 transfers to other targets; found 0"):
        leave_one_target_out(transfers().head(4))


def far_clusters(seed: int, n: int, m: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Two clusters of samples in 120 dimensions, centred, whose distance is a million times `spacing` within."""
    generator = np.random.default_rng(seed)
    sides = []
    for size in (n, m):
        places = 1e6 * spacing * np.where(np.arange(size) % 2, 1.0, -1.0)[:, None]
        sides.append(places * np.eye(1, 120) + spacing * generator.standard_normal((size, 120)))
    return sides[0], sides[1]


def test_costs_from_products_that_are_held_keep_their_digits():
    source, target = far_clusters(0, 60, 50, 1e-3)
    rows, columns = (each.ravel() for each in np.indices((60, 50)))
    held = Costs(source, target)
    for costs in (held.turned().turned(), held):
        direct = ((source[rows] - target[columns]) ** 2).sum(axis=1)
        np.testing.assert_allclose(costs.between(rows, columns), direct, rtol=1e-9)
    assert held._held  # or nothing was tested
    np.testing.assert_array_equal(
        Costs(source[:, :9], target[:, :9]).between(rows, columns).shape, rows.shape
    )


@pytest.mark.parametrize("precision", [np.float32, np.float64])
def test_turned_scores_are_those_of_exchanged_sides(precision):
    generator = np.random.default_rng(1)
    source, target = generator.standard_normal((70, 120)), generator.standard_normal((45, 120))
    potential = generator.standard_normal(70)
    for costs in (Costs(source, target).turned(), Costs(target, source)):
        found = np.concatenate([scores for _, scores in costs.scores(potential, 2.0, precision)])
        expected = (potential - ((target[:, None] - source[None]) ** 2).sum(axis=2)) / 2.0
        np.testing.assert_allclose(found, expected, rtol=2e-6)
        assert found.dtype == precision and found.flags.c_contiguous


@pytest.mark.parametrize("kind", ["far clusters", "normal"])
def test_the_exact_plan_of_many_dimensions_costs_what_pots_does(kind):
    source, target = far_clusters(2, 1500, 1500, 1e-3)
    if kind == "normal":
        source, target = source % 1.0, target % 1.0
    mean = (source.mean(axis=0) + target.mean(axis=0)) / 2
    found = exact_plan(source - mean, target - mean)
    direct = ot.dist(source, target)
    expected = ot.emd2([], [], direct, numItermax=10_000_000)
    assert found.linear_cost == pytest.approx(expected, rel=1e-6)
    assert found.marginal_error < 1e-9
