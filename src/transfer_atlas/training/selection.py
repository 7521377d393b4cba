"""Which training images a run may use: a seeded selection, the same for every source."""

from __future__ import annotations

import numpy as np


def select_images(count: int, wanted: int | None, seed: int) -> np.ndarray:
    """Sorted positions of a seeded selection of `wanted` of `count` images; all of them if there are no more.

    A smaller selection with the same seed is part of a larger one.
    """
    if wanted is None or wanted >= count:
        return np.arange(count)
    return np.sort(np.random.default_rng(seed).permutation(count)[:wanted])


def select_of_each(labels: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Sorted positions of `wanted` images of each class, all where a class has no more; labels (n,) int.

    Each class is shuffled by itself, so that images of other classes do not move its selection.
    """
    chosen = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        chosen.append(np.random.default_rng([seed, int(label)]).permutation(places)[:wanted])
    return np.sort(np.concatenate(chosen)) if chosen else np.arange(0)
