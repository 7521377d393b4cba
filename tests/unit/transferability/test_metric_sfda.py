"""SFDA: goldens of the authors' code, the same by generalised eigenvectors, properties, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from metric_examples import CLASSIFICATION, golden, labelled, seeds

from transfer_atlas.transferability import MetricInputError, UndefinedError, sfda


@pytest.mark.parametrize("case", CLASSIFICATION)
def test_goldens(case):
    arrays, expected = golden(case)
    assert sfda(arrays["X"].astype(np.float64), arrays["y"]) == pytest.approx(
        expected["TencentARC_SFDA/SFDA_Score"], abs=2e-5
    )


def discriminant(x: np.ndarray, y: np.ndarray, shrinkage: float) -> np.ndarray:
    """Probabilities by the generalised eigenvectors of the paper, where the shrinkage is known."""
    classes, n = np.unique(y), len(y)
    within = sum(np.cov(x[y == k].T, bias=True) * (y == k).mean() for k in classes)
    shrunk = (1 - shrinkage) * within + shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    between = np.cov(x.T, bias=True) - shrunk
    vectors = scipy.linalg.eigh(between, shrunk)[1]
    means = np.stack([x[y == k].mean(axis=0) for k in classes])
    coefficients = means @ vectors @ vectors.T
    logits = (
        x @ coefficients.T
        - np.diag(means @ coefficients.T) / 2
        + np.log([(y == k).sum() / n for k in classes])
    )
    return scipy.special.softmax(logits, axis=1)


@settings(max_examples=10)
@given(seeds)
def test_the_paper_by_eigenvectors(seed):
    x, y = labelled(seed)
    x = x / 20  # small enough for a shrinkage that matters
    within = sum(np.cov(x[y == k].T, bias=True) * (y == k).mean() for k in range(4))
    vector = within.sum(axis=1)
    for _ in range(6):  # three times two multiplications
        vector = within @ vector / np.linalg.norm(within @ vector)
    other = within @ vector / np.linalg.norm(within @ vector)
    # the published estimate pairs the last two vectors of the iteration
    before = np.linalg.solve(within, vector)
    before /= np.linalg.norm(before)
    shrinkage = np.exp(-5 * vector @ within @ before)
    assert shrinkage > 0.01 and np.isfinite(other).all()
    certain = scipy.special.softmax(discriminant(x, y, shrinkage), axis=1)[np.arange(len(y)), y]
    means = np.stack([x[y == k].mean(axis=0) for k in range(4)])
    mixed = np.empty_like(x)
    for i, label in enumerate(y):
        rest = means[[k for k in range(4) if k != label]].mean(axis=0)
        mixed[i] = certain[i] * x[i] + (1 - certain[i]) * rest
    expected = discriminant(mixed, y, shrinkage)[np.arange(len(y)), y].mean()
    assert sfda(x, y) == pytest.approx(expected, abs=1e-6)


@given(seeds)
def test_properties(seed):
    x, y = labelled(seed)
    kept = x.copy()
    score = sfda(x, y)
    np.testing.assert_array_equal(x, kept)  # the published code changes its input
    assert 0 < score <= 1
    order = np.random.default_rng(seed).permutation(len(y))
    assert sfda(x[order], 9 - 2 * y[order]) == pytest.approx(score, abs=1e-9)


def test_separated_classes_score_higher():
    scores = [sfda(*labelled(8, spread=spread)) for spread in (0.1, 1, 3, 10)]
    assert scores == sorted(scores) and scores[0] < 0.6 and scores[-1] > 0.95


def test_bad_input_is_named():
    with pytest.raises(UndefinedError, match="SFDA compares classes"):
        sfda(np.eye(4), np.zeros(4, int))
    with pytest.raises(UndefinedError, match="cannot be inverted"):
        sfda(np.eye(2)[[0, 0, 1, 1]], np.array([0, 0, 1, 1]))
    with pytest.raises(MetricInputError, match="3 labels, but 4 rows"):
        sfda(np.eye(4), np.zeros(3, int))
