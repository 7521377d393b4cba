"""N-LEEP, TransRate and PARC: goldens, scikit-learn, invariances, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from metric_examples import CLASSIFICATION, golden, labelled, seeds
from scipy.stats import spearmanr
from sklearn.mixture import GaussianMixture

from transfer_atlas.transferability import MetricInputError, UndefinedError, n_leep, parc, transrate
from transfer_atlas.transferability.mixture import fit_mixture


@pytest.mark.parametrize("case", ["balanced", "binary", "single", "digits"])
def test_n_leep_goldens(case):
    arrays, expected = golden(case)
    for per_class in (5, 1):
        reference = expected[f"google_stable_transfer/nleep_pca0.8_gmm{per_class}c_seed123"]
        value = n_leep(arrays["X"], arrays["y"], seed=123, components_per_class=per_class, starts=1)
        assert value == pytest.approx(reference, abs=2e-2)


def test_n_leep_survives_where_the_published_code_fails():
    arrays, expected = golden("wide")
    assert "ERROR" in expected["google_stable_transfer/nleep_pca0.8_gmm5c_seed123"]
    assert -np.log(5) < n_leep(arrays["X"], arrays["y"], seed=123) < 0


@pytest.mark.parametrize(("n", "p", "k"), [(300, 2, 3), (500, 7, 5), (1500, 49, 4)])
def test_mixture_is_scikit_learns(n, p, k):
    features, _ = labelled(n, n=n, d=p, c=k, spread=2)
    reference = GaussianMixture(k, random_state=4).fit(features)
    mixture = fit_mixture(features, k, 4)
    assert mixture.iterations == reference.n_iter_
    np.testing.assert_allclose(mixture.responsibilities, reference.predict_proba(features), atol=1e-8)
    assert mixture.log_likelihood == pytest.approx(reference.score(features), abs=1e-9)


def test_mixture_of_identical_samples_has_a_ridge():
    samples = np.repeat([[0.0, 1.0], [5.0, 5.0]], 10, axis=0)
    mixture = fit_mixture(samples, 2, 0)
    np.testing.assert_allclose(
        np.sort(mixture.responsibilities, axis=1), np.tile([0.0, 1.0], (20, 1)), atol=1e-12
    )


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_n_leep_properties(seed):
    features, labels = labelled(seed)
    score = n_leep(features, labels, seed=0)
    assert score <= 0
    assert n_leep(features, 7 - labels, seed=0) == pytest.approx(score, abs=1e-12)
    with pytest.raises(UndefinedError, match="N-LEEP compares classes"):
        n_leep(features, np.zeros_like(labels), seed=0)


def test_n_leep_is_the_mean_over_starts():
    features, labels = labelled(3)
    each = [n_leep(features, labels, seed=seed, starts=1) for seed in (5, 6, 7, 8)]
    assert np.ptp(each) > 1e-4
    assert n_leep(features, labels, seed=5, starts=4) == pytest.approx(np.mean(each), abs=1e-12)
    assert n_leep(features, labels, seed=5) == pytest.approx(np.mean(each[:3]), abs=1e-12)


@pytest.mark.parametrize("case", CLASSIFICATION)
def test_transrate_goldens(case):
    arrays, expected = golden(case)
    value = transrate(arrays["X"], arrays["y"])
    assert value == pytest.approx(expected["thuml_tllib/transrate(eps1e-4)"], rel=1e-9)


def test_transrate_by_hand():
    # one dimension, centred already: R = 1/2 log(1 + mean square / e)
    features, labels = np.array([[-3.0], [-1.0], [1.0], [3.0]]), np.array([0, 0, 1, 1])
    assert transrate(features, labels, distortion=1.0) == pytest.approx(0, abs=1e-12)
    labels = np.array([0, 1, 1, 0])
    expected = 0.5 * (np.log(6) - (np.log(10) + np.log(2)) / 2)
    assert transrate(features, labels, distortion=1.0) == pytest.approx(expected, abs=1e-12)


@given(seeds)
def test_transrate_and_parc_invariances(seed):
    features, labels = labelled(seed, n=60)
    generator = np.random.default_rng(seed)
    order, classes = generator.permutation(len(labels)), generator.permutation(4)
    rotation = np.linalg.qr(generator.standard_normal((5, 5)))[0]
    assert transrate(features[order] @ rotation + 3, classes[labels[order]]) == pytest.approx(
        transrate(features, labels), rel=1e-7
    )
    scaled = features[order] * generator.uniform(0.1, 10, 5) + 4
    assert parc(scaled, classes[labels[order]]) == pytest.approx(parc(features, labels), abs=1e-6)


@pytest.mark.parametrize("case", CLASSIFICATION)
def test_parc_goldens(case):
    arrays, expected = golden(case)
    features, labels = arrays["X"], arrays["y"]
    published = expected["dbolya_parc/PARC(no pca)"]
    deviation = features.std(axis=0)
    standard = (features - features.mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    upper = np.triu_indices(len(labels), 1)
    apart = (1 - np.corrcoef(standard))[upper]
    different = (1 - np.corrcoef(np.eye(labels.max() + 1)[labels]))[upper]
    # The published number breaks ties of the label side by rounding noise in corrcoef; without the noise it is ours.
    assert 100 * spearmanr(apart, different)[0] == pytest.approx(published, abs=0.03)
    assert parc(features, labels) == pytest.approx(100 * spearmanr(apart, different.round(6))[0], abs=1e-3)
    if case == "binary":  # two classes: no noise
        assert parc(features, labels) == pytest.approx(published, abs=1e-3)
        pca = expected["dbolya_parc/PARC(pca32)"]
        assert parc(features, labels, components=32) == pytest.approx(pca, abs=1e-3)


def test_parc_by_hand():
    # two pairs of rows of one class, ranked closest; four pairs of different classes: ranks 1, 2 against 3, 4, 5, 6
    features = np.array([[1.0, -1, 0], [1.2, -1, 0.1], [-1, 1, 0], [-1.1, 1, -0.2]])
    expected = 100 * (2 / 3) / np.sqrt(35 / 12 * 2 / 9)
    assert parc(features, np.array([0, 0, 1, 1])) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("metric", "labels", "words"),
    [
        (transrate, [1, 1, 1], "hold 1"),
        (parc, [1, 1, 1], "hold 1"),
        (parc, [0, 1, 2], "class of its own"),
        (lambda x, y: n_leep(x, y, seed=0, components_per_class=0), [0, 0, 1], "at least 1"),
        (lambda x, y: n_leep(x, y, seed=0, starts=0), [0, 0, 1], "starts 0; expected at least 1"),
        (lambda x, y: n_leep(0 * x, y, seed=0), [0, 0, 1], "all samples are the same"),
    ],
)
def test_bad_input_is_named(metric, labels, words):
    with pytest.raises(MetricInputError, match=words):
        metric(np.eye(3), np.asarray(labels))
