"""The depth maps that belong to images, as 16-bit PNG: the settings that all adapters with depth share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from PIL import Image
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import relative_to
from transfer_atlas.datasets.encoding import DECODING_ERRORS
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Strict

MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")  # what Pillow calls grey images of 16 bits


class DepthFiles(Strict):
    """One depth map per image: a PNG of 16 bits, and what its values mean."""

    files: str = Field(
        "depth/{split}/{stem}.png",
        description="Path of an image's depth map below `path`, with the parts its image matched.",
    )
    scale: float = Field(
        0.001, gt=0, description="One step of the stored values, in the unit: 0.001 for millimetres."
    )
    unit: Literal["metre", "relative"] = Field(
        "metre", description="`relative`: true up to a scale that differs from image to image."
    )
    minimum: float = Field(0.0, ge=0, description="Nearer depth is invalid, in the unit.")
    maximum: float = Field(gt=0, description="Farther depth is invalid, in the unit.")
    invalid: list[int] = Field([0], description="Stored values that mean: not known.")

    @model_validator(mode="after")
    def _range_can_be_stored(self) -> Self:
        if not self.minimum < self.maximum <= 65535.5 * self.scale:
            raise ValueError(
                f"minimum {self.minimum} and maximum {self.maximum}: expected minimum < maximum <= "
                f"65535 steps of {self.scale}"
            )
        return self


def describe_depth(depth: DepthFiles) -> dict[str, Any]:
    """Return the fields of a DepthDescription."""
    return depth.model_dump(include={"unit", "minimum", "maximum", "scale"})


class DepthReader:
    """Reads the depth map of an image, as the settings say."""

    def __init__(self, depth: DepthFiles, folder: Path, root: Path) -> None:
        """folder: of the raw dataset; root: that messages are relative to."""
        self.depth, self.folder, self.root = depth, folder, root

    def read(
        self, parts: dict[str, str], image_file: str, problems: Problems
    ) -> tuple[np.ndarray | None, str]:
        """Return the depth (H, W) float32 in the unit, 0 where invalid, and the name of its file.

        parts: of the pattern that the image matched; image_file: the image's name in messages. The depth is
        None, and there is a problem, if it cannot be read. What is out of range is left to the encoder.
        """
        path = self.folder / self.depth.files.format(**parts)
        depth_file = relative_to(path, self.root)
        values = _values(path, f"{depth_file} (depth of {image_file})", problems)
        if values is None:
            return None, depth_file
        known = ~np.isin(values, self.depth.invalid)
        depth = np.where(known, values * self.depth.scale, 0).astype(np.float32)
        return depth, depth_file


def _values(path: Path, where: str, problems: Problems) -> np.ndarray | None:
    """Stored values (H, W) int64; None, and a problem, if the file is missing or not a PNG of 16 bits."""
    if not path.is_file():
        remedy = "Add it, or correct the pattern `depth.files`."
        problems.add(where, "no such depth map", "one depth map per image", remedy)
        return None
    try:
        with Image.open(path) as image:
            image.load()
            mode, values = image.mode, np.asarray(image)
    except DECODING_ERRORS as error:
        found = f"the depth map cannot be decoded ({error})"
        problems.add(where, found, "a complete PNG", "Fetch the file anew, or leave the image out.")
        return None
    if mode not in MODES:
        remedy = "Convert it: depth in 8 bits or in colours has lost what is to be learnt."
        problems.add(where, f"a depth map of mode {mode}", "one channel of 16 bits", remedy)
        return None
    return values.astype(np.int64)
