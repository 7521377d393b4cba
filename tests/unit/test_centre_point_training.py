"""Detection and keypoints from records to scores: both are learnt by heart, and from the miniature world."""

import io
import json

import numpy as np
import prepared_examples as examples
import pytest
import study_examples
import torch

from transfer_atlas.config import EvaluationSettings, Optimizer, TrainingSettings
from transfer_atlas.datasets import miniature
from transfer_atlas.datasets.prepared import Objects, Record
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model
from transfer_atlas.runs import execute, request
from transfer_atlas.store import read_run
from transfer_atlas.tasks import TASK_TYPES
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.fit import fit

NAMES = ["left_top", "right_top", "left_bottom", "right_bottom"]
DESCRIBED = {
    "detection": {"classes": ["red", "blue"]},
    "keypoints": {"names": NAMES, "flips": [1, 0, 3, 2], "sigmas": [0.05] * 4},
}


def drawn(number: int, split: str) -> Record:
    """Two coloured rectangles on dark ground; their corners are their keypoints."""
    generator = np.random.default_rng(number)
    image = generator.integers(20, 60, (64, 64, 3), dtype=np.uint8)
    boxes = []
    for first, colour in ((4, (230, 60, 40)), (34, (40, 90, 230))):
        top, left = first + generator.integers(0, 6), generator.integers(4, 30)
        height, width = generator.integers(14, 22), generator.integers(16, 30)
        image[top : top + height, left : left + width] = colour
        boxes.append([left, top, left + width, top + height])
    boxes = np.array(boxes, np.float32)
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [0, 3]], boxes[:, [2, 3]]], axis=1)
    keypoints = np.concatenate([corners, np.full((2, 4, 1), 2)], axis=2).astype(np.float32)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    objects = Objects(boxes, np.array([0, 1]), np.zeros(2, bool), area, keypoints)
    return Record(f"{split}-{number}", split, image, objects=objects)


@pytest.fixture(scope="module")
def rectangles(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "rectangles"
    records = [drawn(number, split) for split in ("train", "val") for number in range(4)]
    write_prepared(folder, examples.description(**DESCRIBED), records)
    return PreparedDataset.open(folder, cache_bytes=2**24)


def trained(name, dataset, training, folder):
    """A model trained from random weights, the curve of its loss, and its score before and after."""
    task, accelerator = TASK_TYPES[name], make_accelerator("float32")
    scoring = EvaluationSettings(measure="ap50")

    def fresh():
        backbone = build_backbone("hrnet_tiny", seed=0)
        torch.manual_seed(0)
        head = task.head(backbone, dataset.description)
        return Model(backbone, head, dataset.description.mean, dataset.description.std)

    before = evaluate(fresh(), task, dataset, training, accelerator=accelerator, scoring=scoring)
    model = fresh()
    curve = fit(
        model,
        task,
        Batches(dataset, task, np.arange(dataset.count("train")), training, 0),
        training,
        learning_rate=training.learning_rate,
        accelerator=accelerator,
        state=folder / "state",
        watch=lambda done, loss: None,
    )
    after = evaluate(model, task, dataset, training, accelerator=accelerator, scoring=scoring)
    return curve, before["value"], after["value"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["detection", "keypoints"])
def test_four_images_are_learnt_by_heart(name, rectangles, tmp_path):
    training = TrainingSettings(
        resolution=(64, 64),
        crop=(64, 64),
        scale=(1.0, 1.0),
        batch_size=4,
        steps=300,
        learning_rate=5e-3,
        optimizer=Optimizer(name="adam", weight_decay=0),
    )
    curve, before, after = trained(name, rectangles, training, tmp_path)
    assert before < 0.1 and after > 0.95
    assert curve[-1][1] < 0.1 * curve[0][1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "dataset", "size", "count", "scale", "steps", "rate", "bound"),
    [
        ("detection", "underwater_trash", 64, 40, (0.7, 1.4), 300, 4e-3, 0.15),
        ("keypoints", "stanford_dogs", 96, 50, (0.8, 1.25), 400, 1e-3, 0.04),
    ],
)
def test_the_miniature_world_is_learnt(name, dataset, size, count, scale, steps, rate, bound, tmp_path):
    """A source trained from random weights against its untrained self, which finds next to nothing."""
    records = [
        record
        for split, number in (("train", 200), ("val", count))
        for record in miniature.render(dataset, split, range(number), seed=0, image_size=size)
    ]
    write_prepared(tmp_path / "prepared", miniature.describe(dataset), records)
    training = TrainingSettings(
        resolution=(64, 64),
        crop=(64, 64),
        scale=scale,
        batch_size=8,
        steps=steps,
        learning_rate=rate,
        optimizer=Optimizer(name="adam", weight_decay=0),
    )
    opened = PreparedDataset.open(tmp_path / "prepared", cache_bytes=2**26)
    _, before, after = trained(name, opened, training, tmp_path)
    assert before < 0.01 and after > bound


SMALL = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 2, "steps": 1}
TASK_TYPES_OF_COCO = ("segmentation", "detection", "keypoints")


def test_a_chain_across_task_types_on_the_miniature_world(tmp_path):
    """One step each: ILSVRC's stand-in, then a source of keypoints, then detection with a measure of its own."""

    def generated(name, tasks):
        adapter = {"name": "miniature", "dataset": name, "image_size": 32, "n_train": 4, "n_val": 12}
        return {"domain": "consumer", "adapter": adapter, "tasks": tasks}

    scored = {"evaluation": {"measure": "ap50", "nms": 0.3}}
    plan = study_examples.plan(
        ("task_types", {name: {"training": SMALL} for name in ("classification", *TASK_TYPES_OF_COCO)}),
        ("datasets", {}),
        ("datasets.ilsvrc", generated("ilsvrc", {"classification": {}})),
        ("datasets.coco", generated("coco", {"keypoints": {}, "detection": scored, "segmentation": {}})),
        (
            "experiments",
            [
                {
                    "sources": ["keypoints/coco"],
                    "targets": ["detection/coco", "segmentation/coco"],
                    "baselines": [],
                    "regime": "full_target",
                }
            ],
        ),
    )
    records = {}
    for run in plan:
        sent = json.loads(json.dumps(request(run, tmp_path / "store", tmp_path / "scratch")))
        execute(sent, io.StringIO())
        records[run.name] = read_run(run.folder(tmp_path / "store"))
    assert {record["status"] for record in records.values()} == {"finished"}
    source = records["keypoints-coco"]
    assert source["metrics"]["primary"] == "ap50" and 0 <= source["metrics"]["value"] <= 1
    assert set(source["code_versions"]) == {"backbone", "training", "task_keypoints"}
    transfer = records["keypoints-coco--detection-coco--full_target--seed0"]
    assert transfer["metrics"]["primary"] == "ap50" and len(transfer["metrics"]["grid"]) == 3
    assert transfer["settings"]["evaluation"] == {"measure": "ap50", "nms": 0.3}
    assert transfer["settings"]["training"]["optimizer"]["name"] == "adam"
