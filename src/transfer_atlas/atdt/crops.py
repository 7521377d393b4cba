"""Unpaired crops of two datasets for CycleGAN: a function of seed and step alone, so that training can resume."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import numpy as np
import torch
from torch import Tensor

from transfer_atlas.atdt.settings import TranslationSettings
from transfer_atlas.datasets.reading import COLUMNS, PreparedDataset
from transfer_atlas.training.ahead import in_order, pinned
from transfer_atlas.training.batches import AHEAD, Batch, batch_indices
from transfer_atlas.training.geometry import Window, cut


class CropPairs:
    """Batches of as many crops of A as of B, A's first: (2 B, 3, *crop) uint8, without targets.

    An image is taken at its own size, or enlarged until it covers the crop; half of the crops are mirrored.
    """

    def __init__(self, a: PreparedDataset, b: PreparedDataset, settings: TranslationSettings) -> None:
        self.datasets, self.settings = (a, b), settings
        self.task_types = [
            next(name for name in COLUMNS if getattr(dataset.description, name, None) is not None)
            for dataset in self.datasets
        ]

    def batch(self, step: int) -> Batch:
        """The crops of one step."""
        settings, crops = self.settings, []
        for number, (dataset, task_type) in enumerate(zip(self.datasets, self.task_types, strict=True)):
            # other orders for A and B, so that scenes that correspond are not trained on as pairs
            seed = 2 * settings.seed + number
            chosen = batch_indices(dataset.count("train"), settings.batch_size, step, seed).tolist()
            chance = np.random.default_rng([seed, step, 1])
            crops += [
                random_crop(sample.image, settings.crop, chance)
                for sample in dataset.read("train", chosen, task_type)
            ]
        return torch.stack(crops), {}

    def __call__(self, first: int, last: int, *, pin: bool = False) -> Iterator[Batch]:
        """The steps first..last-1, a few ahead of their use; pin: for a GPU."""

        def make(step: int, pool: Executor) -> Batch:
            made = self.batch(step)
            return pinned(made) if pin else made

        workers = max(dataset.threads for dataset in self.datasets)
        return in_order(make, range(first, last), workers=workers, ahead=AHEAD)


def random_crop(image: Tensor, crop: tuple[int, int], generator: np.random.Generator) -> Tensor:
    """A crop (3, *crop) of an image (3, H, W) uint8, perhaps mirrored; an image that is smaller is enlarged."""
    height, width = image.shape[1:]
    factor = max(1.0, crop[0] / height, crop[1] / width)
    room = [max(0, round(side * factor) - wanted) for side, wanted in zip((height, width), crop, strict=True)]
    top, left = (int(generator.integers(space, endpoint=True)) for space in room)
    return cut(image, Window(factor, top, left, bool(generator.random() < 0.5)), crop, fill=0, nearest=False)
