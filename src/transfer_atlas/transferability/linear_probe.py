"""Linear probe: how well a linear classifier on frozen features tells a target's classes, on images held out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from transfer_atlas.transferability.arrays import MetricInputError, UndefinedError

STRENGTHS = (1.0, 10.0, 100.0)  # inverse of the penalty, of features of mean square 1 per sample
STEPS = 200
Represent = Callable[
    [np.ndarray], np.ndarray
]  # features (n, d), whose scale is fitted on the rows of a mask (n,)


@dataclass(frozen=True)
class Probe:
    """What a probe reached on samples held out: share of right ones, and its mean over the classes among them."""

    accuracy: float
    class_accuracy: float


def held_out_samples(
    labels: np.ndarray, images: np.ndarray, share: float, generator: np.random.Generator
) -> np.ndarray:
    """Truths (n,) of the samples whose images are held out: `share` of the images, and at least one.

    Where each image is one sample, as in classification, images are held out class by class, and each class of two
    or more keeps one for training. No image is on both sides. Raises UndefinedError for fewer than two images, or
    where nothing could be held out.
    """
    names = np.unique(images)
    if len(names) < 2:
        raise UndefinedError(f"a probe holds images out, but the samples are of {len(names)}.")
    if len(names) == len(images):
        out: list[np.ndarray] = []
        for label in np.unique(labels):
            own = generator.permutation(images[labels == label])
            out.append(own[: min(max(1, round(share * len(own))), len(own) - 1)])
        held = np.concatenate(out)
    else:
        number = min(max(1, round(share * len(names))), len(names) - 1)
        held = generator.permutation(names)[:number]
    found = np.isin(images, held)
    if not found.any():
        raise UndefinedError("a probe holds images out, but no class has two of them.")
    return found


def linear_probe(
    represent: Represent,
    labels: np.ndarray,
    images: np.ndarray,
    held_out: np.ndarray,
    generator: np.random.Generator,
    strengths: Sequence[float] = STRENGTHS,
) -> Probe:
    """Logistic regression with an L2 penalty on the samples that are not held out, judged on those that are.

    Parameters
    ----------
    represent
        Gives features (n, d) of all n samples; what of them is fitted to data sees the rows of the mask it is handed.
    labels, images
        (n,) integers: class and image of each sample.
    held_out
        (n,) truths, as `held_out_samples` gives them.
    generator
        Of the images that are held out once more, among those of training, to pick the strength of the penalty
        (scikit-learn's C); the first of `strengths` where that cannot be done.

    Notes
    -----
    Samples of a class that training has not seen count as wrong. Raises UndefinedError where training has a single
    class, MetricInputError where shapes do not fit.
    """
    if not len(labels) == len(images) == len(held_out):
        raise MetricInputError(
            f"there are {len(labels)} labels, {len(images)} images and {len(held_out)} marks of what is held out."
        )
    training = ~held_out
    if len(np.unique(labels[training])) < 2:
        raise UndefinedError("a probe tells classes apart, but its training samples hold one class only.")
    chosen = strengths[0]
    inner = _inner(labels, images, training, generator) if len(strengths) > 1 else None
    if inner is not None:
        kept = training & ~inner
        features = represent(kept)
        found = [_judged(features, labels, kept, inner, strength).accuracy for strength in strengths]
        chosen = strengths[int(np.argmax(found))]  # the strongest penalty of equal ones
    return _judged(represent(training), labels, training, held_out, chosen)


def _inner(
    labels: np.ndarray, images: np.ndarray, training: np.ndarray, generator: np.random.Generator
) -> np.ndarray | None:
    """A quarter of the training images as truths over all samples; None where too little would be left."""
    inner = np.zeros(len(labels), bool)
    try:
        inner[training] = held_out_samples(labels[training], images[training], 0.25, generator)
    except UndefinedError:
        return None
    return inner if len(np.unique(labels[training & ~inner])) > 1 else None


def _judged(
    features: np.ndarray, labels: np.ndarray, training: np.ndarray, held_out: np.ndarray, strength: float
) -> Probe:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a probe stopped early is a probe
        model = LogisticRegression(C=strength, max_iter=STEPS).fit(features[training], labels[training])
    truth = labels[held_out]
    right = model.predict(features[held_out]) == truth
    classes = [right[truth == label].mean() for label in np.unique(truth)]
    return Probe(float(right.mean()), float(np.mean(classes)))
