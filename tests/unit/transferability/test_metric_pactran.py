"""PACTran: goldens of the authors' code, the bound by scikit-learn's logistic regression, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from metric_examples import CLASSIFICATION, golden, labelled, predictions
from scipy.special import digamma, gammaln
from sklearn.linear_model import LogisticRegression

from transfer_atlas.transferability import (
    MetricInputError,
    UndefinedError,
    pactran_dirichlet,
    pactran_gaussian,
)


@pytest.mark.parametrize("case", CLASSIFICATION)
def test_dirichlet_goldens(case):
    arrays, expected = golden(case)
    value = pactran_dirichlet(arrays["P"], arrays["y"])
    assert value == pytest.approx(-expected["pactran_metrics/pac_dir_1.0"], abs=1e-5)


def test_dirichlet_sample_by_sample():
    _, y = labelled(1, n=30, c=3)
    theta, alpha = predictions(1, 30, 4), 0.7
    prior = np.array([alpha * (y == k).mean() for k in range(3)])
    q = theta.copy()
    for _ in range(10):
        mass = np.array(
            [[prior[k] + sum(q[i, z] for i in range(30) if y[i] == k) for z in range(4)] for k in range(3)]
        )
        for i in range(30):
            q[i] = [
                theta[i, z] * np.exp(digamma(mass[y[i], z]) - digamma(mass[:, z].sum())) for z in range(4)
            ]
            q[i] /= q[i].sum()
    total = 0.0
    for z in range(4):
        total += gammaln(prior.sum()) - gammaln(prior).sum()
        total -= gammaln(mass[:, z].sum()) - gammaln(mass[:, z]).sum()
        total -= sum(q[i, z] * np.log(q[i, z] / theta[i, z]) for i in range(30))
    assert pactran_dirichlet(theta, y, alpha=alpha) == pytest.approx(total / 90, abs=1e-7)


@pytest.mark.parametrize(("strength", "variance"), [(1.0, 1.0), (0.1, 10.0)])
def test_gaussian_by_logistic_regression(strength, variance):
    x, y = labelled(2, n=150, d=4, c=3)
    x = x - x.mean(axis=0)
    fit = LogisticRegression(C=strength, tol=1e-10, max_iter=10_000).fit(x, y)
    theta, scale = fit.predict_proba(x), strength * 150
    risk = -np.log(theta[np.arange(150), y]).mean() + (fit.coef_**2).sum() / (2 * scale)
    bent = sum(theta[i, k] * (1 - theta[i, k]) * (x[i] @ x[i] + 1) for i in range(150) for k in range(3))
    flat = 12 / (2 * scale) * variance / 4 * np.log((bent + 12 / scale) * scale / 12)
    assert pactran_gaussian(x + 5, y, strength=strength, variance=variance) == pytest.approx(
        -risk - flat, abs=1e-6
    )


def test_better_features_and_heads_score_higher():
    x, y = labelled(3)
    assert pactran_gaussian(x + 5 * np.eye(5)[y], y) > pactran_gaussian(x, y)
    theta = predictions(3, len(y), 4)
    assert pactran_dirichlet(0.5 * theta + 0.5 * np.eye(4)[y], y) > pactran_dirichlet(theta, y)


def test_bad_input_is_named():
    x, y = labelled(4)
    theta = predictions(4, len(y), 3)
    with pytest.raises(UndefinedError, match="PACTran compares classes"):
        pactran_gaussian(x, 0 * y)
    with pytest.raises(UndefinedError, match="PACTran compares classes"):
        pactran_dirichlet(theta, 0 * y)
    with pytest.raises(UndefinedError, match="all samples are the same"):
        pactran_gaussian(np.ones_like(x), y)
    with pytest.raises(MetricInputError, match="strength is 0"):
        pactran_gaussian(x, y, strength=0)
    with pytest.raises(MetricInputError, match="alpha is -1"):
        pactran_dirichlet(theta, y, alpha=-1)
    with pytest.raises(MetricInputError, match="Apply the softmax"):
        pactran_dirichlet(3 * theta, y)
