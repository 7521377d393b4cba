"""Boxes as files hold them: names of classes, and boxes that reach out of their image."""

from __future__ import annotations

import io
import math
from typing import Literal

import numpy as np
from PIL import Image
from pydantic import Field

from transfer_atlas.datasets.adapters.masks import IGNORE, SHOWN
from transfer_atlas.datasets.encoding import DECODING_ERRORS
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Strict

ROUNDING = 1.0  # pixels: rounded, 1-based or inclusive coordinates reach so far out of an image


class NamedClasses(Strict):
    """What the names of classes on disk mean."""

    labels: dict[str, str] = Field(
        {},
        description="Name on disk -> class name, or `ignore`: what has it is left out. Names of classes need "
        "no entry.",
    )
    unknown: Literal["error", "ignore"] = Field(
        "error", description="What boxes (or segments) of any other name are: an error, or left out."
    )

    def check_labels(self, classes: list[str]) -> None:
        """Raise ValueError if the classes cannot be meant, or labels name others."""
        if IGNORE in classes:
            raise ValueError(f"classes: '{IGNORE}' stands for boxes left out, and cannot name a class")
        if len(set(classes)) != len(classes):
            raise ValueError("classes: a name occurs twice")
        unknown = sorted(set(self.labels.values()) - {*classes, IGNORE})
        if unknown:
            raise ValueError(f"labels: {unknown} are not among the classes, nor '{IGNORE}'")


class BoxFiles(NamedClasses):
    """As well, what becomes of boxes that do not fit their image."""

    outside: Literal["error", "clip"] = Field(
        "error",
        description="What boxes are that reach more than a pixel out of their image: an error, or clipped. "
        "Within a pixel, which is rounding, they are always clipped.",
    )


class ClassNames:
    """From names on disk to indices of classes."""

    def __init__(self, settings: NamedClasses, classes: list[str]) -> None:
        """classes: their names, in the order of their indices."""
        self.lenient = settings.unknown == "ignore"
        self.indices: dict[str, int | None] = {name: index for index, name in enumerate(classes)}
        self.indices |= {name: self.indices.get(of) for name, of in settings.labels.items()}

    def index(self, name: str, where: str, problems: Problems) -> int | None:
        """Index of the class that a name on disk stands for; None if its boxes are left out, or not known."""
        if name not in self.indices and not self.lenient:
            remedy = "Add it to `classes`, or to `labels` (a class or ignore), or set `unknown: ignore`."
            known = ", ".join(list(self.indices)[:SHOWN])
            more = f", ... ({len(self.indices)} in all)" if len(self.indices) > SHOWN else ""
            problems.add(where, f"class '{name}'", f"one of {{{known}{more}}}", remedy)
        return self.indices.get(name)


def fit(
    box: tuple[float, float, float, float],
    size: tuple[int, int],
    settings: BoxFiles,
    where: str,
    problems: Problems,
) -> tuple[float, float, float, float] | None:
    """Clip a box to its image; None if it is left out.

    box: x_min, y_min, x_max, y_max in pixels from the image's corner; size: width, height of the image.
    A box that is no box (its corners in the wrong order, or no numbers), or reaches out of the image by more
    than rounding, is a problem. One without an area marks nothing, and is left out as COCO's tools do.
    """
    x_min, y_min, x_max, y_max = box
    width, height = size
    found = f"box [{x_min:g}, {y_min:g}, {x_max:g}, {y_max:g}] (x_min, y_min, x_max, y_max)"
    if not all(map(math.isfinite, box)) or x_min > x_max or y_min > y_max:
        problems.add(where, found, "x_min <= x_max and y_min <= y_max", "Correct or remove the box.")
        return None
    out = max(-x_min, -y_min, x_max - width, y_max - height)
    if out > ROUNDING and settings.outside == "error":
        remedy = "Correct the box, or set `outside: clip`."
        problems.add(where, found, f"a box inside the image of {width} x {height}", remedy)
        return None
    x_min, x_max = max(x_min, 0.0), min(x_max, float(width))
    y_min, y_max = max(y_min, 0.0), min(y_max, float(height))
    # compared in the precision they are stored in: a sliver must not lose its area on the way
    has_area = np.float32(x_min) < np.float32(x_max) and np.float32(y_min) < np.float32(y_max)
    if not has_area:
        problems.pass_over("boxes without an area")
        return None
    return (x_min, y_min, x_max, y_max)


def points_inside(
    points: np.ndarray,
    size: tuple[int, int],
    settings: BoxFiles,
    where: str,
    problems: Problems,
    shift: float = 0.0,
) -> np.ndarray:
    """Keypoints (K, 3) none of which is outside the image by more than rounding; those are left out or told.

    size: width, height of the image; shift: what was added to x and y on disk.
    """
    width, height = size
    x, y = points[:, 0], points[:, 1]
    out = np.maximum(np.maximum(-x, x - width), np.maximum(-y, y - height)) > ROUNDING
    out &= points[:, 2] > 0
    if not out.any():
        return points
    if settings.outside == "clip":
        return np.where(out[:, None], np.float32(0), points)
    first = (points[np.flatnonzero(out)[0]] - shift).tolist()  # as the file has it
    found = f"keypoint {int(np.flatnonzero(out)[0])} at [{first[0]:g}, {first[1]:g}] (x, y)"
    remedy = "Correct it, or set `outside: clip`, which leaves such keypoints out."
    problems.add(where, found, f"a keypoint inside the image of {width} x {height}", remedy)
    return points


def size_of(image: bytes) -> tuple[int, int] | None:
    """Width and height of an encoded image; None if it is no image, which is told when it is decoded."""
    try:
        with Image.open(io.BytesIO(image)) as opened:
            return opened.size
    except DECODING_ERRORS:
        return None
