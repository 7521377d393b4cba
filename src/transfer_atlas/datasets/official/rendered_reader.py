"""What readers of vKITTI2 and vGallery share: colours as labels, depth in centimetres, files named alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, SeveralTaskTypes, decoded_values
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.problems import Problems


class RenderedSettings(MaskSettings, SeveralTaskTypes):
    """Settings of both."""

    minimum: float = Field(0.0, ge=0, description="Nearer depth is invalid, in metres.")
    maximum: float = Field(gt=0, description="Farther depth is invalid, in metres.")


class RenderedReader(MaskReader):
    """Frames below frames/rgb/<camera>, with classes and depth in sibling folders."""

    colours = True
    class_folder = "classSegmentation"

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        described = super().description() if "segmentation" in self.task_types else {}
        if "depth" in self.task_types:
            low, high = self.settings.minimum, self.settings.maximum
            described["depth"] = {"unit": "metre", "minimum": low, "maximum": high, "scale": 0.01}
        return described

    def frames(self, images: list[Path], split: str, problems: Problems, expected: str) -> list[Item]:
        """Items of images; a problem if there is none."""
        if not images:
            remedy = "Unpack the images, or correct `path`."
            problems.add(self.name(self.folder), f"no image (split {split})", expected, remedy)
        items = []
        for path in images:
            frames, camera = path.parents[2], path.parent.name
            number = path.stem.removeprefix("rgb_")
            files = {}
            if "segmentation" in self.task_types:
                files["mask"] = frames / f"{self.class_folder}/{camera}/classgt_{number}.png"
            if "depth" in self.task_types:
                files["depth"] = frames / f"depth/{camera}/depth_{number}.png"
            items.append(Item(self.identifier(path), split, path, files))
        return items

    def depth(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Depth in metres; 65535 cm is the sky, beyond every range."""
        values = decoded_values(self, item.files["depth"], "depth map", problems)
        return None if values is None else (values / 100).astype(np.float32)
