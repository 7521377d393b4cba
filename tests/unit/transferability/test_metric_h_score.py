"""H-score and shrinkage H-score: goldens, hand-computed values, invariances, bad input."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from metric_examples import CLASSIFICATION, golden, labelled, seeds
from sklearn.covariance import LedoitWolf

from transfer_atlas.transferability import (
    MetricInputError,
    UndefinedError,
    class_moments,
    h_score,
    shrinkage_h_score,
)
from transfer_atlas.transferability.h_score import h_score_of, ledoit_wolf_shrinkage, shrinkage_h_score_of


@pytest.mark.parametrize("case", CLASSIFICATION)
@pytest.mark.filterwarnings("ignore:H-score of")
def test_goldens(case):
    arrays, expected = golden(case)
    features, labels = arrays["X"], arrays["y"]
    if case == "wide":  # n = 150, d = 400: the published 4.0 is c - 1 whatever the labels
        with pytest.raises(UndefinedError, match="150 samples in 149 independent dimensions is 4 whatever"):
            h_score(features, labels)
    else:
        assert h_score(features, labels) == pytest.approx(expected["thuml_tllib/h_score_float64"], rel=1e-9)
    assert shrinkage_h_score(features, labels, compat="tllib") == pytest.approx(
        expected["thuml_tllib/regularized_h_score"], rel=1e-9
    )
    assert shrinkage_h_score(features, labels) == pytest.approx(
        expected["thuml_tllib/regularized_h_score"] * (1 - 1 / len(labels)), rel=1e-9
    )
    published = expected["google_stable_transfer/hscore(upstream: trace of ELEMENTWISE product)"]
    assert h_score(features, labels, compat="google") == pytest.approx(published, rel=1e-5)
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    assert ledoit_wolf_shrinkage(class_moments(features, labels)) == pytest.approx(
        LedoitWolf().fit(centred).shrinkage_, rel=1e-9
    )


def test_h_score_by_hand():
    # one dimension: H is the share of variance between classes, here 100 / 101
    features = np.repeat([[-11.0], [-9.0], [9.0], [11.0]], 5, axis=0)
    assert h_score(features, np.repeat([0, 1], 10)) == pytest.approx(100 / 101, abs=1e-14)


@given(seeds)
def test_invariances_and_range(seed):
    features, labels = labelled(seed)
    score, shrunk = h_score(features, labels), shrinkage_h_score(features, labels)
    generator = np.random.default_rng(seed)
    order, classes = generator.permutation(len(labels)), generator.permutation(4)
    assert 0 <= shrunk <= score * 1.01 and score <= 3
    assert h_score(features[order], classes[labels[order]]) == pytest.approx(score, rel=1e-6)
    assert shrinkage_h_score(features[order], classes[labels[order]]) == pytest.approx(shrunk, rel=1e-6)
    linear = generator.standard_normal((5, 5)) + 3 * np.eye(5)
    assert h_score(features @ linear + 7, labels) == pytest.approx(score, rel=1e-6)
    assert h_score(np.tile(features, (3, 1)), np.tile(labels, 3)) == pytest.approx(score, rel=1e-6)
    rotation = np.linalg.qr(linear)[0]
    assert shrinkage_h_score(4 * features @ rotation - 3, labels) == pytest.approx(shrunk, rel=1e-8)


@given(seeds)
def test_dead_and_dependent_columns_change_nothing(seed):
    features, labels = labelled(seed)
    wide = np.column_stack([features, np.zeros(len(labels)), features[:, 0] - features[:, 1]])
    assert h_score(wide, labels) == pytest.approx(h_score(features, labels), rel=1e-8)


@given(seeds)
def test_shared_moments_give_the_same(seed):
    features, labels = labelled(seed)
    moments = class_moments(features, labels)
    _ = moments.principal  # the other branch: by the eigendecomposition
    assert h_score_of(moments) == pytest.approx(h_score(features, labels), rel=1e-7)
    assert shrinkage_h_score_of(moments) == pytest.approx(shrinkage_h_score(features, labels), rel=1e-7)


@pytest.mark.parametrize("d", [29, 60])
def test_as_many_dimensions_as_samples_are_undefined(d):
    generator = np.random.default_rng(0)
    features, labels = generator.standard_normal((30, d)), generator.integers(0, 3, 30)
    with pytest.raises(UndefinedError, match="is 2 whatever the labels"):
        h_score(features, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shrinkage_h_score(features, labels) < 0.5
    with pytest.warns(UserWarning, match=r"random labels would reach about 1\.93"):
        assert h_score(features[:, :28], labels) < 2
    narrow = np.tile(features[:, :4], (1, 8))  # 32 dimensions, of which 4 are independent
    with pytest.warns(UserWarning):
        assert h_score(narrow, labels) == pytest.approx(h_score(features[:, :4], labels), rel=1e-9)


def test_scales_of_columns_change_nothing():
    features, labels = labelled(7, n=400, d=7)
    score = h_score(features, labels)
    assert h_score(features * np.logspace(-3, 3, 7), labels) == pytest.approx(score, rel=1e-9)
    assert h_score(features * np.logspace(-9, 9, 7), labels) == pytest.approx(score, rel=1e-9)
    noise = 3e5 * np.random.default_rng(0).standard_normal((400, 1))
    assert h_score(np.hstack([features, noise]), labels) >= score
    constant = np.full((400, 1), 0.1)
    assert h_score(np.hstack([features, constant]), labels) == pytest.approx(score, rel=1e-9)


def test_shrinkage_stays_below_the_number_of_classes():
    features, labels = np.array([[0.0], [1.0]]), np.array([0, 1])
    assert shrinkage_h_score(features, labels) == pytest.approx(1)  # one dimension is not shrunk
    assert shrinkage_h_score(features, labels, compat="tllib") == pytest.approx(2)
    generator = np.random.default_rng(0)
    for n, d in [(3, 2), (5, 40), (10, 3)]:
        assert shrinkage_h_score(generator.standard_normal((n, d)), np.arange(n) % 3) <= min(n, 3) - 1


@pytest.mark.parametrize("metric", [h_score, shrinkage_h_score])
@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (np.eye(3), [1, 1, 1], "one class only"),
        (np.ones((3, 2)), [0, 1, 1], "all samples are the same"),
        (np.eye(3), [0, 1], "2 labels, but 3 rows"),
        (np.ones((1, 2)), [0], "at least 2"),
        (np.array([[np.inf, 1], [2, 3]]), [0, 1], "not finite in row 0"),
        (np.array([["a"], ["b"]]), [0, 1], "expected numbers"),
    ],
)
def test_bad_input_is_named(metric, features, labels, words):
    with pytest.raises(MetricInputError, match=words):
        metric(features, np.asarray(labels))


def test_torch_tensors_give_the_same():
    torch = pytest.importorskip("torch")
    features, labels = labelled(0)
    value = h_score(torch.tensor(features, requires_grad=True), torch.tensor(labels))
    assert value == h_score(features, labels)
    half = torch.tensor(features).bfloat16()
    assert h_score(half, torch.tensor(labels)) == h_score(half.double().numpy(), labels)
