"""Evaluates a model on complete images at a single scale (paper, section 5.1)."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.models.model import Model
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.finite import require_finite_metrics, require_finite_outputs
from transfer_atlas.training.geometry import complete_images
from transfer_atlas.training.settings import TrainingSettings


@torch.inference_mode()
def evaluate(
    model: Model,
    task: TaskType,
    dataset: PreparedDataset,
    settings: TrainingSettings,
    *,
    accelerator: Accelerator,
    split: str = "val",
    indices: np.ndarray | None = None,
    scoring: EvaluationSettings | None = None,
) -> dict[str, Any]:
    """Metrics of `model` on a split (or on `indices` of it): what the task type's evaluator returns.

    scoring: how predictions are scored, where the task type leaves a choice.
    Raises LegitimateFailure where the metric is not defined, or the outputs are not finite (`diverged`), DatasetError
    where the split is absent.
    """
    model.to(accelerator.device, memory_format=torch.channels_last)
    model.eval()
    evaluator = task.evaluator(dataset.description, scoring)
    places = np.arange(dataset.count(split)) if indices is None else indices
    mean = dataset.description.mean
    for start in range(0, len(places), settings.batch_size):
        samples = dataset.read(split, places[start : start + settings.batch_size].tolist(), task.name)
        for places_of, inputs, extents in complete_images(samples, settings.resolution, mean):
            images = inputs.to(accelerator.device, memory_format=torch.channels_last)
            with accelerator.autocast():
                outputs = model(images)
            require_finite_outputs(outputs)
            evaluator.update(outputs, [samples[place] for place in places_of], extents)
    metrics = evaluator.result()
    require_finite_metrics(metrics)
    return metrics
