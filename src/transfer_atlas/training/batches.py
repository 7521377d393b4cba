"""Which images a step trains on: a function of seed and step alone, so that training can resume anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.training.geometry import augment, random_window
from transfer_atlas.training.settings import TrainingSettings

Batch = tuple[Tensor, dict[str, Tensor]]  # images (B, 3, *crop) uint8, and the encoded targets


def batch_indices(count: int, batch_size: int, step: int, seed: int) -> np.ndarray:
    """Positions (batch_size,) into `count` images for one step: every image once an epoch, in an order drawn
    anew each epoch. Batches run on across epochs, so that all have the same size.
    """
    places = np.arange(step * batch_size, (step + 1) * batch_size)
    orders = {
        epoch: np.random.default_rng([seed, epoch]).permutation(count) for epoch in np.unique(places // count)
    }
    return np.array([orders[place // count][place % count] for place in places])


class Batches:
    """Augmented batches of a dataset, prepared ahead in a background thread."""

    def __init__(
        self,
        dataset: PreparedDataset,
        task: TaskType,
        indices: np.ndarray,
        settings: TrainingSettings,
        seed: int,
    ) -> None:
        """indices: positions in the training split that may be used."""
        self.dataset, self.task, self.indices, self.settings, self.seed = (
            dataset,
            task,
            indices,
            settings,
            seed,
        )

    def batch(self, step: int) -> Batch:
        """images (B, 3, *crop) uint8 and the encoded targets of one step."""
        settings = self.settings
        chosen = self.indices[batch_indices(len(self.indices), settings.batch_size, step, self.seed)]
        generator = np.random.default_rng([self.seed, step, 1])
        description, samples = self.dataset.description, []
        flips = description.keypoints.flips if description.keypoints else ()
        for sample in self.dataset.read("train", chosen.tolist(), self.task.name):
            window = random_window(
                *sample.image.shape[1:],
                resolution=settings.resolution,
                crop=settings.crop,
                scale=settings.scale,
                generator=generator,
                boxes=sample.objects.boxes[sample.objects.asked] if sample.objects else None,
            )
            samples.append(augment(sample, window, settings.crop, description.mean, flips))
        return torch.stack([sample.image for sample in samples]), self.task.encode(samples)

    def __call__(self, first: int, last: int) -> Iterator[Batch]:
        """Batches of the steps first..last-1, a few ahead of their use."""
        return _ahead(self.batch, first, last)


class InterleavedBatches:
    """Batches of several datasets in turn: step s is of dataset s modulo their number (paper, section 5.1)."""

    def __init__(self, parts: Sequence[Batches]) -> None:
        self.parts = parts

    def batch(self, step: int) -> Batch:
        """images and encoded targets of one step, of one dataset."""
        return self.parts[step % len(self.parts)].batch(step // len(self.parts))

    def __call__(self, first: int, last: int) -> Iterator[Batch]:
        """Batches of the steps first..last-1, a few ahead of their use."""
        return _ahead(self.batch, first, last)


def _ahead(batch: Callable[[int], Batch], first: int, last: int, ahead: int = 2) -> Iterator[Batch]:
    """batch(step) of the steps first..last-1, prepared in a background thread."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="batches") as pool:
        waiting = [pool.submit(batch, step) for step in range(first, min(first + ahead, last))]
        for step in range(first, last):
            if step + ahead < last:
                waiting.append(pool.submit(batch, step + ahead))
            yield waiting.pop(0).result()
