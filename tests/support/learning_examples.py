"""What tests of learning share: a model trained from random weights, and small datasets of the miniature world."""

import copy
from pathlib import Path

import numpy as np
import torch

from transfer_atlas.datasets import miniature
from transfer_atlas.datasets.miniature import rendering
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.fit import fit
from transfer_atlas.training.settings import Optimizer, TrainingSettings

ADAM = Optimizer(name="adam", weight_decay=0.0)


def training(**changes) -> TrainingSettings:
    settings = {"resolution": (64, 64), "crop": (64, 64), "batch_size": 8, "scale": (0.8, 1.25)}
    return TrainingSettings(**settings | changes)


def miniature_dataset(folder: Path, name: str, train: int, val: int, image_size: int = 64) -> PreparedDataset:
    records = [
        record
        for split, count in (("train", train), ("val", val))
        for record in rendering.render(name, split, range(count), seed=0, image_size=image_size)
    ]
    write_prepared(folder, miniature.describe(name), records)
    return PreparedDataset.open(folder, cache_bytes=2**26)


def trained(
    name: str, dataset: PreparedDataset, settings: TrainingSettings, folder: Path
) -> tuple[float, float, list[tuple[int, float]]]:
    """The scores of a task type before and after training from random weights, and the curve of the loss."""
    task, accelerator = TASK_TYPES[name], make_accelerator("float32")
    scoring = EvaluationSettings(measure="ap50")
    backbone = build_backbone("hrnet_tiny", seed=0)
    torch.manual_seed(0)
    description = dataset.description
    model = Model(backbone, task.head(backbone, description), description.mean, description.std)
    # a copy: what is evaluated in inference mode cannot be trained
    before = evaluate(copy.deepcopy(model), task, dataset, settings, accelerator=accelerator, scoring=scoring)
    curve = fit(
        model,
        task,
        Batches(dataset, task, np.arange(dataset.count("train")), settings, 0),
        settings,
        learning_rate=settings.learning_rate,
        accelerator=accelerator,
        state=folder / "state",
        watch=lambda done, loss: None,
    )
    after = evaluate(model, task, dataset, settings, accelerator=accelerator, scoring=scoring)
    return before["value"], after["value"], curve
