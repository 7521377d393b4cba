"""Samples with objects, and the maps that a perfect network would answer with, for detection and keypoints."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from transfer_atlas.datasets.prepared import DatasetDescription, Objects
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.tasks import centre_points

CLASSES = ["cat", "dog", "cow"]


def description(**changes) -> DatasetDescription:
    given = {
        "detection": {"classes": CLASSES},
        "keypoints": {"names": ["left", "right", "tip"], "flips": [1, 0, 2], "sigmas": [0.05, 0.05, 0.05]},
        "mean": (1, 2, 3),
        "std": (4, 5, 6),
    }
    return DatasetDescription(name="toy", domain="consumer", counts={"train": 1}, **(given | changes))


def sample(boxes, labels=None, crowd=None, keypoints=None, size=(64, 96)) -> Sample:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels, np.int64)
    crowd = np.zeros(len(boxes), bool) if crowd is None else np.array(crowd, bool)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    points = None if keypoints is None else np.array(keypoints, np.float32)
    return Sample(
        "a", torch.zeros(3, *size, dtype=torch.uint8), objects=Objects(boxes, labels, crowd, area, points)
    )


def perfect_maps(targets: dict[str, Tensor], classes: int, size: tuple[int, int]) -> dict[str, Tensor]:
    """Maps that answer the targets exactly: their Gaussians as probabilities, their numbers at the cells."""
    count = len(targets["centre"])
    maps = {"offset": torch.zeros(count, 2, *size), "size": torch.zeros(count, 2, *size)}
    heat = torch.zeros(count, classes, *size)
    points = targets.get("keypoints")
    if points is not None:
        keypoints = points.shape[2]
        maps |= {
            "heat_keypoints": torch.zeros(count, keypoints, *size),
            "keypoint_offset": torch.zeros(count, 2, *size),
            "displacement": torch.zeros(count, 2 * keypoints, *size),
        }
    for image in range(count):
        for row in torch.nonzero(targets["present"][image])[:, 0].tolist():
            centre, side = targets["centre"][image, row], targets["size"][image, row]
            x, y = centre.floor().long().tolist()
            radius = centre_points.gaussian_radius(side)
            _paint(heat[image, targets["label"][image, row]], x, y, radius)
            maps["offset"][image, :, y, x] = centre - centre.floor()
            maps["size"][image, :, y, x] = side
            if points is None:
                continue
            for number, point in enumerate(points[image, row]):
                if targets["annotated"][image, row, number]:
                    px, py = point.floor().long().tolist()
                    _paint(maps["heat_keypoints"][image, number], px, py, radius)
                    maps["keypoint_offset"][image, :, py, px] = point - point.floor()
                    place = slice(2 * number, 2 * number + 2)
                    maps["displacement"][image, place, y, x] = point - centre.floor()
    maps["heat"] = heat
    return {
        name: each.clamp(1e-6, 1 - 1e-6).logit() if name.startswith("heat") else each
        for name, each in maps.items()
    }


def _paint(heat: Tensor, x: int, y: int, radius: Tensor) -> None:
    """Put a Gaussian onto a map (h, w), cell by cell."""
    deviation = (2 * radius.item() + 1) / 6
    for row in range(heat.shape[0]):
        for column in range(heat.shape[1]):
            if max(abs(row - y), abs(column - x)) <= radius.item():
                value = np.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * deviation**2))
                heat[row, column] = max(heat[row, column].item(), value)
