"""What the request of a run says, made into its dataset, its images, its model, and what a checkpoint tells of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import Backbone, backbone_of
from transfer_atlas.models.checkpoints import load_backbone
from transfer_atlas.models.expected_input import whitening
from transfer_atlas.models.model import Model
from transfer_atlas.store.store import MODEL_FILE, parent_record, read_run
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.settings import TrainingSettings

CACHE_BYTES = 2 * 1024**3  # of decoded images kept in memory; a small target's 150 images always fit


def scoring_of(settings: dict[str, Any]) -> EvaluationSettings | None:
    """How predictions are scored, where the task type leaves a choice."""
    return EvaluationSettings.from_hashed(settings["evaluation"]) if "evaluation" in settings else None


def open_dataset(request: dict[str, Any], role: str = "dataset", share: int = 1) -> PreparedDataset:
    """A prepared dataset among the parents, with its share of the memory for decoded images."""
    folder = request["parents"][role]["folder"]
    return PreparedDataset.open(folder, cache_bytes=CACHE_BYTES // share, threads=torch.get_num_threads())


def with_head(
    backbone: Backbone, task: TaskType, dataset: PreparedDataset, settings: TrainingSettings, seed: int
) -> Model:
    """The model of a task on a dataset: a backbone, and a random head drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = task.head(backbone, dataset.description)
    description = dataset.description
    return Model(backbone, head, *whitening(settings.statistics, description.mean, description.std))


def described(
    request: dict[str, Any],
    backbone: Backbone,
    task: TaskType | None = None,
    training: TrainingSettings | None = None,
    datasets: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The description of a checkpoint; task, training, datasets (by name): of one that was trained here."""
    expects = backbone.expects
    if training is not None:
        expects = replace(expects, statistics=training.statistics)
    found = {"backbone": request["settings"]["backbone"], "expects": expects.described()}
    if task is None:
        return found
    return found | {"task_type": task.name, "key": request["key"], "datasets": datasets}


def trained_on(
    dataset: PreparedDataset, training: TrainingSettings, settings: dict[str, Any]
) -> tuple[DatasetDescription, tuple[int, int], dict[str, Any] | None]:
    """What the use of a model needs to know of a dataset that it was trained on."""
    return dataset.description, training.resolution, settings.get("evaluation")


def start(request: dict[str, Any], seed: int) -> Backbone:
    """The backbone a run starts from: its source's, the ILSVRC checkpoint's, or random weights (scratch).

    Raises LegitimateFailure("source_failed") if the parent legitimately has no weights.
    """
    backbone = backbone_of(request["settings"]["backbone"], seed=seed)
    for role in ("source", "ilsvrc"):
        if role in request["parents"]:
            parent_record(request, role)
            load_backbone(backbone, Path(request["parents"][role]["folder"]) / MODEL_FILE)
            return backbone
    return backbone


def source_images(request: dict[str, Any]) -> int | None:
    """How many images the source was trained on: a column of the tables, where the source itself may be absent."""
    if "source" not in request["parents"]:
        return None
    return (read_run(Path(request["parents"]["source"]["folder"]))["metrics"] or {}).get("images")


def hold_out(indices: np.ndarray, fraction: float | None, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions to fit on, and those held out to pick the learning rate on (None if it is not asked for)."""
    if fraction is None:
        return indices, None
    if len(indices) < 2:
        raise LegitimateFailure("no_training_images", "one training image cannot be both fitted and held out")
    count = min(len(indices) - 1, max(1, round(fraction * len(indices))))
    held_out = np.random.default_rng([seed, 2]).permutation(len(indices))[:count]
    return np.delete(indices, held_out), np.sort(indices[held_out])


def need_images(indices: np.ndarray, request: dict[str, Any]) -> None:
    """Raise LegitimateFailure("no_training_images") where there is none."""
    if not len(indices):
        raise LegitimateFailure("no_training_images", f"{request['name']}: the training split holds no image")


def describe_dataset(
    description: DatasetDescription, resolution: tuple[int, int], evaluation: dict[str, Any] | None
) -> dict[str, Any]:
    """What a checkpoint keeps of a dataset, so that its model can be used without it."""
    return {
        "description": description.model_dump(mode="json"),
        "resolution": list(resolution),
        "evaluation": evaluation,
    }
