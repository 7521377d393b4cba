"""Dense H-score: as the mean of H-scores, against the talk's own code, properties, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from metric_examples import seeds

from transfer_atlas.transferability import (
    MetricInputError,
    UndefinedError,
    dense_h_score,
    dense_shrinkage_h_score,
    h_score,
    shrinkage_h_score,
)


def dense(seed, n=400, d=4, c=3, told=1.0):
    generator = np.random.default_rng(seed)
    labels, places = generator.integers(0, c, n), generator.random((n, 2))
    features = generator.standard_normal((n, d))
    features[:, 0] += told * labels
    return features, labels, places


def of_the_talk(features, labels):
    """The talk's Python code for the H-score, its slips mended."""
    means = np.zeros_like(features)
    for label in set(labels):
        means[labels == label] = features[labels == label].mean(axis=0)
    return np.trace(np.linalg.pinv(np.cov(features.T), rcond=1e-15) @ np.cov(means.T))


@settings(max_examples=10)
@given(seeds)
def test_the_mean_of_the_talks_h_score_over_the_quarters_of_the_image(seed):
    features, labels, places = dense(seed)
    quarters = (places >= 0.5) @ [2, 1]
    expected = np.mean([of_the_talk(features[quarters == q], labels[quarters == q]) for q in range(4)])
    found = dense_h_score(features, labels, places, superpixels=2)
    assert found.score == pytest.approx(expected, rel=1e-9) and found.scored == 4


def test_one_superpixel_is_the_h_score_itself():
    features, labels, places = dense(0)
    assert dense_h_score(features, labels, places, superpixels=1).score == pytest.approx(
        h_score(features, labels)
    )
    shrunk = dense_shrinkage_h_score(features, labels, places, superpixels=1).score
    assert shrunk == pytest.approx(shrinkage_h_score(features, labels))


def test_where_a_label_is_does_not_count_what_features_tell_of_it_there_does():
    generator = np.random.default_rng(0)
    places = generator.random((2000, 2))
    labels = (places[:, 0] > 0.5).astype(int)  # ground below, sky above
    features = np.column_stack([places[:, 0], generator.standard_normal(2000)])
    assert h_score(features, labels) > 0.7
    assert dense_h_score(features, labels, places, superpixels=2).score == 0  # nothing to tell in any half
    mixed = np.where(generator.random(2000) < 0.3, 1 - labels, labels)
    features[:, 1] += 3 * mixed
    assert dense_h_score(features, mixed, places, superpixels=2).score > 0.5


@settings(max_examples=10)
@given(seeds)
def test_order_scale_and_shift_change_nothing(seed):
    features, labels, places = dense(seed)
    first = dense_h_score(features, labels, places).score
    order = np.random.default_rng(seed).permutation(len(labels))
    assert dense_h_score(features[order], labels[order], places[order]).score == pytest.approx(first)
    assert dense_h_score(1e6 * features + 1e3, labels + 7, places).score == pytest.approx(first, rel=1e-6)
    tensor = dense_h_score(torch.tensor(features), torch.tensor(labels), torch.tensor(places)).score
    assert tensor == pytest.approx(first)
    assert 0 <= first <= 2


def test_the_edge_belongs_to_the_last_superpixel_and_lonely_samples_do_not_count():
    features, labels, places = dense(0, n=40)
    places[:] = 0.1
    places[0] = 1.0, 1.0
    found = dense_shrinkage_h_score(features, labels, places, superpixels=2)
    assert found.scored == 1
    places[1] = 1.0, 0.5
    assert dense_shrinkage_h_score(features, labels, places, superpixels=2).scored == 2


def test_features_that_are_all_the_same_in_a_superpixel_tell_nothing_there():
    features, labels, places = dense(0)
    upper = places[:, 0] < 0.5
    features[upper] = 1.0
    found = dense_h_score(features, labels, places, superpixels=2)
    lower = dense_h_score(features[~upper], labels[~upper], places[~upper], superpixels=2)
    assert found.scored == 4 and found.score == pytest.approx(lower.score / 2)


def test_bad_input_is_refused_and_too_few_samples_are_undefined():
    features, labels, places = dense(0, n=40, d=30)
    with pytest.raises(UndefinedError, match=r"undefined in superpixel 0: .*Fewer superpixels"):
        dense_h_score(features, labels, places, superpixels=2)
    assert dense_shrinkage_h_score(features, labels, places, superpixels=2).score > 0
    with pytest.raises(UndefinedError, match="1"):
        dense_h_score(features, np.zeros(40, int), places)
    with pytest.raises(UndefinedError, match="two samples in a superpixel"):
        dense_h_score(features[:2], np.array([0, 1]), np.array([[0.1, 0.1], [0.9, 0.9]]))
    for bad in (places * 2, places - 1, places[:, :1]):
        with pytest.raises(MetricInputError, match="places have shape"):
            dense_h_score(features, labels, bad)
    with pytest.raises(MetricInputError, match="39 rows, but there are 40"):
        dense_h_score(features, labels, places[:-1])
    for number in (0, 257):
        with pytest.raises(MetricInputError, match=f"superpixels is {number}"):
            dense_h_score(features, labels, places, superpixels=number)
