"""The handwritten digits that come with scikit-learn: 1797 images of 8 x 8 pixels by 13 writers (UCI, optdigits)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.prepared import Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError
from transfer_atlas.strict import Strict

CLASSES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
CONTENT = "5d8bc8ede2b0aee84f53c9369fc789d2"  # md5 of images and labels, so that another edition is not taken for this
LARGEST = 16  # of the grey values, which count pixels of 4 x 4 blocks


class Settings(Strict):
    """Settings of the adapter."""

    name: Literal["scikit_digits"] = "scikit_digits"
    image_size: int = Field(32, ge=8, description="Side to which images are enlarged, bilinearly.")
    val_fraction: float = Field(
        0.3, gt=0, lt=1, description="Share of the images, the last in their order, that are for validation."
    )


def raw_path(settings: Settings) -> None:
    """No raw files: they are part of a package that the project depends on."""
    return None


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("classification",)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    return {
        "classification": {"classes": CLASSES},
        "source": "scikit-learn's load_digits: Alpaydin and Kaynak, Optical Recognition of Handwritten Digits (UCI)",
        "licence": "CC BY 4.0",
    }


def records(settings: Settings, root: Path, problems: Problems) -> Iterator[Record]:
    """Yield training images, then validation images. Raises DatasetError where the package has other images."""
    from PIL import Image
    from sklearn.datasets import load_digits  # reading a study needs no scikit-learn

    found = load_digits()
    grey, labels = found.images.astype(np.uint8), found.target.astype(np.int64)
    content = hashlib.md5(grey.tobytes() + labels.tobytes(), usedforsecurity=False).hexdigest()
    if content != CONTENT:
        raise DatasetError(
            f"scikit-learn's digits have the md5 {content}, expected {CONTENT}: another edition, whose results would "
            "be others. Install the version of scikit-learn that is locked, or give the images as class folders."
        )
    first = round(len(labels) * (1 - settings.val_fraction))
    side = (settings.image_size, settings.image_size)
    for number, (pixels, label) in enumerate(zip(grey, labels, strict=True)):
        scaled = (pixels.astype(np.uint16) * 255 // LARGEST).astype(np.uint8)
        image = np.asarray(Image.fromarray(scaled).resize(side, Image.Resampling.BILINEAR))
        split = "train" if number < first else "val"
        yield Record(f"{number:04d}", split, np.repeat(image[:, :, None], 3, axis=2), label=int(label))
