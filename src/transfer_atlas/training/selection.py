"""Which training images a run may use: a seeded selection by ids, the same for every source.

A selection is a fact about the ids it chooses from and nothing else (`datasets/subsets.py`): an image that is added,
removed or moved to another shard takes a place of its own, and moves no other into or out of the selection but one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from transfer_atlas.datasets.subsets import order_of, subset


def select_images(ids: Sequence[str], wanted: int | None, seed: int) -> np.ndarray:
    """Sorted positions of a seeded selection of `wanted` of the images; all of them if there are no more.

    A smaller selection with the same seed is part of a larger one.
    """
    return np.array(subset(ids, wanted, seed), dtype=np.int64)


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
