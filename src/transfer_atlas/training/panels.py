"""A few pictures of what a model answers, kept beside its result: input, annotation, prediction and error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.models.model import Model
from transfer_atlas.tasks.answers import annotated_answer, answers_of
from transfer_atlas.tasks.drawing import draw, draw_error, side_by_side
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.device import Device, memory_format
from transfer_atlas.training.geometry import complete_images
from transfer_atlas.training.settings import TrainingSettings

PANELS_FOLDER = "panels"  # beside run.json
SHOWN = 4  # images of the validation split, the same in every run
LEAST_SCORE = 0.3  # of objects that are drawn


@torch.inference_mode()
def write_panels(
    model: Model,
    task: TaskType,
    dataset: PreparedDataset,
    settings: TrainingSettings,
    folder: Path,
    *,
    accelerator: Device,
    scoring: EvaluationSettings | None = None,
) -> list[dict[str, Any]]:
    """Write a row of tiles for each of a few images. Returns which file shows which image, and what its tiles are.

    The images are spread evenly over the validation split, so that every run on a dataset shows the same.
    """
    count = dataset.count("val")
    places = sorted({round(place) for place in np.linspace(0, count - 1, min(SHOWN, count)).tolist()})
    samples = dataset.read("val", places, task.name)
    description, shown = dataset.description, []
    model.to(accelerator.device).eval()
    for group, inputs, extents in complete_images(samples, settings.resolution, description.mean):
        with accelerator.autocast():
            outputs = model(inputs.to(accelerator.device, memory_format=memory_format(accelerator.device)))
        sizes = [tuple(samples[place].image.shape[1:]) for place in group]
        for place, answer in zip(
            group, answers_of(task.name, outputs, sizes, extents, description, scoring), strict=True
        ):
            picture = samples[place].image.permute(1, 2, 0).contiguous().numpy()
            annotated = annotated_answer(samples[place], description)
            tiles = {
                "input": Image.fromarray(picture),
                "annotation": draw(picture, annotated, description),
                "prediction": draw(picture, answer.certain(LEAST_SCORE), description),
                "error": draw_error(answer, annotated, description),
            }
            drawn = {name: tile for name, tile in tiles.items() if tile is not None}
            file = f"{PANELS_FOLDER}/{place}.jpg"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            side_by_side(list(drawn.values())).save(folder / file, quality=85)
            shown.append({"file": file, "image": samples[place].id, "tiles": list(drawn)})
    return sorted(shown, key=lambda panel: panel["file"])
