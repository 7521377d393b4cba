"""Which images a step trains on: a function of seed and step alone, so that training can resume anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transfer_atlas.datasets.reading import PreparedDataset, Sample
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.training.ahead import in_order, pinned
from transfer_atlas.training.geometry import Window, augment, fitting_scale, random_window
from transfer_atlas.training.settings import TrainingSettings

AHEAD = 4  # batches
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
    """Augmented batches of a dataset, prepared ahead by threads."""

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

    @property
    def workers(self) -> int:
        """Threads that prepare samples: as many as the dataset was opened with."""
        return self.dataset.threads

    def batch(self, step: int, pool: Executor | None = None) -> Batch:
        """images (B, 3, *crop) uint8 and the encoded targets of one step: the same whoever prepares its samples.

        pool: threads that read and augment the samples beside one another.
        """
        settings = self.settings
        chosen = self.indices[batch_indices(len(self.indices), settings.batch_size, step, self.seed)].tolist()
        samples = list(_map(pool, self._read, chosen))
        generator = np.random.default_rng(
            [self.seed, step, 1]
        )  # one for the step: windows are drawn in order
        windows = [self._window(sample, generator) for sample in samples]
        augmented = list(_map(pool, self._augmented, samples, windows))
        return (
            _stacked(self.task, augmented)
            if pool is None
            else pool.submit(_stacked, self.task, augmented).result()
        )

    def _read(self, index: int) -> Sample:
        return self.dataset.read("train", [index], self.task.name)[0]

    def _window(self, sample: Sample, generator: np.random.Generator) -> Window:
        settings = self.settings
        return random_window(
            *sample.image.shape[1:],
            resolution=settings.resolution,
            crop=settings.crop,
            scale=settings.scale,
            generator=generator,
            boxes=sample.objects.boxes[sample.objects.asked] if sample.objects else None,
        )

    def _augmented(self, sample: Sample, window: Window) -> Sample:
        description, settings = self.dataset.description, self.settings
        flips = description.keypoints.flips if description.keypoints else ()
        zoom = window.scale / fitting_scale(*sample.image.shape[1:], settings.resolution)
        factor = 1 / zoom if settings.depth_follows_zoom else 1.0
        return augment(sample, window, settings.crop, description.mean, flips, factor)

    def __call__(self, first: int, last: int, *, pin: bool = False) -> Iterator[Batch]:
        """Batches of the steps first..last-1, a few ahead of their use; pin: for a GPU."""
        return _ahead(self.batch, first, last, self.workers, pin)


class InterleavedBatches:
    """Batches of several datasets in turn: step s is of dataset s modulo their number (paper, section 5.1)."""

    def __init__(self, parts: Sequence[Batches]) -> None:
        self.parts = parts

    def batch(self, step: int, pool: Executor | None = None) -> Batch:
        """images and encoded targets of one step, of one dataset."""
        return self.parts[step % len(self.parts)].batch(step // len(self.parts), pool)

    def __call__(self, first: int, last: int, *, pin: bool = False) -> Iterator[Batch]:
        """Batches of the steps first..last-1, a few ahead of their use; pin: for a GPU."""
        return _ahead(self.batch, first, last, max(part.workers for part in self.parts), pin)


def _map(pool: Executor | None, function: Callable[..., Any], *values: Sequence[Any]) -> Iterable[Any]:
    return map(function, *values) if pool is None else pool.map(function, *values)


def _stacked(task: TaskType, samples: Sequence[Sample]) -> Batch:
    return torch.stack([sample.image for sample in samples]), task.encode(samples)


def _ahead(
    batch: Callable[[int, Executor | None], Batch], first: int, last: int, workers: int, pin: bool
) -> Iterator[Batch]:
    """batch(step) of the steps first..last-1, prepared by threads."""

    def make(step: int, pool: Executor) -> Batch:
        made = batch(step, pool)
        return pinned(made) if pin else made

    return in_order(make, range(first, last), workers=workers, ahead=AHEAD)
