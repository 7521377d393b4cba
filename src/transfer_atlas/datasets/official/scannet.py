"""ScanNet's 25,000 frames with the 40 classes of NYU, divided by scene."""

from __future__ import annotations

import io
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from transfer_atlas.datasets.encoding import DECODING_ERRORS
from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, image_size, unpacked
from transfer_atlas.datasets.official.label_tables import label_table, listed
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

SHAPE_TOLERANCE = 0.02  # 1296 / 968 and 640 / 480 differ by 0.4%
CARD = Card(
    title="ScanNet v2, frames_25k",
    obtain="http://www.scan-net.org (terms of use, signed, by e-mail)",
    archives=("scannet_frames_25k.zip",),
    layout=("scene*/color/*.jpg", "scene*/label/*.png"),
    gigabytes=6,
    licence="ScanNet terms of use: research, not commercial",
    citation="Dai et al., ScanNet: Richly-annotated 3D Reconstructions of Indoor Scenes, CVPR 2017",
    expected={"segmentation": {"train": 19466, "val": 5436}},
    table1={"segmentation": 41, "train": 19000, "val": 5000},
    differences=(
        "Table 1 counts unlabelled pixels as a class; here they are ignored, which leaves 40.",
        "Colour images are scaled to the size of their labels, which have less pixels.",
    ),
    unverified=("Sizes of 1296 x 968 (colour) and 640 x 480 (labels) in the release.",),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["scannet"] = "scannet"
    path: str = Field("scannet_frames_25k", description="Folder with the scenes.")
    size: Literal["label", "colour"] = Field(
        "label",
        description="Whether the image is scaled to the label's size, or the label (nearest) to the image's.",
    )


class ScanNetReader(MaskReader):
    """Frames of the scenes of the official lists."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("scannet", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "scannet_frames_25k", "scene*")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Frames by scene and number."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        images = [
            path
            for scene in sorted(listed(f"scannet_{own}_scenes"))
            for path in find_files(self.place, f"{scene}/color/*", (".jpg", ".png"))
        ]
        return self.paired(
            images,
            lambda path: path.parents[1] / f"label/{path.stem}.png",
            split,
            problems,
            "scene*/color/*.jpg of scenes on the official list",
        )

    def image(self, item: Item, problems: Problems) -> bytes | np.ndarray | None:
        """The image at the size of its label; their shapes must agree."""
        content, size = item.image.read_bytes(), image_size(item.files["mask"])
        if self.settings.size == "colour" or size is None:
            return content
        try:
            with Image.open(io.BytesIO(content)) as image:
                if image.size == size or not self._alike(image.size, size, item, problems):
                    return content if image.size == size else None
                # the pixels are averaged, so that thin things do not vanish by chance
                return np.asarray(image.convert("RGB").resize(size, Image.Resampling.BOX, reducing_gap=None))
        except DECODING_ERRORS:
            return content  # told when the image is decoded

    def _alike(self, image: tuple[int, int], label: tuple[int, int], item: Item, problems: Problems) -> bool:
        ratio = (image[0] / image[1]) / (label[0] / label[1])
        if abs(ratio - 1) <= SHAPE_TOLERANCE:
            return True
        found = f"an image of {image[0]} x {image[1]} with a label of {label[0]} x {label[1]}"
        problems.add(self.name(item.image), found, "the same shape", "Fetch both anew.")
        return False

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """NYU's ids; scaled to the image without blending, where that is asked for."""
        values, size = self.stored(item, problems), image_size(item.image)
        if values is None or self.settings.size == "label" or size is None or size == values.shape[::-1]:
            return values
        if not self._alike(size, values.shape[::-1], item, problems):
            return None
        return np.asarray(Image.fromarray(values.astype(np.int32)).resize(size, Image.Resampling.NEAREST))


ADAPTER = OfficialAdapter(Settings, ScanNetReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
