"""Tiny datasets drawn on the spot, prepared and raw, that the tests of training, runs and jobs share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from prepared_examples import description, encoded

from transfer_atlas.datasets.prepared import Record
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared

CLASSES = ["ground", "thing"]


def scene(number: int, sizes: tuple[int, int] = (32, 64)) -> tuple[np.ndarray, np.ndarray]:
    """An image with one coloured rectangle on dark ground, and its mask."""
    generator = np.random.default_rng(number)
    height, width = generator.integers(*sizes, 2, endpoint=True)
    image = generator.integers(20, 60, (height, width, 3), dtype=np.uint8)
    mask = np.zeros((height, width), np.uint8)
    top, left = generator.integers(2, height // 2), generator.integers(2, width // 2)
    place = np.s_[top : top + height // 3 + 4, left : left + width // 3 + 4]
    image[place] = (230, 120, 40)
    mask[place] = 1
    return image, mask


def segmentation_folders(root: Path, name: str, train: int = 8, val: int = 4, seed: int = 0) -> None:
    """A raw segmentation dataset: folders of images and masks."""
    for split, count in (("train", train), ("val", val)):
        for kind in ("images", "masks"):
            (root / name / kind / split).mkdir(parents=True)
        for number in range(count):
            image, mask = scene(1000 * seed + number + 500 * (split == "val"))
            (root / name / "images" / split / f"{number}.jpg").write_bytes(encoded(image, "JPEG", quality=95))
            Image.fromarray(mask).save(root / name / "masks" / split / f"{number}.png")


def class_folders(root: Path, name: str, train: int = 4, val: int = 2) -> None:
    """A raw classification dataset: a folder per class, which is told by the colour."""
    for split, count in (("train", train), ("val", val)):
        for label, colour in (("blue", (30, 30, 200)), ("red", (200, 30, 30))):
            (root / name / split / label).mkdir(parents=True)
            for number in range(count):
                generator = np.random.default_rng([number, split == "val", label == "red"])
                image = np.clip(generator.normal(colour, 10, (32, 36, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(image).save(root / name / split / label / f"{number}.png")


def prepared(folder: Path, count: int = 4, sizes: tuple[int, int] = (32, 32), **options) -> PreparedDataset:
    """A prepared segmentation dataset; the validation images are the training images."""
    records = []
    for split in ("train", "val"):
        for number in range(count):
            image, mask = scene(number, sizes)
            records.append(Record(f"{split}-{number}", split, image, mask=mask))
    segmentation = {"classes": CLASSES, "colours": [(0, 0, 0), (255, 0, 0)]}
    write_prepared(folder, description(segmentation=segmentation), records)
    return PreparedDataset.open(folder, **options)
