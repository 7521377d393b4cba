"""SUN RGB-D with 37 classes, and depth that is rotated by three bits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import (
    Item,
    MaskSettings,
    OfficialAdapter,
    SeveralTaskTypes,
    decoded_values,
    split_on_disk,
)
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import LabelTable, label_table, listed
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import IGNORE_LABEL, TaskType
from transfer_atlas.datasets.problems import Problems

MASKS = (
    "label37",
    "label38",
    "semseg-label37",
)  # as distributed, as MSeg renames it, as MSeg shifts its values
CARD = Card(
    title="SUN RGB-D",
    obtain="http://cvgl.stanford.edu/data2/sun_rgbd.tgz",
    archives=("sun_rgbd.tgz",),
    layout=("image/{train,test}/img-*.jpg", "label37/{train,test}/*.png", "depth/{train,test}/*.png"),
    gigabytes=4,
    licence="research; cite",
    citation="Song et al., SUN RGB-D: A RGB-D Scene Understanding Benchmark Suite, CVPR 2015",
    expected={"segmentation": {"train": 5285, "val": 475}, "depth": {"train": 5285, "val": 5050}},
    table1={"segmentation": 37, "train": 5000, "val": 425},
    differences=(
        "MSeg's list has 475 of the 5050 official test images, and Table 1 prints 425, presumably by mistake; "
        "`val: official` takes all 5050, which is the default where depth alone is read.",
        "Stored depth is rotated by three bits; what is farther than 8 m counts as 8 m, as in the authors' code.",
    ),
)


class Settings(MaskSettings, SeveralTaskTypes):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation", "depth")
    name: Literal["sun_rgbd"] = "sun_rgbd"
    path: str = Field("sun_rgbd", description="Folder with image, label37 and depth.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )
    val: Literal["mseg", "official"] | None = Field(
        None,
        description="Images of `test` that are used: MSeg's 475 or all; by default MSeg's, or all where depth alone is "
        "read.",
    )
    minimum: float = Field(0.369, ge=0, description="Nearer depth is invalid, in metres.")
    maximum: float = Field(8.0, gt=0, description="Farther depth counts as this, in metres.")


class SunRgbdReader(MaskReader):
    """Files of one image have one number, in names that differ."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("sunrgbd", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "sun_rgbd", "image")
        self.masks = next((name for name in MASKS if (self.place / name).is_dir()), MASKS[0])
        if self.masks == "semseg-label37":  # values one less, and 255 for 0
            first = 0 if settings.ignore_background else 1
            sources = {value: value + first for value in range(37)}
            sources[255] = 0 if not settings.ignore_background else IGNORE_LABEL
            self.labels = LabelTable(self.labels.classes, self.labels.colours, sources, {}, settings.unknown)

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        described = super().description() if "segmentation" in self.task_types else {}
        if "depth" in self.task_types:
            low, high = self.settings.minimum, self.settings.maximum
            described["depth"] = {"unit": "metre", "minimum": low, "maximum": high, "scale": 0.001}
        return described

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by number; numbers of train and test are independent."""
        own = split_on_disk(self.settings, split, ("train", "test"), self.dataset)
        images = self._numbered(f"image/{own}", (".jpg",))
        val = self.settings.val or ("official" if self.task_types == ("depth",) else "mseg")
        if own == "test" and val == "mseg":
            wanted = {int(name) for name in listed("sunrgbd_val")}
            left = {number: path for number, path in images.items() if number in wanted}
            problems.pass_over("test images that are not on MSeg's list", len(images) - len(left))
            images = left
        if not images:
            remedy = "Unpack the images, correct `path`, or set `val: official`."
            problems.add(self.name(self.place / f"image/{own}"), "no image of the split", "img-*.jpg", remedy)
        kinds = {"mask": self.masks} if "segmentation" in self.task_types else {}
        kinds |= {"depth": "depth"} if "depth" in self.task_types else {}
        files = {kind: self._numbered(f"{name}/{own}", (".png",)) for kind, name in kinds.items()}
        return [
            Item(
                id=self.identifier(image),
                split=split,
                image=image,
                files={
                    kind: files[kind].get(number, self.place / f"{name}/{own}/{number:08d}.png")
                    for kind, name in kinds.items()
                },
            )
            for number, image in sorted(images.items())
        ]

    def _numbered(self, place: str, suffixes: tuple[str, ...]) -> dict[int, Path]:
        """Files of a folder by the number in their names."""
        found = {}
        for path in find_files(self.place, f"{place}/*", suffixes):
            digits = re.findall(r"\d+", path.stem)
            if digits:
                found[int(digits[-1])] = path
        return found

    def depth(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Depth in metres: the 16 bits rotated to the right by three are millimetres, 0 is invalid."""
        values = decoded_values(self, item.files["depth"], "depth map", problems)
        if values is None:
            return None
        millimetres = (values >> 3) | (
            (values << 13) & 0xFFFF
        )  # 64-bit integers: `<<` does not wrap by itself
        return np.minimum(millimetres / 1000, self.settings.maximum).astype(np.float32)


ADAPTER = OfficialAdapter(Settings, SunRgbdReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
