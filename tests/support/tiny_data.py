"""Draws the raw files of the tiny study: squares and circles on a ground, in each dataset's own colours."""

from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64
COLOURS = {  # ground, square, circle
    "meadow": [(90, 160, 60), (200, 40, 40), (240, 220, 80)],
    "street": [(90, 90, 95), (40, 60, 160), (220, 220, 220)],
    "harbour": [(40, 90, 150), (170, 110, 60), (240, 240, 240)],
    "desert": [(210, 180, 120), (80, 60, 40), (60, 140, 60)],
}


def draw_all(root: Path) -> None:
    """Draw the four datasets of the tiny study."""
    draw_things(root)
    for name in ("meadow", "street", "harbour"):
        draw_scenes(root, name)


def draw_scenes(root: Path, name: str, train: int = 12, val: int = 4) -> None:
    """Draw a segmentation dataset: images/{train,val}/*.png and masks of the same names."""
    generator = np.random.default_rng(list(name.encode()))
    for split, count in (("train", train), ("val", val)):
        for number in range(count):
            mask = _scene(generator)
            noise = generator.normal(0, 12, (SIDE, SIDE, 3))
            image = np.array(COLOURS[name], dtype=float)[mask] + noise
            _save(root / name / "images" / split / f"{number:02}.png", image.clip(0, 255).astype(np.uint8))
            _save(root / name / "masks" / split / f"{number:02}.png", mask)


def draw_things(root: Path, per_class: int = 4) -> None:
    """Draw a classification dataset: a square, or a circle, each in its folder."""
    generator = np.random.default_rng(1)
    for split, count in (("train", per_class), ("val", 2)):
        for label, name in ((1, "square"), (2, "circle")):
            for number in range(count):
                mask = _shape(generator, label)
                image = np.where(mask[..., None] > 0, 220, 60) + generator.normal(0, 12, (SIDE, SIDE, 3))
                path = root / "things" / split / name / f"{number:02}.png"
                _save(path, image.clip(0, 255).astype(np.uint8))


def _scene(generator: np.random.Generator) -> np.ndarray:
    mask = np.zeros((SIDE, SIDE), dtype=np.uint8)
    for label in (1, 2):
        mask = np.maximum(mask, _shape(generator, label))
    return mask


def _shape(generator: np.random.Generator, label: int) -> np.ndarray:
    """Mask (SIDE, SIDE) of a square (label 1) or a circle (label 2) somewhere."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    row, column = generator.integers(14, SIDE - 14, 2)
    radius = generator.integers(7, 13)
    if label == 1:
        inside = (abs(rows - row) < radius) & (abs(columns - column) < radius)
    else:
        inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    return (label * inside).astype(np.uint8)


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
