"""ETran: energy by hand, least squares by NumPy, the discriminant of SFDA, bad input."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special
from metric_examples import labelled, predictions

from transfer_atlas.transferability import (
    MetricInputError,
    UndefinedError,
    etran_classification,
    etran_energy,
    etran_regression,
)


def test_energy_by_hand():
    logits = np.log(np.array([[1.0, 2.0], [3.0, 5.0], [0.5, 0.25], [10.0, 10.0]]))
    energies = np.log([3.0, 8.0, 0.75, 20.0])
    assert etran_energy(logits) == pytest.approx(energies.mean(), abs=1e-12)
    assert etran_energy(logits, share=0.5) == pytest.approx((energies[1] + energies[3]) / 2, abs=1e-12)
    assert etran_energy(logits, share=0.25, tail="bottom") == pytest.approx(energies[2], abs=1e-12)
    assert etran_energy(1000 + logits) == pytest.approx(1000 + energies.mean(), abs=1e-9)


@pytest.mark.parametrize(("n", "d"), [(60, 5), (40, 39)])
def test_regression_is_least_squares(n, d):
    generator = np.random.default_rng(0)
    x, boxes = generator.standard_normal((n, d)), generator.uniform(0, 1, (n, 4))
    fit = x @ np.linalg.lstsq(x, boxes, rcond=None)[0]
    assert etran_regression(x, boxes) == pytest.approx(-((boxes - fit) ** 2).mean(), abs=1e-12)
    wide = np.hstack([x, x[:, :2], np.zeros((n, 50))])  # no more independent dimensions
    assert etran_regression(wide, boxes) == pytest.approx(etran_regression(x, boxes), abs=1e-9)
    assert etran_regression(x, boxes[:, 0]) == pytest.approx(-((boxes - fit)[:, 0] ** 2).mean(), abs=1e-12)
    assert etran_regression(x, x[:, :2]) == pytest.approx(0, abs=1e-12)


def test_classification_is_bayes_rule_with_one_covariance():
    x, y = labelled(0)
    means = np.stack([x[y == k].mean(axis=0) for k in range(4)])
    within = sum(np.cov(x[y == k].T, bias=True) * (y == k).mean() for k in range(4))
    assert np.exp(-5 * np.linalg.eigvalsh(within)[-1]) < 1e-9  # next to no shrinkage
    logits = np.array([[-0.5 * (v - m) @ np.linalg.solve(within, v - m) for m in means] for v in x])
    theta = scipy.special.softmax(logits + np.log(np.bincount(y) / len(y)), axis=1)
    assert etran_classification(x, y) == pytest.approx(theta[np.arange(len(y)), y].mean(), abs=1e-6)


def test_bad_input_is_named():
    x, y = labelled(1)
    with pytest.raises(UndefinedError, match="ETran compares classes"):
        etran_classification(x, 0 * y)
    with pytest.raises(UndefinedError, match="fitted perfectly"):
        etran_regression(np.eye(4), np.arange(4.0))
    with pytest.raises(UndefinedError, match="all zero"):
        etran_regression(np.zeros((4, 2)), np.arange(4.0))
    with pytest.raises(MetricInputError, match="3 rows, but there are 4"):
        etran_regression(x[:4], np.arange(3.0))
    with pytest.raises(MetricInputError, match="logits are probabilities"):
        etran_energy(predictions(0, 50, 6))
    with pytest.raises(MetricInputError, match="share is 0"):
        etran_energy(x, share=0)
