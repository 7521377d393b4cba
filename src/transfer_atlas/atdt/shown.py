"""A few images of an evaluation, kept tile by tile: input, truth and prediction, for panels of several methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from transfer_atlas.atdt.views import View
from transfer_atlas.tasks.answers import Answer, annotated_answer, answers_of
from transfer_atlas.tasks.drawing import colours_of_depth, colours_of_mask, colours_of_normals
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.training.device import Device, memory_format
from transfer_atlas.training.geometry import complete_images
from transfer_atlas.training.settings import TrainingSettings

SHOWN = 3  # images, spread evenly over the evaluation set: the same for every method
LONGEST = 256  # side of a tile


@torch.inference_mode()
def write_shown(
    model: nn.Module,
    task: TaskType,
    view: View,
    settings: TrainingSettings,
    folder: Path,
    *,
    accelerator: Device,
) -> list[dict[str, Any]]:
    """Write `shown/<place>-<tile>.png`. Returns image ids and files, tile by tile."""
    count = view.count("val")
    places = sorted(
        {round(at) for at in np.linspace(0, count - 1, min(SHOWN + 2, count)).tolist()[1:-1] or [0]}
    )
    samples, found = view.read("val", places, task.name), []
    model.to(accelerator.device).eval()
    (folder / "shown").mkdir(parents=True, exist_ok=True)
    for group, inputs, extents in complete_images(samples, settings.resolution, view.description.mean):
        with accelerator.autocast():
            outputs = model(inputs.to(accelerator.device, memory_format=memory_format(accelerator.device)))
        sizes = [tuple(samples[at].image.shape[1:]) for at in group]
        answers = answers_of(task.name, outputs, sizes, extents, view.description)
        for at, answer in zip(group, answers, strict=True):
            sample = samples[at]
            tiles = {
                "input": sample.image.permute(1, 2, 0).contiguous().numpy(),
                "truth": _coloured(annotated_answer(sample, view.description), view),
                "prediction": _coloured(answer, view),
            }
            files = {name: f"shown/{places[at]}-{name}.png" for name in tiles}
            for name, pixels in tiles.items():
                _small(pixels).save(folder / files[name], optimize=True)
            found.append({"image": sample.id, **files})
    return sorted(found, key=lambda each: each["image"])


def _coloured(answer: Answer, view: View) -> np.ndarray:
    if answer.mask is not None:
        return colours_of_mask(answer.mask, view.description.segmentation.colours)
    if answer.normals is not None:
        return colours_of_normals(answer.normals)
    return colours_of_depth(answer.depth, view.description)


def _small(pixels: np.ndarray) -> Image.Image:
    image = Image.fromarray(pixels)
    factor = min(1.0, LONGEST / max(image.size))
    return image.resize([max(1, round(side * factor)) for side in image.size], Image.Resampling.NEAREST)
