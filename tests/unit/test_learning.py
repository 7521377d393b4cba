"""Depth and segmentation learn from the miniature world; datasets of one image can be trained on."""

import copy

import numpy as np
import prepared_examples as examples
import pytest
import torch

from transfer_atlas.config import Optimizer, TrainingSettings
from transfer_atlas.datasets import miniature
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model
from transfer_atlas.tasks import TASK_TYPES
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.fit import fit

ADAM = Optimizer(name="adam", weight_decay=0.0)


def training(**changes) -> TrainingSettings:
    settings = {"resolution": (64, 64), "crop": (64, 64), "batch_size": 8, "scale": (0.8, 1.25)}
    return TrainingSettings(**settings | changes)


def miniature_dataset(folder, name, train, val, image_size=64):
    records = [
        record
        for split, count in (("train", train), ("val", val))
        for record in miniature.render(name, split, range(count), seed=0, image_size=image_size)
    ]
    write_prepared(folder, miniature.describe(name), records)
    return PreparedDataset.open(folder, cache_bytes=2**26)


def trained(name, dataset, settings, folder):
    """The scores before and after training from random weights, and the curve of the loss."""
    task, accelerator = TASK_TYPES[name], make_accelerator("float32")
    backbone = build_backbone("hrnet_tiny", seed=0)
    torch.manual_seed(0)
    description = dataset.description
    model = Model(backbone, task.head(backbone, description), description.mean, description.std)
    # a copy: what is evaluated in inference mode cannot be trained
    before = evaluate(copy.deepcopy(model), task, dataset, settings, accelerator=accelerator)["value"]
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
    return before, evaluate(model, task, dataset, settings, accelerator=accelerator)["value"], curve


def plane(number, split):
    """A slope whose brightness tells its depth, between one and five metres."""
    generator = np.random.default_rng(number)
    height, width = np.mgrid[0:32, 0:32] / 31
    tilt = generator.uniform(-1, 1)
    depth = (3 + 1.5 * (height - 0.5) + tilt * (width - 0.5)).astype(np.float32)
    grey = np.clip(depth / 5 * 255, 0, 255).astype(np.uint8)
    return examples.record(f"{split}-{number}", split, image=np.repeat(grey[..., None], 3, 2), depth=depth)


@pytest.mark.slow
def test_four_depth_maps_are_learnt_by_heart(tmp_path):
    records = [plane(number, split) for split in ("train", "val") for number in range(4)]
    described = {"unit": "metre", "minimum": 0.5, "maximum": 8.0, "scale": 0.001}
    write_prepared(tmp_path / "planes", examples.description(depth=described), records)
    dataset = PreparedDataset.open(tmp_path / "planes", cache_bytes=2**24)
    settings = training(
        resolution=(32, 32), crop=(32, 32), scale=(1.0, 1.0), batch_size=4, steps=200, learning_rate=0.003
    ).model_copy(update={"optimizer": ADAM})
    before, after, curve = trained("depth", dataset, settings, tmp_path)
    assert after < 0.15 < before  # metres
    assert curve[-1][1] < 0.07 < curve[0][1]  # the first value is the mean of twenty steps


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dataset", "changes", "improvement"),
    [
        ("segmentation", "camvid", {"learning_rate": 0.03, "steps": 120}, 3.0),
        ("depth", "sun_rgbd", {"learning_rate": 0.003, "steps": 120, "optimizer": ADAM}, 1.3),
    ],
)
def test_the_miniature_world_is_learnt(name, dataset, changes, improvement, tmp_path):
    """A trained source beats its untrained self by at least the factor given (detection, keypoints: elsewhere)."""
    prepared = miniature_dataset(tmp_path / "prepared", dataset, train=60, val=20)
    before, after, _ = trained(name, prepared, training(**changes), tmp_path)
    print(name, before, after)
    assert (before / after if name == "depth" else after / before) > improvement


@pytest.mark.parametrize(
    ("name", "dataset"),
    [
        ("segmentation", "coco"),
        ("detection", "coco"),
        ("keypoints", "stanford_dogs"),
        ("depth", "sun_rgbd"),
        ("classification", "ilsvrc"),
    ],
)
def test_a_dataset_of_one_image_is_trained_on(name, dataset, tmp_path):
    """It has a score, or none for a reason that becomes a row (nothing of the task type in the one image)."""
    prepared = miniature_dataset(tmp_path / "prepared", dataset, train=1, val=1)
    settings = training(steps=2, batch_size=2, learning_rate=0.001)
    try:
        _, after, curve = trained(name, prepared, settings, tmp_path)
    except LegitimateFailure as failure:
        assert failure.status.startswith("no_")
    else:
        assert np.isfinite(after) and np.isfinite(curve[-1][1])
