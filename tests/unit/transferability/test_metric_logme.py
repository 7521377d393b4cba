"""LogME: goldens, the evidence of a Gaussian process written out, invariances, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from metric_examples import golden, labelled, seeds
from scipy.linalg import solve_triangular
from scipy.optimize import minimize

from transfer_atlas.transferability import (
    MetricInputError,
    UndefinedError,
    class_moments,
    logme,
    logme_regression,
)
from transfer_atlas.transferability.logme import logme_of


def largest_evidence(features: np.ndarray, targets: np.ndarray) -> float:
    """log N(y; 0, I / beta + F F' / alpha) / n, maximised over log alpha and log beta by SciPy from many starts."""
    n = len(targets)

    def negative(logs: np.ndarray) -> float:
        covariance = np.eye(n) * np.exp(-logs[1]) + features @ features.T * np.exp(-logs[0])
        factor = np.linalg.cholesky(covariance)
        whitened = solve_triangular(factor, targets, lower=True)
        return (
            float(np.log(np.diagonal(factor)).sum() + whitened @ whitened / 2 + n * np.log(2 * np.pi) / 2) / n
        )

    starts = [(a, b) for a in (-4, 0, 4) for b in (-2, 0, 4)]
    tight = {"xatol": 1e-7, "fatol": 1e-12, "maxiter": 2000}
    return -min(minimize(negative, start, method="Nelder-Mead", options=tight).fun for start in starts)


def largest_evidence_of(left: np.ndarray, values: np.ndarray, targets: np.ndarray) -> float:
    """The same from F = left diag(values) V', in the basis of `left`."""
    n, k = len(targets), len(values)
    inside = (left.T @ targets) ** 2
    outside = targets @ targets - inside.sum()

    def negative(logs: np.ndarray) -> float:
        variances = np.exp(-logs[1]) + values**2 * np.exp(-logs[0])
        fit = (inside / variances).sum() + outside * np.exp(logs[1])
        return (np.log(variances).sum() - (n - k) * logs[1] + fit + n * np.log(2 * np.pi)) / (2 * n)

    starts = [(a, b) for a in (0, 10, 25) for b in (0, 2)]
    tight = {"xatol": 1e-7, "fatol": 1e-12, "maxiter": 4000}
    return -min(minimize(negative, start, method="Nelder-Mead", options=tight).fun for start in starts)


@pytest.mark.parametrize("case", ["balanced", "binary", "single", "digits"])
def test_goldens_at_full_rank(case):
    arrays, expected = golden(case)
    score = logme(arrays["X"], arrays["y"], compat="fixed_point")
    assert score == pytest.approx(expected["thuml_LogME/LogME_fixed_point(default)"], abs=1e-6)
    for reference in ("thuml_LogME/LogME_icml", "thuml_tllib/logme"):
        assert score == pytest.approx(expected[reference], abs=2e-3)
    assert score - 1e-5 < logme(arrays["X"], arrays["y"]) < score + 1e-3  # the iteration had nearly converged


def test_goldens_below_full_rank():
    arrays, expected = golden("wide")  # d > n: the published fixed point lacks a term
    published = expected["thuml_LogME/LogME_icml"]
    score = logme(arrays["X"], arrays["y"], compat="fixed_point")
    assert score == pytest.approx(published, abs=2e-3)
    assert logme(arrays["X"], arrays["y"]) > score
    assert logme(arrays["X"], arrays["y"], compat="thuml") == pytest.approx(
        expected["thuml_LogME/LogME_fixed_point(default)"], abs=1e-6
    )
    published = expected["google_stable_transfer/logme"]  # in float32, whose rank is a matter of rounding
    assert logme(arrays["X"], arrays["y"], compat="google") == pytest.approx(published, abs=0.03)


@pytest.mark.parametrize(("n", "d"), [(40, 3), (12, 20), (25, 60)])
def test_regression_is_the_largest_evidence_of_a_gaussian(n, d):
    generator = np.random.default_rng(n)
    features = generator.standard_normal((n, d))
    targets = features @ generator.standard_normal(d) + 0.5 * generator.standard_normal(n)
    score = logme_regression(features, targets)
    assert score == pytest.approx(largest_evidence(features, targets), abs=1e-6)
    for scale in (1e-6, 1e6):  # of features; that of targets adds a constant
        assert logme_regression(scale * features, targets) == pytest.approx(score, abs=1e-9)
    assert logme_regression(features, 10 * targets) == pytest.approx(score - np.log(10), abs=1e-9)


@given(seeds)
def test_classes_are_columns_of_a_regression(seed):
    features, labels = labelled(seed)
    columns = (labels[:, None] == np.arange(4)).astype(float)
    assert logme_regression(features, columns) == pytest.approx(logme(features, labels), rel=1e-9)


@pytest.mark.parametrize(("n", "d"), [(150, 20), (60, 300)])
def test_scale_changes_nothing(n, d):
    features, labels = labelled(5, n=n, d=d)
    score = logme(features, labels)
    for scale in (1e-6, 1e2, 1e4, 1e8):
        assert logme(scale * features, labels) == pytest.approx(score, abs=1e-9)
    if n > d:  # the published iteration
        assert abs(logme(1e6 * features, labels, compat="fixed_point") - score) > 0.1
    else:
        with pytest.raises(UndefinedError, match="published iteration of LogME divides 0 by 0"):
            logme(1e8 * features, labels, compat="fixed_point")


def test_every_class_is_at_the_largest_evidence_where_dimensions_exceed_samples():
    features, labels = labelled(6, n=40, d=90, c=3)
    expected = [largest_evidence(features, (labels == code).astype(float)) for code in range(3)]
    assert logme(features, labels) == pytest.approx(np.mean(expected), abs=1e-6)
    assert logme(features, labels, compat="fixed_point") < logme(features, labels)


def test_a_mean_far_above_deviations_keeps_the_digits():
    features, labels = labelled(4, n=200, d=6)
    far = features + 1e6
    left, values, _ = np.linalg.svd(far, full_matrices=False)
    columns = (labels[:, None] == np.arange(4)).astype(float)
    expected = [largest_evidence_of(left, values, column) for column in columns.T]
    assert logme(far, labels) == pytest.approx(np.mean(expected), abs=1e-4)


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
        (np.eye(3), [0.5, 1.0, 2.0], "expected integer class labels"),
        (np.eye(3), [1, 1, 1], "hold 1"),
        (np.ones((3, 1)), [1, 1, 1], "hold 1|one class only"),
        (np.eye(3), [0, 1], "2 labels, but 3 rows"),
    ],
)
def test_bad_input_is_named(features, labels, words):
    with pytest.raises(MetricInputError, match=words):
        logme(features, np.asarray(labels))


@pytest.mark.parametrize(
    ("targets", "words"),
    [
        ([0.5, 1.0], "2 targets, but 3 rows"),
        ([0.5, np.nan, 1.0], "targets are not finite in row 1"),
        ([0.0, 0.0, 0.0], "targets that are not all zero"),
    ],
)
def test_bad_targets_are_named(targets, words):
    with pytest.raises(MetricInputError, match=words):
        logme_regression(np.eye(3), np.asarray(targets))
