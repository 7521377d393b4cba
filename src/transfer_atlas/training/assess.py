"""What is measured of a trained model: on the evaluation set, on a sample of its training images, and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.model import Model
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.device import Device
from transfer_atlas.training.evaluate import PER_IMAGE_FILE, evaluate
from transfer_atlas.training.notes import notes_of
from transfer_atlas.training.panels import write_panels
from transfer_atlas.training.settings import TrainingSettings

TRAINING_SAMPLE = 50  # of the images that a model was trained on, on which it is evaluated as well


def assess(
    model: Model,
    task: TaskType,
    dataset: PreparedDataset,
    settings: TrainingSettings,
    fitted: np.ndarray,
    curve: list[tuple[int, float]],
    *,
    accelerator: Device,
    scoring: EvaluationSettings | None,
    output: Path,
    seed: int,
) -> dict[str, Any]:
    """Metrics on the evaluation set, with `training_value` on a sample of the images that were `fitted`, and `notes`.

    output: folder that results image by image and panels are written into.
    Raises LegitimateFailure as `evaluate` does.
    """
    shared = {"accelerator": accelerator, "scoring": scoring}
    metrics = evaluate(model, task, dataset, settings, **shared, per_image=output / PER_IMAGE_FILE)
    sample = np.sort(np.random.default_rng([seed, 3]).permutation(fitted)[:TRAINING_SAMPLE])
    try:
        own = evaluate(model, task, dataset, settings, **shared, split="train", indices=sample)
    except LegitimateFailure as failure:
        if failure.status == "diverged":
            raise
        own = None  # nothing is annotated on the few images of the sample
    return metrics | {
        "training_value": None if own is None else own["value"],
        "training_images": len(sample),
        "notes": notes_of(task.name, metrics, own, curve),
        "panels": write_panels(model, task, dataset, settings, output, **shared),
    }
