"""TMI: by hand, by a tree of neighbours, against known entropies, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from metric_examples import labelled, seeds
from scipy.spatial import cKDTree
from scipy.special import digamma

from transfer_atlas.transferability import MetricInputError, UndefinedError, tmi


def test_by_hand():
    # class 0: 0, 2, 6, with nearest 2, 2, 4; class 1: 0, 10, nearest 10 each; one dimension
    x, y = np.array([[0.0], [2], [6], [0], [10]]), np.array([0, 0, 0, 1, 1])
    first = digamma(3) - digamma(1) + np.log([4, 4, 8]).mean()
    second = digamma(2) - digamma(1) + np.log(20)
    assert tmi(x, y, neighbours=1) == pytest.approx(0.6 * first + 0.4 * second, abs=1e-12)
    near = tmi(x / 100, y, neighbours=1)  # all distances below 1 count as 1
    expected = 0.6 * (digamma(3) - digamma(1)) + 0.4 * (digamma(2) - digamma(1)) + np.log(2)
    assert near == pytest.approx(expected, abs=1e-12)


@settings(max_examples=10)
@given(seeds)
def test_by_a_tree(seed):
    x, y = labelled(seed, n=90, c=3)
    total = 0.0
    for k in range(3):
        own = x[y == k]
        radius = np.maximum(cKDTree(own).query(own, 4, p=np.inf)[0][:, -1], 1.0)
        total += len(own) / 90 * (digamma(len(own)) - digamma(3) + 5 * np.log(2 * radius).mean())
    assert tmi(x, y) == pytest.approx(total, abs=1e-9)


def test_entropy_of_known_distributions():
    generator = np.random.default_rng(0)
    y = np.repeat([0, 1], 4000)
    x = np.concatenate([generator.uniform(0, 3e4, (4000, 2)), 1e5 * generator.standard_normal((4000, 2))])
    expected = (2 * np.log(3e4) + 2 * np.log(1e5) + np.log(2 * np.pi * np.e)) / 2
    assert tmi(x, y) == pytest.approx(expected, abs=0.05)


def test_small_classes_add_nothing_and_bad_input_is_named():
    x, y = labelled(0, n=60, c=2)
    more = np.concatenate([x, [[9e3] * 5, [-9e3] * 5]])
    assert tmi(more, np.concatenate([y, [7, 7]])) == pytest.approx(tmi(x, y) * 60 / 62, rel=1e-12)
    with pytest.raises(UndefinedError, match="TMI compares classes"):
        tmi(x, 0 * y)
    with pytest.raises(UndefinedError, match="more than 3 samples; the largest has 2"):
        tmi(x[:4], np.array([0, 0, 1, 1]))
    with pytest.raises(MetricInputError, match="neighbours is 0"):
        tmi(x, y, neighbours=0)
