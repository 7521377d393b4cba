"""What readers of KITTI's two stereo benchmarks share: sparse depth from disparities and calibrations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import (
    Item,
    OfficialSettings,
    Reader,
    decoded_values,
    split_on_disk,
)
from transfer_atlas.datasets.official.disparity import disparity_to_depth
from transfer_atlas.datasets.official.files import find_files, read_lines, unpacked
from transfer_atlas.datasets.official.splits import held_out
from transfer_atlas.datasets.problems import Problems


class StereoSettings(OfficialSettings):
    """Settings of both."""

    occluded: bool = Field(
        True, description="Whether disparities of pixels that the other camera does not see are used, too."
    )
    held_out: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Share of the training images to evaluate on: the test images have no disparities.",
    )
    seed: int = Field(0, ge=0, description="Seed of that division.")
    minimum: float = Field(0.0, ge=0, description="Nearer depth is invalid, in metres.")
    maximum: float = Field(500.0, gt=0, description="Farther depth is invalid, in metres.")


class StereoReader(Reader):
    """Left colour images, of which those at time 10 have disparities; adapters name folders and matrices."""

    images: str
    disparities: tuple[str, str]  # with occluded pixels, and without
    calibrations: str
    matrices: tuple[str, str]  # of the left and of the right colour camera

    def __init__(self, settings: Any, root: Path, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, f"{settings.name}/training", self.images)

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        low, high = self.settings.minimum, self.settings.maximum
        return {"depth": {"unit": "metre", "minimum": low, "maximum": high}}

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        images = find_files(self.place, f"{self.images}/*_10.png")
        if not images:
            remedy = "Unpack the images, or correct `path`."
            problems.add(self.name(self.place / self.images), "no image", "*_10.png", remedy)
        out = held_out([path.stem for path in images], self.settings.held_out, self.settings.seed)
        folder = self.disparities[0 if self.settings.occluded else 1]
        return [
            Item(
                self.identifier(path),
                split,
                path,
                {
                    "depth": self.place / f"{folder}/{path.name}",
                    "calibration": self.place / f"{self.calibrations}/{path.stem.removesuffix('_10')}.txt",
                },
            )
            for path in images
            if (path.stem in out) == (own == "val")
        ]

    def depth(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Depth in metres: focal length * baseline / disparity, which is stored times 256, and 0 where unknown."""
        values = decoded_values(self, item.files["depth"], "disparity map", problems)
        if values is None:
            return None
        path = item.files["calibration"]
        lines = dict(line.split(":", 1) for line in read_lines(path, self.dataset) if ":" in line)
        try:
            left, right = (np.array(lines[name].split(), float).reshape(3, 4) for name in self.matrices)
            factor = float(left[0, 3] - right[0, 3])  # f * B: the matrices hold -f * position
            if not factor > 0:
                raise ValueError(f"a baseline of {factor / left[0, 0]:g} m")
        except (KeyError, ValueError) as error:
            expected = f"the matrices {self.matrices[0]} and {self.matrices[1]}"
            problems.add(self.name(path), f"no calibration ({error})", expected, "Fetch the file anew.")
            return None
        return disparity_to_depth(values / 256, factor)
