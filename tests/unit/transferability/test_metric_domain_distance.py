"""Domain distance and class means: goldens, hand-computed values, brute force, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_examples import golden, seeds
from scipy.spatial.distance import cdist

from transfer_atlas.transferability import MetricInputError, class_mean_distance, domain_distance

ASSIGNMENTS = ("target_to_source", "source_to_target", "symmetric", "one_to_one")


@pytest.mark.parametrize("case", ["ot_small", "ot_mid"])
def test_goldens(case):
    arrays, expected = golden(case)
    target, source = (arrays[name].astype(np.float64) for name in ("Xt", "Xs"))
    forward = expected["scipy_cdist/mean_target_min_source_euclid"]
    backward = expected["sklearn/mean_source_min_target_euclid"]
    values = {name: domain_distance(target, source, assignment=name) for name in ASSIGNMENTS}
    assert values["target_to_source"] == pytest.approx(forward, rel=1e-12)
    assert values["source_to_target"] == pytest.approx(backward, rel=1e-12)
    assert values["symmetric"] == pytest.approx((forward + backward) / 2, rel=1e-12)
    assignment = expected["scipy/linear_sum_assignment_euclidean"]["mean_cost"]
    assert values["one_to_one"] == pytest.approx(assignment, rel=1e-12)
    means = class_mean_distance(arrays["Xs"], arrays["ys"], arrays["Xt"], arrays["yt"])
    assert means == pytest.approx(expected["Cui2018_pyemd/class_mean_emd(min_num_imgs=0)"]["emd"], rel=1e-6)


def test_by_hand():
    target, source = np.array([[0.0, 0], [3, 4]]), np.array([[0.0, 0], [0, 1], [30, 40]])
    assert domain_distance(target, source) == pytest.approx((0 + np.sqrt(18)) / 2)
    backward = domain_distance(target, source, assignment="source_to_target")
    assert backward == pytest.approx((0 + 1 + 45) / 3)


@given(seeds, st.integers(1, 30), st.integers(1, 30))
def test_brute_force(seed, n, m):
    generator = np.random.default_rng(seed)
    target, source = generator.standard_normal((n, 3)) + 50, generator.standard_normal((m, 3)) + 50
    cost = cdist(target, source)
    assert domain_distance(target, source) == pytest.approx(cost.min(axis=1).mean(), rel=1e-9)
    swapped = domain_distance(source, target, assignment="source_to_target")
    assert swapped == pytest.approx(domain_distance(target, source), rel=1e-12)
    matched = domain_distance(target, source, assignment="one_to_one")
    assert matched >= max(cost.min(axis=1).mean(), cost.min(axis=0).mean()) - 1e-9


@given(seeds)
def test_matching_by_hungarian_and_by_masses_agree(seed):
    generator = np.random.default_rng(seed)
    target, source = generator.standard_normal((6, 2)), generator.standard_normal((6, 2))
    doubled = np.repeat(source, 2, axis=0)  # the same masses, but of unequal number
    assert domain_distance(target, doubled, assignment="one_to_one") == pytest.approx(
        domain_distance(target, source, assignment="one_to_one"), rel=1e-9
    )


def test_duplicates_are_at_distance_zero_in_single_precision():
    features = (1000 + np.random.default_rng(0).standard_normal((50, 64))).astype(np.float32)
    for assignment in ASSIGNMENTS:
        assert domain_distance(features, features[::-1].copy(), assignment=assignment) == 0


def test_class_means_by_hand():
    # source classes at 0 (weight 3/4) and 10 (1/4), the target's one class at 4
    source, labels = np.array([[0.0], [0], [0], [10]]), np.array([0, 0, 0, 1])
    distance = class_mean_distance(source, labels, np.array([[3.0], [5.0]]), np.array([2, 2]))
    assert distance == pytest.approx(3 / 4 * 4 + 1 / 4 * 6)
    kept = class_mean_distance(source, labels, np.array([[4.0]]), np.array([2]), minimum_samples=2)
    assert kept == pytest.approx(4)


def test_bad_input_is_named():
    with pytest.raises(MetricInputError, match="same backbone"):
        domain_distance(np.eye(2), np.eye(3))
    with pytest.raises(MetricInputError, match="'nearest'; expected"):
        domain_distance(np.eye(2), np.eye(2), assignment="nearest")
    with pytest.raises(MetricInputError, match="no class has 9 samples; the largest has 1"):
        class_mean_distance(np.eye(2), np.arange(2), np.eye(2), np.arange(2), minimum_samples=9)
