"""Weights from scores, fused features, and the linear probe: by hand, properties, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.transferability.arrays import MetricInputError, UndefinedError
from transfer_atlas.transferability.fusion import fused, score_weights, standardised
from transfer_atlas.transferability.linear_probe import held_out_samples, linear_probe

scores = st.lists(st.floats(-1e6, 0), min_size=1, max_size=6)


def test_weights_by_hand():
    found = score_weights({"a": 0.0, "b": -np.log(3)})
    assert found == pytest.approx({"a": 0.75, "b": 0.25})  # 1 : 1/3
    assert score_weights({"a": 0.0, "b": -np.log(3)}, 0.5) == pytest.approx({"a": 0.9, "b": 0.1})  # 1 : 1/9
    assert score_weights({"a": None, "b": -5.0, "c": float("nan")}) == {"a": 0.0, "b": 1.0, "c": 0.0}


@given(scores, st.floats(1e-3, 1e3))
def test_weights_sum_to_one_and_rank_as_scores_do(values, temperature):
    found = score_weights(dict(enumerate(values)), temperature)
    assert sum(found.values()) == pytest.approx(1) and min(found.values()) >= 0
    shifted = score_weights({name: value - 7.0 for name, value in enumerate(values)}, temperature)
    assert list(shifted.values()) == pytest.approx(list(found.values()), rel=1e-3, abs=1e-6)
    for one in found:
        for other in found:
            assert not (values[one] > values[other] and found[one] < found[other])


def test_no_weights_without_a_score_or_with_a_temperature_that_is_none():
    with pytest.raises(UndefinedError, match="none of 2 sources has a score"):
        score_weights({"a": None, "b": float("-inf")})
    for temperature in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(MetricInputError, match="positive"):
            score_weights({"a": 1.0}, temperature)


@settings(max_examples=20)
@given(st.integers(0, 1000), st.sampled_from([1e-6, 1.0, 1e6]))
def test_standardised_features_do_not_know_their_scale_and_have_one_norm(seed, scale):
    generator = np.random.default_rng(seed)
    features = generator.normal(5, 3, (40, 6))
    features[:, 2] = 7.0  # constant
    rows = np.arange(40) < 30
    found = standardised(features, rows)
    assert (found[:, 2] == 0).all()
    assert (found[rows] ** 2).sum(axis=1).mean() == pytest.approx(5 / 6)
    assert standardised(features * scale + scale, rows) == pytest.approx(found, abs=1e-6)


def test_fused_by_hand():
    first, second = np.array([[1.0, 2.0]]), np.array([[10.0, 20.0]])
    assert fused([first, second], [0.75, 0.25]).tolist() == [[3.25, 6.5]]
    joined = fused([first, second], [0.25, 0.25], "concatenation")
    assert joined.tolist() == [[0.5, 1.0, 5.0, 10.0]]
    wide = np.array([[1.0, 2.0, 3.0]])
    assert fused([first, wide], [0.0, 1.0], "concatenation").tolist() == [[1.0, 2.0, 3.0]]
    with pytest.raises(MetricInputError, match="take a concatenation"):
        fused([first, wide], [0.5, 0.5])
    for blocks, weights in (([first], [0.0]), ([first], [-1.0]), ([first, second], [1.0]), ([], [])):
        with pytest.raises(MetricInputError):
            fused(blocks, weights)
    with pytest.raises(MetricInputError, match="same samples"):
        fused([first, np.ones((2, 2))], [0.5, 0.5])


def test_the_kernel_of_a_concatenation_is_the_weighted_sum_of_kernels():
    generator = np.random.default_rng(0)
    blocks = [generator.normal(size=(5, 3)), generator.normal(size=(5, 4))]
    joined = fused(blocks, [0.3, 0.7], "concatenation")
    expected = 0.3 * blocks[0] @ blocks[0].T + 0.7 * blocks[1] @ blocks[1].T
    assert joined @ joined.T == pytest.approx(expected)


@settings(max_examples=20)
@given(st.integers(0, 1000))
def test_no_image_is_on_both_sides(seed):
    generator = np.random.default_rng(seed)
    images = np.sort(generator.integers(0, 6, 50))
    labels = generator.integers(0, 3, 50)
    if len(set(images)) > 1:
        held = held_out_samples(labels, images, 0.3, generator)
        assert held.any() and not held.all()
        assert not set(images[held]) & set(images[~held])


def test_images_of_one_sample_are_held_out_class_by_class():
    labels, images = np.repeat([0, 1, 2], 5), np.arange(15)
    held = held_out_samples(labels, images, 0.3, np.random.default_rng(0))
    assert np.bincount(labels[held]).tolist() == [2, 2, 2]  # of five, rounded
    lonely = held_out_samples(np.array([0, 1, 1]), np.arange(3), 0.3, np.random.default_rng(0))
    assert not lonely[0] and lonely.sum() == 1
    with pytest.raises(UndefinedError, match="no class has two"):
        held_out_samples(np.array([0, 1]), np.arange(2), 0.3, np.random.default_rng(0))
    with pytest.raises(UndefinedError, match="of 1"):
        held_out_samples(np.array([0, 1]), np.zeros(2, int), 0.3, np.random.default_rng(0))


def probed(features, labels, images, held):
    return linear_probe(lambda _: features, labels, images, held, np.random.default_rng(0))


def test_a_probe_tells_what_can_be_told_and_no_more():
    generator = np.random.default_rng(0)
    labels, images = generator.integers(0, 2, 400), np.arange(400)
    held = held_out_samples(labels, images, 0.3, generator)
    clear = labels[:, None] + generator.normal(0, 0.05, (400, 3))
    assert probed(clear, labels, images, held).accuracy == 1.0
    noise = generator.normal(size=(400, 3))
    assert 0.35 < probed(noise, labels, images, held).accuracy < 0.65
    # features that say nothing: all of the frequent class are right, none of the rare one is
    rare = np.array([0] * 30 + [1] * 4)
    found = probed(np.zeros((34, 1)), rare, np.arange(34), (np.arange(34) < 6) | (np.arange(34) >= 32))
    assert found.accuracy == pytest.approx(6 / 8) and found.class_accuracy == 0.5


def test_a_probe_without_two_classes_is_undefined_and_unseen_classes_are_wrong():
    labels = np.array([0, 0, 0, 1])
    with pytest.raises(UndefinedError, match="one class only"):
        probed(np.zeros((4, 1)), labels, np.arange(4), labels == 1)
    labels = np.array([0] * 10 + [1] * 10 + [2] * 4)
    features = np.eye(3)[labels]
    assert probed(features, labels, np.arange(24), labels == 2).accuracy == 0.0
    with pytest.raises(MetricInputError, match="24 labels, 23 images"):
        probed(features, labels, np.arange(23), labels == 2)
