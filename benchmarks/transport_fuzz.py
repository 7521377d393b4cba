"""Does OTCE always end, and rightly? Seeded problems of every size and scale against independent solvers.

    python benchmarks/transport_fuzz.py                        1,000 problems, sizes 1 to 3,000: about an hour
    python benchmarks/transport_fuzz.py --problems 100 --largest 300

Sizes are drawn from 1 to 3,000, scales of features from 1e-6 to 1e6, epsilon from 1e-3 to 1e3, all evenly in their
logarithms; a third of the problems have their scale chosen such that costs are 1e-2 to 1e5 times epsilon, where
solvers have work to do. Features are normal, clusters, normalised, repeated, constant on a side, on a line, or after a
ReLU. The reference holds all entries in float64 and knows nothing of this library: Sinkhorn's iteration in the
logarithmic domain under a falling epsilon, then Newton's steps by a complete solution of their equations; POT's exact
plan where costs are more than 1e10 times epsilon. W_T must agree to 1e-3, or UnconvergedError be raised, in 60 s.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter

import numpy as np

from transfer_atlas.transferability import UnconvergedError, UndefinedError, otce

ALLOWED = 1e-3  # nats
SECONDS = 60.0
KINDS = ("normal", "clusters", "normalised", "repeated", "constant", "line", "relu")


def problem(seed: int, largest: int) -> tuple[tuple[np.ndarray, ...], float, str]:
    """Features and labels of both sides, epsilon, and what kind it is."""
    generator = np.random.default_rng([13, seed])
    kind = KINDS[seed % len(KINDS)]
    sizes = np.exp(generator.uniform(0, np.log(largest), 2)).round().astype(int)
    dimensions = 1 if kind == "line" else int(np.exp(generator.uniform(0, np.log(64))).round())
    epsilon = 10 ** generator.uniform(-3, 3)
    scale = 10 ** generator.uniform(-6, 6)
    if seed % 3 == 0:
        scale = np.sqrt(epsilon * 10 ** generator.uniform(-2, 5) / dimensions)
    classes = int(generator.integers(1, 6))
    means = generator.standard_normal((classes, dimensions))
    spread = 10 ** generator.uniform(-3, 0.5)
    sides = []
    for side, size in enumerate(sizes):
        labels = generator.integers(0, classes, size)
        features = generator.standard_normal((size, dimensions))
        if kind in ("clusters", "normalised", "relu"):
            features = means[labels] + spread * features + 0.1 * side
        if kind == "normalised":
            features /= np.linalg.norm(features, axis=1, keepdims=True)
        if kind == "relu":
            features = np.maximum(features, 0)
        if kind == "repeated":
            features = features[generator.integers(0, max(1, size // 3), size)]
        if kind == "constant" and side == seed // len(KINDS) % 2:
            features[:] = features[0]
        sides += [scale * features, labels]
    return tuple(sides), float(epsilon), kind


def reference(sides: tuple[np.ndarray, ...], epsilon: float) -> float | None:
    """W_T by solvers of its own; None where they do not converge."""
    xs, ys, xt, yt = sides
    centre = (xs.mean(axis=0) + xt.mean(axis=0)) / 2
    xs, xt = xs - centre, xt - centre
    first, weights, second, others, cost = _distinct_costs(xs, xt)
    joint_first = _shares(ys, first, len(weights))
    joint_second = _shares(yt, second, len(others))
    typical = float(weights @ cost @ others)
    if typical > 1e10 * epsilon:
        import ot

        plan = ot.emd(weights, others, cost, numItermax=10_000_000)
    else:
        plan = _entropic(cost, weights, others, epsilon)
    if plan is None:
        return None
    joint = joint_first.T @ plan @ joint_second
    joint /= joint.sum()
    rows = np.broadcast_to(joint.sum(axis=1, keepdims=True), joint.shape)
    used = joint > 0
    return float(-(joint[used] * np.log(joint[used] / rows[used])).sum())


def _distinct_costs(xs: np.ndarray, xt: np.ndarray) -> tuple[np.ndarray, ...]:
    """Equal samples as one with the weight of all, on either side, and |x - y|^2 between those."""
    sides = []
    for samples in (xs, xt):
        rows, places, counts = np.unique(samples, axis=0, return_inverse=True, return_counts=True)
        sides.append((rows, places.ravel(), counts / len(samples)))
    (first, at, weights), (second, other, others) = sides
    cost = np.stack([((row - second) ** 2).sum(axis=1) for row in first])
    return at, weights, other, others, cost


def _shares(labels: np.ndarray, places: np.ndarray, number: int) -> np.ndarray:
    """Share of each class among the samples at each place."""
    counts = np.zeros((number, labels.max() + 1))
    np.add.at(counts, (places, labels), 1)
    return counts / counts.sum(axis=1, keepdims=True)


def _entropic(cost: np.ndarray, a: np.ndarray, b: np.ndarray, epsilon: float) -> np.ndarray | None:
    if len(a) < len(b):  # Newton's equations are solved for the shorter side
        plan = _entropic(cost.T, b, a, epsilon)
        return None if plan is None else plan.T
    level = max(epsilon, float(cost.max()))
    f, g = np.zeros(len(a)), np.zeros(len(b))
    while True:
        plan, f, g, error = _newton(cost, a, b, level, f, g)
        if level <= epsilon:
            return plan if error < 1e-8 + 1e-16 * cost.max() / epsilon else None
        level = max(epsilon, level / 2)


def _newton(
    cost: np.ndarray, a: np.ndarray, b: np.ndarray, epsilon: float, f: np.ndarray, g: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Sinkhorn's iterations, then Newton's with halved steps, at one epsilon."""

    def rows(g: np.ndarray) -> np.ndarray:
        values = (g - cost) / epsilon + np.log(b)
        top = values.max(axis=1)
        return -epsilon * (top + np.log(np.exp(values - top[:, None]).sum(axis=1)))

    def columns(f: np.ndarray) -> np.ndarray:
        values = (f[:, None] - cost) / epsilon + np.log(a)[:, None]
        top = values.max(axis=0)
        return -epsilon * (top + np.log(np.exp(values - top).sum(axis=0)))

    def plan_of(g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        f = rows(g)
        return f, np.exp((f[:, None] + g - cost) / epsilon) * a[:, None] * b

    for _ in range(5):
        f = rows(g)
        g = columns(f)
    f, plan = plan_of(g)
    value = f @ a + g @ b
    error = np.abs(plan.sum(axis=0) - b).sum()
    for _ in range(40):
        if error < 1e-11:
            break
        gradient = b - plan.sum(axis=0)
        hessian = (np.diag(plan.sum(axis=0)) - plan.T @ (plan / a[:, None])) / epsilon
        hessian += np.full_like(hessian, 1 / len(b) ** 2 / epsilon)  # a common change costs nothing
        hessian.flat[:: len(b) + 1] += 1e-14 / epsilon / len(b)
        step = np.linalg.solve(hessian, gradient)
        length = 1.0
        for _ in range(30):
            trial = g + length * step
            f_trial, plan_trial = plan_of(trial)
            value_trial = f_trial @ a + trial @ b
            error_trial = np.abs(plan_trial.sum(axis=0) - b).sum()
            if value_trial > value or error_trial < error:
                break
            length /= 2
        else:
            break
        g, f, plan, value, error = trial, f_trial, plan_trial, value_trial, error_trial
        g = columns(f)
        f, plan = plan_of(g)
        value, error = f @ a + g @ b, np.abs(plan.sum(axis=0) - b).sum()
    return plan, f, g, float(error)


def check(seed: int, largest: int) -> tuple[str, str, float]:
    """What became of a problem: right, unconverged, wrong, slow, or without a reference; words; seconds."""
    sides, epsilon, kind = problem(seed, largest)
    start = time.perf_counter()
    try:
        value = otce(*sides, epsilon=epsilon).task_difference
    except UnconvergedError:
        value = None
    except UndefinedError:
        return ("right" if len(set(sides[3])) == 1 else "wrong"), "undefined", time.perf_counter() - start
    seconds = time.perf_counter() - start
    words = f"{kind} {len(sides[0])} x {len(sides[2])} x {sides[0].shape[1]}, epsilon {epsilon:.3g}"
    if seconds > SECONDS:
        return "slow", words, seconds
    if value is None:
        return "unconverged", words, seconds
    expected = reference(sides, epsilon)
    if expected is None:
        return "without reference", f"{words}: {value:.5f}", seconds
    outcome = "right" if abs(value - expected) <= ALLOWED else "wrong"
    return outcome, f"{words}: {value:.5f}, expected {expected:.5f}", seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--largest", type=int, default=3000)
    options = parser.parse_args()
    outcomes, longest = Counter(), 0.0
    for seed in range(options.first, options.first + options.problems):
        outcome, words, seconds = check(seed, options.largest)
        outcomes[outcome] += 1
        longest = max(longest, seconds)
        if outcome != "right" or seconds > 10:
            print(f"{seed:5} {outcome:18} {seconds:6.2f} s  {words}", flush=True)
    print(f"{dict(outcomes)}, longest {longest:.1f} s")


if __name__ == "__main__":
    main()
