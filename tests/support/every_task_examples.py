"""A small dataset that is annotated for every task type, of images of mixed sizes, and untrained models for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import prepared_examples as examples
import torch

from transfer_atlas.datasets.prepared import Objects, Record
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.settings import TrainingSettings

NAMES = ["top_left", "top_right", "bottom_left", "bottom_right"]
DESCRIBED = {
    "segmentation": {"classes": ["ground", "red", "blue"], "colours": [(0, 0, 0), (255, 0, 0), (0, 0, 255)]},
    "detection": {"classes": ["red", "blue"]},
    "keypoints": {"names": NAMES, "flips": [1, 0, 3, 2], "sigmas": [0.05] * 4},
    "depth": {"unit": "metre", "minimum": 0.5, "maximum": 8.0, "scale": 0.001},
    "normals": {"intrinsics": {"focal": [1.0, 1.0]}},
    "classification": {"classes": ["red larger", "blue larger"]},
}
TRAINING = TrainingSettings(resolution=(64, 64), crop=(64, 64), batch_size=3, steps=4, learning_rate=0.01)


def record(number: int, split: str, size: tuple[int, int] = (64, 64)) -> Record:
    """Two coloured rectangles on dark ground that slopes away; their corners are their keypoints."""
    generator = np.random.default_rng(number)
    height, width = size
    image = generator.integers(20, 60, (height, width, 3), dtype=np.uint8)
    mask, boxes = np.zeros((height, width), np.uint8), []
    for label, first, colour in ((1, 2, (230, 60, 40)), (2, height // 2, (40, 90, 230))):
        top, left = first + generator.integers(0, 4), generator.integers(2, width // 2)
        down, across = generator.integers(8, height // 2 - 4), generator.integers(8, width // 2)
        down, across = min(down, height - top), min(across, width - left)
        image[top : top + down, left : left + across] = colour
        mask[top : top + down, left : left + across] = label
        boxes.append([left, top, left + across, top + down])
    boxes = np.array(boxes, np.float32)
    corners = np.stack([boxes[:, [0, 1]], boxes[:, [2, 1]], boxes[:, [0, 3]], boxes[:, [2, 3]]], axis=1)
    corners[..., 0] = corners[..., 0].clip(0, width - 0.5)
    corners[..., 1] = corners[..., 1].clip(0, height - 0.5)
    keypoints = np.concatenate([corners, np.full((2, 4, 1), 2)], axis=2).astype(np.float32)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    objects = Objects(boxes, np.array([0, 1]), np.zeros(2, bool), area, keypoints)
    depth = np.linspace(1.0, 6.0, height, dtype=np.float32)[:, None].repeat(width, axis=1)
    label = int(area[1] > area[0])
    return Record(f"{split}-{number}", split, image, mask=mask, objects=objects, depth=depth, label=label)


def dataset(
    folder: Path, train: int = 6, val: int = 4, sizes: tuple[tuple[int, int], ...] = ((64, 64),), **options
) -> PreparedDataset:
    """The prepared dataset; sizes are taken in turn."""
    records = [
        record(1000 * (split == "val") + number, split, sizes[number % len(sizes)])
        for split, count in (("train", train), ("val", val))
        for number in range(count)
    ]
    write_prepared(folder, examples.description(**DESCRIBED), records)
    return PreparedDataset.open(folder, **options)


def model(data: PreparedDataset, task_type: str, seed: int = 0) -> Model:
    """An untrained model of the smallest backbone."""
    backbone = build_backbone("hrnet_tiny", seed=seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = TASK_TYPES[task_type].head(backbone, data.description)
    return Model(backbone, head, data.description.mean, data.description.std)
