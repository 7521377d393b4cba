"""Which training images a run may use: a seeded selection, the same for every source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from transfer_atlas.datasets.reading import PreparedDataset


def selected_images(dataset: PreparedDataset, settings: Mapping[str, Any]) -> np.ndarray:
    """Sorted positions of the training images that a run may use: all, a number of them, or some of each class.

    settings: of the run; `images`, `shots` and `selection_seed` count. The selection goes by the ids of the images, so
    that it does not move when images elsewhere change; a smaller one with the same seed is part of a larger one.
    """
    seed = settings.get("selection_seed") or 0
    if settings.get("shots"):
        return select_of_each(dataset.labels("train"), settings["shots"], seed)
    return np.array(dataset.subset("train", settings.get("images"), seed), dtype=np.int64)


def select_of_each(labels: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Sorted positions of `wanted` images of each class, all where a class has no more; labels (n,) int.

    Each class is shuffled by itself, so that images of other classes do not move its selection.
    """
    chosen = []
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        chosen.append(np.random.default_rng([seed, int(label)]).permutation(places)[:wanted])
    return np.sort(np.concatenate(chosen)) if chosen else np.arange(0)
