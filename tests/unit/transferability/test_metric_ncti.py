"""NCTI: the same by scikit-learn's discriminant analysis, combined scores by hand, bad input."""

from __future__ import annotations

import numpy as np
import pytest
from metric_examples import CLASSIFICATION, golden, labelled
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from transfer_atlas.transferability import MetricInputError, UndefinedError, combine_parts, ncti
from transfer_atlas.transferability.ncti import WEIGHTS


def by_scikit_learn(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    rank = np.linalg.matrix_rank(x.astype(np.float64) - x.mean(axis=0, dtype=np.float64))
    pca = PCA(min(64, rank), svd_solver="full")
    z = pca.fit_transform(x.astype(np.float64))
    shrinkage = max(float(np.exp(-pca.explained_variance_[:32].sum())), 1e-10)
    solver = {"solver": "svd"} if shrinkage == 1e-10 else {"solver": "eigen", "shrinkage": shrinkage}
    found = LinearDiscriminantAnalysis(**solver)
    low = found.fit_transform(z, y)
    theta = found.predict_proba(z)
    classes = np.unique(y)
    nuclear = sum(np.linalg.norm(theta[y == k], "nuc") for k in classes)
    own = theta[np.arange(len(y)), np.searchsorted(classes, y)].mean()
    return np.linalg.norm(low - low.mean(axis=0), "nuc"), own, float(np.log(nuclear))


@pytest.mark.parametrize("case", CLASSIFICATION)
def test_goldens_of_the_authors_steps(case):
    arrays, _ = golden(case)
    found = ncti(arrays["X"], arrays["y"])
    assert (found.geometry, found.nearest_centre, found.collapse) == pytest.approx(
        by_scikit_learn(arrays["X"], arrays["y"]), rel=1e-6
    )


def by_the_definition(z: np.ndarray, y: np.ndarray, shrinkage: float) -> tuple[float, float, float]:
    """Everything from covariances, for p components; shrunk covariances of all samples less those within classes."""
    n, p, c = len(z), z.shape[1], len(np.unique(y))
    z = z - z.mean(axis=0)

    def shrunk(matrix: np.ndarray) -> np.ndarray:
        return (1 - shrinkage) * matrix + shrinkage * np.trace(matrix) / p * np.eye(p)

    means = np.stack([z[y == k].mean(axis=0) for k in range(c)])
    within = shrunk(sum((z[y == k] - means[k]).T @ (z[y == k] - means[k]) for k in range(c)) / n)
    between = shrunk(z.T @ z / n) - within if shrinkage else means.T @ (means * np.bincount(y)[:, None])
    values, vectors = np.linalg.eig(np.linalg.solve(within, between))
    leading = np.real(vectors[:, np.argsort(-np.real(values))[: c - 1]])
    leading = leading / np.sqrt(np.diag(leading.T @ within @ leading))
    logits = z @ np.linalg.solve(within, means.T) + np.log(np.bincount(y) / n)
    logits -= [m @ np.linalg.solve(within, m) / 2 for m in means]
    theta = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    nuclear = sum(
        np.sqrt(np.linalg.eigvalsh(theta[y == k].T @ theta[y == k]).clip(0)).sum() for k in range(c)
    )
    return np.linalg.norm(z @ leading, "nuc"), theta[np.arange(n), y].mean(), float(np.log(nuclear))


def test_small_features_by_the_definition():
    x, y = labelled(5, n=200, d=6, c=3)
    x = x / np.abs(x).max()
    amount = float(np.exp(-x.var(axis=0, ddof=1).sum()))
    assert 0.1 < amount < 0.95
    found = ncti(x, y)
    assert (found.geometry, found.nearest_centre, found.collapse) == pytest.approx(
        by_the_definition(x, y, amount), rel=1e-6
    )


def test_large_features_by_the_definition():
    x, y = labelled(6, n=150, d=5, c=4)
    x = 20 * x
    found = ncti(x, y)
    assert (found.geometry, found.nearest_centre, found.collapse) == pytest.approx(
        by_the_definition(x, y, 0.0), rel=1e-6
    )


def test_combined_scores_by_hand():
    parts = np.array([[0.0, 5.0, 1.0], [10.0, 5.0, 3.0], [5.0, 5.0, 2.0], [7.0, np.nan, 2.0]])
    found = combine_parts(parts, np.array(WEIGHTS))
    np.testing.assert_allclose(found, [0, 1 - 1, 0.5 - 0.5, np.nan])
    np.testing.assert_allclose(combine_parts(parts[:3]), [0, 2, 1])
    with pytest.raises(MetricInputError, match="3 parts, but weights of shape"):
        combine_parts(parts, np.ones(2))
    with pytest.raises(MetricInputError, match="shape"):
        combine_parts(np.zeros((0, 3)))


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (np.eye(4), [1, 1, 1, 1], "NCTI compares classes"),
        (np.eye(4), [0, 1, 2, 3], "class of its own"),
        (np.ones((4, 2)), [0, 1, 0, 1], "vary within classes"),
        (np.eye(2)[[0, 0, 1, 1]], [0, 0, 1, 1], "vary within classes"),
    ],
)
def test_bad_input_is_named(x, y, words):
    with pytest.raises(UndefinedError, match=words):
        ncti(x, np.asarray(y))
