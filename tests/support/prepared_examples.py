"""Small records and descriptions that the tests of prepared datasets and adapters share."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from transfer_atlas.datasets.prepared import Objects, Record
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared

SEGMENTATION = {"classes": ["sky", "road", "car"], "colours": [(0, 0, 255), (90, 90, 90), (255, 0, 0)]}
DETECTION = {"classes": ["cat", "dog"]}
KEYPOINTS = {"names": ["left", "right"], "flips": [1, 0], "sigmas": [0.1, 0.1]}
DEPTH = {"unit": "metre", "minimum": 0.0, "maximum": 60.0, "scale": 0.001}
CLASSIFICATION = {"classes": ["indoor", "outdoor"]}


def description(**task_types) -> dict:
    return {"name": "toy", **task_types}


def pixels(height: int = 6, width: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image: Image.Image | np.ndarray, file_format: str = "PNG", **options) -> bytes:
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def objects(boxes=((1, 1, 5, 4),), labels=None, keypoints=None) -> Objects:
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    labels = np.zeros(len(boxes), np.int64) if labels is None else np.array(labels, np.int64)
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return Objects(boxes, labels, np.zeros(len(boxes), bool), area, keypoints)


def record(identifier: str = "a", split: str = "train", **annotations) -> Record:
    return Record(identifier, split, annotations.pop("image", pixels()), **annotations)


def round_trip(folder: Path, record_: Record, **task_types):
    """Write a record (and a copy for split val); return the reader and the sample of its first task type."""
    other = Record("other", "val", **{k: v for k, v in vars(record_).items() if k not in ("id", "split")})
    write_prepared(folder, description(**task_types), [record_, other])
    dataset = PreparedDataset.open(folder)
    return dataset, dataset.read("train", [0], next(iter(task_types)))[0]
