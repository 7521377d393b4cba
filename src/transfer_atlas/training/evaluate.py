"""Evaluates a model on complete images at a single scale (paper, section 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from transfer_atlas.datasets.reading import PreparedDataset, Sample
from transfer_atlas.models.model import Model
from transfer_atlas.process.stopping import stop_if_asked
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.ahead import in_order, pinned
from transfer_atlas.training.device import Device, memory_format, pins_memory
from transfer_atlas.training.finite import require_finite_metrics, require_finite_outputs
from transfer_atlas.training.geometry import complete_image
from transfer_atlas.training.settings import TrainingSettings

PER_IMAGE_FILE = "per_image.parquet"  # beside run.json: results image by image
BATCHES_HELD = 4  # of images that wait for others of their size, so that these are computed together

Ready = tuple[
    Sample, Tensor, tuple[int, int]
]  # a sample, its input (3, H, W) uint8, and the extent that it fills


@torch.inference_mode()
def evaluate(
    model: Model,
    task: TaskType,
    dataset: PreparedDataset,
    settings: TrainingSettings,
    *,
    accelerator: Device,
    split: str = "val",
    indices: np.ndarray | None = None,
    scoring: EvaluationSettings | None = None,
    per_image: Path | None = None,
) -> dict[str, Any]:
    """Metrics of `model` on a split (or on `indices` of it): what the task type's evaluator returns.

    scoring: how predictions are scored, where the task type leaves a choice. per_image: a file for the results image
    by image (`Evaluator.per_image` tells its columns).
    Raises LegitimateFailure where the metric is not defined, or the outputs are not finite (`diverged`), DatasetError
    where the split is absent.
    """
    model.to(accelerator.device, memory_format=memory_format(accelerator.device))
    model.eval()
    evaluator = task.evaluator(dataset.description, scoring)
    places = np.arange(dataset.count(split)) if indices is None else indices
    for samples, inputs, extents in _batches(dataset, task, split, places, settings, accelerator.device):
        images = inputs.to(
            accelerator.device, memory_format=memory_format(accelerator.device), non_blocking=True
        )
        with accelerator.autocast():
            outputs = model(images)
        require_finite_outputs(outputs)
        evaluator.update(outputs, samples, extents)
        stop_if_asked("while it evaluated")
    metrics = evaluator.result()
    require_finite_metrics(metrics)
    if per_image is not None:
        per_image.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(evaluator.per_image()), per_image, compression="zstd")
    return metrics


def _batches(
    dataset: PreparedDataset,
    task: TaskType,
    split: str,
    places: Sequence[int] | np.ndarray,
    settings: TrainingSettings,
    device: torch.device,
) -> Iterator[tuple[list[Sample], Tensor, list[tuple[int, int]]]]:
    """Samples, inputs (B, 3, H, W) uint8 and extents, in batches of one size, read ahead by threads."""
    mean, pin = dataset.description.mean, pins_memory(device)

    def ready(place: int, _: Executor) -> Ready:
        sample = dataset.read(split, [place], task.name)[0]
        pixels, extent = complete_image(sample, settings.resolution, mean)
        # its size is all that scoring asks of the picture, which would stand in memory while others are awaited
        sample = replace(sample, image=torch.zeros(1, dtype=torch.uint8).expand(sample.image.shape))
        return sample, pixels, extent

    jobs = [int(place) for place in places]
    each = in_order(ready, jobs, workers=1, ahead=2 * settings.batch_size, makers=max(1, dataset.threads))
    for group in grouped(each, settings.batch_size):
        samples, inputs, extents = zip(*group, strict=True)
        stacked = torch.stack(inputs)
        yield list(samples), pinned(stacked) if pin else stacked, list(extents)


def grouped(images: Iterable[Ready], size: int) -> Iterator[list[Ready]]:
    """Images in groups of one shape, of `size` but for the last of each shape.

    At most BATCHES_HELD * size images wait: then the largest group goes. The order of images alone decides.
    """
    waiting: dict[tuple[int, ...], list[Ready]] = {}
    for image in images:
        shape = tuple(image[1].shape)
        waiting.setdefault(shape, []).append(image)
        if len(waiting[shape]) == size:
            yield waiting.pop(shape)
        elif sum(map(len, waiting.values())) >= BATCHES_HELD * size:
            yield waiting.pop(max(waiting, key=lambda each: len(waiting[each])))
    yield from waiting.values()
