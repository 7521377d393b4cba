"""LEEP and NCE: goldens, hand-computed values, invariances, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from metric_examples import CLASSIFICATION, golden, labelled, predictions, seeds

from transfer_atlas.transferability import MetricInputError, UndefinedError, leep, nce


@pytest.mark.parametrize("case", CLASSIFICATION)
def test_goldens(case):
    arrays, expected = golden(case)
    assert leep(arrays["P"], arrays["y"]) == pytest.approx(
        expected["thuml_LogME/LEEP_float32_probs"], abs=1e-8
    )
    assert leep(arrays["P"], arrays["y"]) == pytest.approx(expected["google_stable_transfer/leep"], abs=1e-6)
    source = arrays["P"].argmax(axis=1)
    assert nce(source, arrays["y"]) == pytest.approx(expected["thuml_tllib/nce(argmax)"], abs=1e-12)


def test_leep_by_hand():
    # P(y, z): y0 [.5, .1]/2 + ..., worked out for three samples
    theta = np.array([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]])
    labels = np.array([7, 7, 3])  # class 3 is the first, 7 the second
    # joint x 3: class 3 [1, 0], class 7 [.75, 1.25]; marginal x 3: [1.75, 1.25]; P(7|z) = [3/7, 1], P(3|z) = [4/7, 0]
    first = 0.5 * 3 / 7 + 0.5
    second = 0.25 * 3 / 7 + 0.75
    assert leep(theta, labels) == pytest.approx(np.log([first, second, 4 / 7]).mean(), abs=1e-15)


def test_nce_by_hand():
    # z = 0: labels 1, 1, 2, 2 -> entropy log 2; z = 5: label 2 only -> 0
    assert nce([0, 0, 0, 0, 5, 5], [1, 1, 2, 2, 2, 2]) == pytest.approx(-4 / 6 * np.log(2), abs=1e-15)


@given(seeds)
def test_one_hot_leep_is_nce(seed):
    _, labels = labelled(seed)
    source = np.random.default_rng(seed).integers(0, 6, len(labels))
    assert leep(np.eye(9)[source], labels) == pytest.approx(nce(source, labels), abs=1e-12)


@given(seeds)
def test_invariances_and_range(seed):
    _, labels = labelled(seed)
    theta = predictions(seed, len(labels), 6)
    score = leep(theta, labels)
    generator = np.random.default_rng(seed)
    order, classes = generator.permutation(len(labels)), generator.permutation(4)
    assert score <= 0
    assert leep(theta[order], labels[order]) == pytest.approx(score, abs=1e-12)
    assert leep(theta[:, generator.permutation(6)], 10 - 3 * classes[labels]) == pytest.approx(
        score, abs=1e-12
    )
    assert leep(np.tile(theta, (2, 1)), np.tile(labels, 2)) == pytest.approx(score, abs=1e-12)
    assert leep(np.pad(theta, ((0, 0), (0, 2))), labels) == pytest.approx(
        score, abs=1e-12
    )  # classes never predicted


def test_perfect_and_single_class():
    labels = np.array([2, 0, 1, 2])
    assert leep(np.eye(3)[labels], labels) == 0
    assert nce(labels, labels) == 0
    for score in (lambda y: leep(predictions(0, 4, 3), y), lambda y: nce([0, 1, 2, 0], y)):
        with pytest.raises(UndefinedError, match="compares classes, but the labels hold 1"):
            score(np.zeros(4, int))


def test_half_precision_probabilities_are_probabilities():
    torch = pytest.importorskip("torch")
    _, labels = labelled(0)
    theta = np.random.default_rng(0).dirichlet(np.ones(150), len(labels))
    for kind in (torch.bfloat16, torch.float16):
        half = torch.tensor(theta).to(kind)
        rows = half.double().numpy()
        if kind == torch.bfloat16:
            assert np.abs(rows.sum(axis=1) - 1).max() > 2e-4
        assert leep(half, torch.tensor(labels)) == pytest.approx(leep(theta, labels), abs=2e-3)
        assert leep(half, torch.tensor(labels)) == pytest.approx(
            leep(rows / rows.sum(axis=1, keepdims=True), labels), abs=1e-4
        )


@pytest.mark.parametrize(
    ("theta", "labels", "words"),
    [
        (np.array([[1.0, 2.0]]), [0], "sum to 3"),
        (np.array([[1.5, -0.5]]), [0], "lowest entry of -0.5"),
        (np.array([[0.5, 0.5]]), [0, 1], "2 labels, but 1 rows"),
        (np.array([[np.nan, 0.5]]), [0], "not finite in row 0"),
        (np.array([0.5, 0.5]), [0, 1], "shape"),
        (np.array([[0.5, 0.5]]), [0.5], "integer class labels"),
        (np.zeros((0, 2)), np.zeros(0, int), "0"),
    ],
)
def test_bad_input_is_named(theta, labels, words):
    with pytest.raises(MetricInputError, match=words):
        leep(theta, np.asarray(labels))


def test_torch_tensors_give_the_same():
    torch = pytest.importorskip("torch")
    _, labels = labelled(0)
    theta = predictions(0, len(labels), 6)
    assert leep(torch.tensor(theta), torch.tensor(labels)) == leep(theta, labels)
