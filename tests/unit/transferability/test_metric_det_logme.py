"""Det-LogME: LogME of the unified targets, boxes fitted by hand, properties, bad input."""

from __future__ import annotations

import numpy as np
import pytest

from transfer_atlas.transferability import MetricInputError, UndefinedError, det_logme, logme_regression


def objects(seed: int, n: int = 80, d: int = 6, c: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features, classes and boxes of objects, boxes partly told by the features."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, c, n)
    features = generator.standard_normal((n, d))
    features[:, :c] += 3 * np.eye(c)[labels]
    boxes = 0.5 + 0.03 * features[:, :4] + 0.02 * generator.standard_normal((n, 4))
    return features, labels, boxes.clip(0.05, 0.95)


def test_unified_is_logme_of_boxes_in_the_columns_of_their_class():
    features, labels, boxes = objects(0)
    unified = np.zeros((80, 12))
    for i, label in enumerate(labels):
        unified[i, 4 * label : 4 * label + 4] = boxes[i]
    assert det_logme(features, labels, boxes).unified == pytest.approx(
        logme_regression(features, unified), abs=1e-9
    )
    assert det_logme(features, 9 - 3 * labels, boxes).unified == pytest.approx(
        logme_regression(features, unified), abs=1e-9
    )


def test_overlap_by_ridge_regression():
    features, labels, boxes = objects(1)
    found = det_logme(features, labels, boxes)
    overlaps = []
    for code in range(3):
        fitted = np.zeros((80, 4))
        for side in range(4):
            target = np.where(labels == code, boxes[:, side], 0.0)
            best = (-np.inf, None)
            for t in np.exp(np.linspace(-20, 12, 1281)):  # the evidence of a Gaussian, beta in closed form
                cover = np.eye(80) + features @ features.T / t
                noise = target @ np.linalg.solve(cover, target) / 80
                value = -np.linalg.slogdet(cover)[1] / 2 - 40 * np.log(noise)
                best = max(best, (value, t))
            gram = features.T @ features + best[1] * np.eye(6)
            fitted[:, side] = features @ np.linalg.solve(gram, features.T @ target)
        for i in np.flatnonzero(labels == code):
            (x, y, w, h), (u, v, p, q) = fitted[i], boxes[i]
            w, h = max(w, 0), max(h, 0)
            wide = max(0, min(x + w / 2, u + p / 2) - max(x - w / 2, u - p / 2))
            high = max(0, min(y + h / 2, v + q / 2) - max(y - h / 2, v - q / 2))
            overlaps.append(wide * high / (w * h + p * q - wide * high))
    assert found.overlap == pytest.approx(np.mean(overlaps), abs=1e-3)


def test_features_that_hold_the_boxes_score_higher():
    features, labels, boxes = objects(2, n=200)
    told = np.zeros((200, 12))
    for i, label in enumerate(labels):
        told[i, 4 * label : 4 * label + 4] = boxes[i]
    good, poor = det_logme(np.hstack([features, told]), labels, boxes), det_logme(features, labels, boxes)
    assert good.unified > poor.unified
    assert good.overlap == pytest.approx(1, abs=1e-3) and poor.overlap < 0.9
    scaled = det_logme(1e5 * features, labels, boxes)
    assert (scaled.unified, scaled.overlap) == pytest.approx((poor.unified, poor.overlap), abs=1e-6)
    assert det_logme(features, 0 * labels, boxes).overlap > 0  # one class: boxes still tell sources apart


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda b: b[:, :3], "boxes have 3 columns"),
        (lambda b: 300 * b, "Divide by the image's size"),
        (lambda b: np.where(np.arange(4) == 2, 0.0, b), "box 0 is .* positive width"),
        (lambda b: b[:5], "5 rows, but there are 80"),
    ],
)
def test_bad_boxes_are_named(change, words):
    features, labels, boxes = objects(3)
    with pytest.raises(MetricInputError, match=words):
        det_logme(features, labels, change(boxes))


def test_what_any_boxes_fit_is_undefined():
    features, labels, boxes = objects(4, n=10, d=20)
    with pytest.raises(UndefinedError, match="10 objects in as many independent dimensions"):
        det_logme(features, labels, boxes)
    with pytest.raises(UndefinedError, match="all zero"):
        det_logme(0 * features, labels, boxes)
