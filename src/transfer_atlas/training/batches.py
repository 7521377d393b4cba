"""Which images a step trains on: a function of seed and step alone, so that training can resume anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transfer_atlas.datasets.reading import Outline, PreparedDataset, Sample, Stored
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.training.ahead import in_order, pinned
from transfer_atlas.training.geometry import Window, augment, fitting_scale, random_window
from transfer_atlas.training.settings import TrainingSettings

AHEAD = 4  # batches
Batch = tuple[Tensor, dict[str, Tensor]]  # images (B, 3, *crop) uint8, and the encoded targets
# Of the size of a batch: which of its places are made, in this order; None: all.
Places = Callable[[int], np.ndarray | None]


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

    def batch(self, step: int, pool: Executor | None = None, places: Places | None = None) -> Batch:
        """images (B, 3, *crop) uint8 and the encoded targets of one step: the same whoever prepares its samples.

        pool: threads that read and augment the samples beside one another. places: of a process that makes its share
        of the batch only; of the other images it looks up what their windows depend on.
        """
        settings = self.settings
        chosen = self.indices[batch_indices(len(self.indices), settings.batch_size, step, self.seed)].tolist()
        own = places(settings.batch_size) if places is not None else None
        own = list(range(len(chosen))) if own is None else own.tolist()
        stored = self.dataset.stored("train", [chosen[place] for place in own], self.task.name)
        outlines = {place: image.outline for place, image in zip(own, stored, strict=True)}
        if others := [place for place in range(len(chosen)) if place not in outlines]:
            asked = [chosen[place] for place in others]
            outlines |= zip(others, self.dataset.outlines("train", asked, self.task.name), strict=True)
        generator = np.random.default_rng(
            [self.seed, step, 1]
        )  # one for the step: windows are drawn in order
        windows = [self._window(outlines[place], generator) for place in range(len(chosen))]
        images = torch.empty((len(own), 3, *settings.crop), dtype=torch.uint8)
        # each image is decoded, augmented and gone before the next: what it leaves in caches and memory is used again
        samples = list(_map(pool, self._augmented, stored, [windows[place] for place in own], images))
        encode = self.task.encode
        return images, encode(samples) if pool is None else pool.submit(encode, samples).result()

    def _window(self, outline: Outline, generator: np.random.Generator) -> Window:
        settings = self.settings
        return random_window(
            outline.height,
            outline.width,
            resolution=settings.resolution,
            crop=settings.crop,
            scale=settings.scale,
            generator=generator,
            boxes=outline.boxes,
        )

    def _augmented(self, image: Stored, window: Window, into: Tensor) -> Sample:
        sample = image.decode()
        description, settings = self.dataset.description, self.settings
        flips = description.keypoints.flips if description.keypoints else ()
        zoom = window.scale / fitting_scale(*sample.image.shape[1:], settings.resolution)
        factor = 1 / zoom if settings.depth_follows_zoom else 1.0
        return augment(sample, window, settings.crop, description.mean, flips, factor, into)

    def __call__(
        self, first: int, last: int, *, pin: bool = False, places: Places | None = None
    ) -> Iterator[Batch]:
        """Batches of the steps first..last-1, a few ahead of their use; pin: for a GPU; places: of a share of each."""
        return _ahead(partial(self.batch, places=places), first, last, self.workers, pin)


class InterleavedBatches:
    """Batches of several datasets in turn: step s is of dataset s modulo their number (paper, section 5.1)."""

    def __init__(self, parts: Sequence[Batches]) -> None:
        self.parts = parts

    def batch(self, step: int, pool: Executor | None = None, places: Places | None = None) -> Batch:
        """images and encoded targets of one step, of one dataset."""
        return self.parts[step % len(self.parts)].batch(step // len(self.parts), pool, places)

    def __call__(
        self, first: int, last: int, *, pin: bool = False, places: Places | None = None
    ) -> Iterator[Batch]:
        """Batches of the steps first..last-1, a few ahead of their use; pin: for a GPU; places: of a share of each."""
        workers = max(part.workers for part in self.parts)
        return _ahead(partial(self.batch, places=places), first, last, workers, pin)


def _map(pool: Executor | None, function: Callable[..., Any], *values: Sequence[Any]) -> Iterable[Any]:
    return map(function, *values) if pool is None else pool.map(function, *values)


def _ahead(
    batch: Callable[[int, Executor | None], Batch], first: int, last: int, workers: int, pin: bool
) -> Iterator[Batch]:
    """batch(step) of the steps first..last-1, prepared by threads."""

    def make(step: int, pool: Executor) -> Batch:
        made = batch(step, pool)
        return pinned(made) if pin else made

    return in_order(make, range(first, last), workers=workers, ahead=AHEAD)
