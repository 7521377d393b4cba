"""LogME: goldens, the evidence of a Gaussian process written out, invariances, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from metric_examples import golden, labelled, seeds
from scipy.stats import multivariate_normal

from transfer_atlas.transferability import MetricInputError, class_moments, logme
from transfer_atlas.transferability.logme import logme_of


def converged_evidence(features: np.ndarray, targets: np.ndarray) -> float:
    """log N(y; 0, I / beta + F F' / alpha) / n, maximised over a fine grid of both precisions."""
    n = len(targets)
    grid = np.exp(np.linspace(-12, 12, 49))
    best = -np.inf
    for _ in range(4):
        pairs = [(a, b) for a in grid for b in grid] if np.ndim(grid) == 1 else grid
        values = []
        for alpha, beta in pairs:
            covariance = np.eye(n) / beta + features @ features.T / alpha
            values.append(multivariate_normal(cov=covariance, allow_singular=True).logpdf(targets) / n)
        best = max(best, *values)
        alpha, beta = pairs[int(np.argmax(values))]
        step = np.exp(np.linspace(-0.5, 0.5, 7))
        grid = [(alpha * a, beta * b) for a in step for b in step]
    return best


@pytest.mark.parametrize("case", ["balanced", "binary", "single", "digits"])
def test_goldens_at_full_rank(case):
    arrays, expected = golden(case)
    score = logme(arrays["X"], arrays["y"])
    assert score == pytest.approx(expected["thuml_LogME/LogME_fixed_point(default)"], abs=1e-6)
    for reference in ("thuml_LogME/LogME_icml", "thuml_tllib/logme"):
        assert score == pytest.approx(expected[reference], abs=2e-3)


def test_goldens_below_full_rank():
    arrays, expected = golden("wide")  # d > n: the published fixed point lacks a term
    assert logme(arrays["X"], arrays["y"]) == pytest.approx(expected["thuml_LogME/LogME_icml"], abs=2e-3)
    assert logme(arrays["X"], arrays["y"], compat="thuml") == pytest.approx(
        expected["thuml_LogME/LogME_fixed_point(default)"], abs=1e-6
    )
    published = expected["google_stable_transfer/logme"]  # in float32, whose rank is a matter of rounding
    assert logme(arrays["X"], arrays["y"], compat="google") == pytest.approx(published, abs=0.03)


@pytest.mark.parametrize(("n", "d"), [(40, 3), (12, 20)])
def test_regression_is_the_evidence_of_a_gaussian(n, d):
    generator = np.random.default_rng(n)
    features = generator.standard_normal((n, d))
    targets = features @ generator.standard_normal(d) + 0.5 * generator.standard_normal(n)
    assert logme(features, targets) == pytest.approx(converged_evidence(features, targets), abs=2e-3)


@given(seeds)
def test_classes_are_columns_of_a_regression(seed):
    features, labels = labelled(seed)
    columns = (labels[:, None] == np.arange(4)).astype(float)
    assert logme(features, columns) == pytest.approx(logme(features, labels), rel=1e-9)


@given(seeds)
def test_invariances(seed):
    features, labels = labelled(seed)
    score = logme(features, labels)
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(labels))
    assert logme(features[order], 5 - labels[order]) == pytest.approx(score, abs=1e-9)
    rotation = np.linalg.qr(generator.standard_normal((5, 5)))[0]
    assert logme(features @ rotation, labels) == pytest.approx(score, abs=1e-9)
    assert logme(np.pad(features, ((0, 0), (0, 3))), labels) == pytest.approx(score, abs=1e-9)  # dead columns
    assert logme(features + 5, labels, centre=True) == pytest.approx(
        logme(features, labels, centre=True), abs=1e-6
    )


def test_both_branches_agree_on_the_same_evidence():
    features, labels = labelled(3, n=20, d=12, c=3)
    short = features[:11], labels[:11] % 2  # 11 x 12: by F F'
    padded = np.pad(short[0], ((0, 0), (0, 1)))
    assert logme(*short) == pytest.approx(logme(padded, short[1]), abs=1e-9)
    gram = np.linalg.svd(short[0], full_matrices=False)
    turned = gram[0] * gram[1]  # 11 x 11 with the same F F': by F'F
    # the evidence depends on F F' only, but for alpha's count of dimensions, which cancels
    assert logme(turned, short[1]) == pytest.approx(logme(*short), abs=1e-9)


def test_shift_moves_the_score_unless_centred():
    features, labels = labelled(1)
    assert abs(logme(features + 5, labels) - logme(features, labels)) > 1e-3


def test_shared_moments_give_the_same():
    features, labels = labelled(2)
    moments = class_moments(features, labels)
    assert logme_of(moments) == logme(features, labels)
    wide = labelled(2, n=60, d=5)
    centred = wide[0] - wide[0].mean(axis=0)
    assert logme_of(class_moments(*wide), centre=True) == pytest.approx(logme(centred, wide[1]), abs=1e-9)


def test_separable_and_absent_classes_stay_finite():
    labels = np.repeat([0, 4, 9], 10)
    features = np.eye(3)[np.repeat([0, 1, 2], 10)]
    assert np.isfinite(logme(features, labels))
    assert logme(features, labels) == logme(features, labels // 4)


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (np.zeros((3, 2)), [0, 1, 1], "all zero"),
        (np.eye(3), [0.5, 1.0], "2 targets, but 3 rows"),
        (np.eye(3), [0.5, np.nan, 1.0], "targets are not finite in row 1"),
        (np.eye(3), [0, 1], "2 labels, but 3 rows"),
    ],
)
def test_bad_input_is_named(features, labels, words):
    with pytest.raises(MetricInputError, match=words):
        logme(features, np.asarray(labels))
