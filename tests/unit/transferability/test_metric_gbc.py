"""GBC: goldens, Gaussians whose coefficient is known, invariances, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from metric_examples import golden, labelled, seeds
from scipy.integrate import quad
from scipy.stats import norm

from transfer_atlas.transferability import MetricInputError, class_moments, gbc
from transfer_atlas.transferability.gbc import gbc_of

PAPER = "google_stable_transfer/gbc_"
OWN = "derived/gbc_"


@pytest.mark.parametrize("case", ["balanced", "binary", "single", "wide", "digits"])
def test_goldens(case):
    arrays, expected = golden(case)
    data = arrays["X"], arrays["y"]
    raw = {"components": None}
    assert gbc(*data, compat="google", **raw) == pytest.approx(expected[PAPER + "spherical_nopca"], rel=1e-4)
    assert gbc(*data, covariance="diagonal", **raw) == pytest.approx(
        expected[PAPER + "diagonal_nopca"], rel=1e-4
    )
    exact = expected[OWN + "spherical_nopca_WITH_factor_d(float64)"]
    assert gbc(*data, **raw) == pytest.approx(exact, rel=1e-9)
    components = 64 if data[0].shape[1] >= 64 else 8
    name = f"_pca{components}"
    google = {"compat": "google", "components": components}
    assert gbc(*data, **google) == pytest.approx(expected[PAPER + "spherical" + name], rel=1e-4)
    diagonal = gbc(*data, covariance="diagonal", components=components)
    assert diagonal == pytest.approx(expected[PAPER + "diagonal" + name], rel=1e-4)
    full = expected[OWN + "gbc_full_pcaK_cov_ddof0_ridge1e-4(K=min(8,d))".removeprefix("gbc_")]
    assert gbc(*data, covariance="full", components=8) == pytest.approx(full, rel=1e-9)


@pytest.mark.parametrize("covariance", ["spherical", "diagonal", "full"])
def test_one_dimension_is_the_overlap_of_two_densities(covariance):
    # classes with means 0 and 2, standard deviations 1 and 2: the coefficient is the integral of sqrt(p q)
    base = np.array([-1.0, 1.0])
    features = np.concatenate([base, 2 * base + 2])[:, None].repeat(1, axis=1)
    overlap, _ = quad(lambda x: np.sqrt(norm.pdf(x, 0, 1) * norm.pdf(x, 2, 2)), -40, 40)
    value = gbc(features, np.array([0, 0, 1, 1]), covariance=covariance, components=None)
    assert value == pytest.approx(-2 * overlap, abs=1e-4)  # the full covariance adds 1e-4


def test_spherical_in_two_dimensions_is_the_square_of_one():
    # independent equal dimensions: coefficients multiply; the published code forgets the factor d
    base = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], float)
    data = np.concatenate([base, 3 * base]), np.repeat([0, 1], 4)
    one = np.sqrt(2 * 3 / (1 + 9))
    assert gbc(*data, components=None) == pytest.approx(-2 * one**2, rel=1e-12)
    assert gbc(*data, components=None, compat="google") == pytest.approx(-2 * one, rel=1e-12)


@given(seeds)
def test_invariances_and_range(seed):
    features, labels = labelled(seed)
    generator = np.random.default_rng(seed)
    order, classes = generator.permutation(len(labels)), generator.permutation(4)
    rotation = np.linalg.qr(generator.standard_normal((5, 5)))[0]
    for covariance in ("spherical", "diagonal", "full"):
        score = gbc(features, labels, covariance=covariance, components=4)
        assert -12 <= score <= 0
        again = gbc(
            features[order] @ rotation + 3, classes[labels[order]], covariance=covariance, components=4
        )
        assert again == pytest.approx(score, rel=1e-6, abs=1e-12)
        twice = gbc(np.tile(features, (2, 1)), np.tile(labels, 2), covariance=covariance, components=4)
        assert twice == pytest.approx(score, rel=1e-8, abs=1e-12)


@given(seeds)
def test_affine_maps_leave_full_covariances_alone(seed):
    features, labels = labelled(seed, n=200)
    generator = np.random.default_rng(seed)
    first, second = (np.linalg.qr(generator.standard_normal((5, 5)))[0] for _ in range(2))
    linear = first @ np.diag(generator.uniform(10, 100, 5)) @ second
    score = gbc(100 * features, labels, covariance="full", components=None)  # where the added 1e-4 is nothing
    assert gbc(100 * features @ linear - 1, labels, covariance="full", components=None) == pytest.approx(
        score, rel=1e-3, abs=1e-9
    )


def test_far_classes_score_zero_and_equal_ones_the_least():
    generator = np.random.default_rng(0)
    noise, labels = generator.standard_normal((3000, 4)), generator.integers(0, 3, 3000)
    assert gbc(noise + 100 * labels[:, None], labels) == 0
    assert gbc(noise, labels) == pytest.approx(-6, abs=0.05)


def test_single_samples_count_or_not():
    features, labels = labelled(0)
    more = np.vstack([features, features.mean(axis=0)]), np.append(labels, 9)
    assert gbc(*more, minimum_samples=2, components=None) == pytest.approx(
        gbc(features, labels, components=None), rel=1e-12
    )
    assert gbc(*more, components=None) != gbc(features, labels, components=None)


def test_components_are_clipped_and_shared():
    features, labels = labelled(0, n=30)
    assert gbc(features, labels, components=64) == gbc(features, labels, components=5)
    moments = class_moments(features, labels)
    assert gbc_of(moments, features, labels, components=3) == pytest.approx(
        gbc(features, labels, components=3), rel=1e-12
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"labels": [1, 1, 1]}, "hold 1"),
        ({"covariance": "round"}, "'round'; expected 'spherical'"),
        ({"components": 0}, "at least 1"),
        ({"minimum_samples": 2}, "found 1"),
    ],
)
def test_bad_input_is_named(arguments, words):
    given_arguments = {"features": np.eye(3), "labels": [0, 0, 1], **arguments}
    given_arguments["labels"] = np.asarray(given_arguments["labels"])
    with pytest.raises(MetricInputError, match=words):
        gbc(given_arguments.pop("features"), given_arguments.pop("labels"), **given_arguments)
