"""SUIM: underwater images with 8 colours, and masks that are larger than their image."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, image_size, unpacked
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

FOLDERS = {"train_val": ("train_val", "train"), "test": ("test",)}  # in any case
CARD = Card(
    title="SUIM",
    obtain="https://irvlab.cs.umn.edu/resources/suim-dataset",
    archives=("train_val.zip", "TEST.zip"),
    layout=("train_val/{images/*.jpg,masks/*.bmp}", "TEST/{images/*.jpg,masks/*.bmp}"),
    gigabytes=0.4,
    licence="MIT (repository)",
    citation="Islam et al., Semantic Segmentation of Underwater Imagery: Dataset and Benchmark, IROS 2020",
    expected={"segmentation": {"train": 1525, "val": 110}},
    table1={"segmentation": 8, "train": 1525, "val": 110},
    differences=(
        "36 masks of training images are larger than their image; they are cropped at the top left, as in the authors' "
        "data code.",
        "Evaluated on TEST.",
    ),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["suim"] = "suim"
    path: str = Field("suim", description="Folder with train_val and TEST.")
    splits: dict[str, str] = Field(
        {"train": "train_val", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )
    ignore_background: bool = Field(False, description="Whether open water is ignored, or the first class.")
    threshold: bool = Field(
        False,
        description="Whether each channel of a mask is rounded to 0 or 255, for masks that went through JPEG; else "
        "other colours are unknown, as in the authors' data code.",
    )


class SuimReader(MaskReader):
    """Masks whose colours are the labels; of TEST, folders of single classes lie beside them."""

    colours = True

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("suim", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "SUIM", "*/masks")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by name."""
        own = split_on_disk(self.settings, split, ("train_val", "test", "TEST"), self.dataset).lower()
        folders = sorted(path for path in self.place.iterdir() if path.is_dir())
        wanted = FOLDERS[own]
        place = next((path for path in folders if path.name.lower() in wanted), self.place / wanted[0])
        masks = {path.stem: path for path in find_files(place, "masks/*", (".bmp", ".png"))}

        def mask_of(path: Path) -> Path:
            return masks.get(path.stem, place / f"masks/{path.stem}.bmp")

        images = find_files(place, "images/*", (".jpg", ".jpeg", ".png"))
        return self.paired(images, mask_of, split, problems, "images/*.jpg")

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Colours (H, W, 3), cropped to the image where the mask is larger."""
        values, size = self.stored(item, problems), image_size(item.image)
        if values is None:
            return None
        if size is not None and values.shape[:2] != size[::-1]:
            height, width = values.shape[:2]
            if height >= size[1] and width >= size[0]:
                values = values[: size[1], : size[0]]
                problems.pass_over("masks larger than their image, cropped", 1)
        return np.where(values < 128, 0, 255).astype(np.uint8) if self.settings.threshold else values


ADAPTER = OfficialAdapter(Settings, SuimReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
