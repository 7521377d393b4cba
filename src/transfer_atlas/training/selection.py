"""Which training images a run may use: a seeded selection by ids, the same for every source.

A selection is a fact about the ids it chooses from and nothing else (`datasets/subsets.py`): an image that is added,
removed or moved to another shard takes a place of its own, and moves no other into or out of the selection but one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.subsets import order_of


def selected_images(dataset: PreparedDataset, settings: Mapping[str, Any]) -> np.ndarray:
    """Sorted positions of the training images that a run may use: all, a number of them, or some of each class.

    settings: of the run; `images`, `shots` and `selection_seed` count. The selection goes by the ids of the images, so
    that it does not move when images elsewhere change; a smaller one with the same seed is part of a larger one.
    """
    seed = settings.get("selection_seed") or 0
    if settings.get("shots"):
        return select_of_each(dataset.ids("train"), dataset.labels("train"), settings["shots"], seed)
    return np.array(dataset.subset("train", settings.get("images"), seed), dtype=np.int64)


def select_of_each(ids: Sequence[str], labels: np.ndarray, wanted: int, seed: int) -> np.ndarray:
    """Sorted positions of `wanted` images of each class, all where a class has no more; labels (n,) int."""
    chosen: list[int] = []
    taken: dict[int, int] = {}
    for at in order_of(ids, seed):
        label = int(labels[at])
        if taken.get(label, 0) < wanted:
            taken[label] = taken.get(label, 0) + 1
            chosen.append(at)
    return np.array(sorted(chosen), dtype=np.int64)
