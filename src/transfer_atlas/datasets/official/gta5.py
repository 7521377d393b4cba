"""GTA5 (Playing for Data): rendered streets with Cityscapes' labelIds."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, image_size, read_mat, unpacked
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.official.splits import held_out
from transfer_atlas.datasets.official.train_ids import train_ids
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

LISTS = {"train": "trainIds", "val": "valIds", "test": "testIds"}
CARD = Card(
    title="GTA5 (Playing for Data)",
    obtain="https://download.visinf.tu-darmstadt.de/data/from_games",
    archives=("01_images.zip to 10_images.zip", "01_labels.zip to 10_labels.zip", "read_mapping.zip (split)"),
    layout=("images/*.png", "labels/*.png", "split.mat, in any folder"),
    gigabytes=57,
    licence="research and education, not commercial",
    citation="Richter et al., Playing for Data: Ground Truth from Computer Games, ECCV 2016",
    expected={"segmentation": {"train": 12403, "val": 6382}},
    differences=(
        "Labels of another size than their image are a handful; such images are left out, and counted.",
    ),
    unverified=("Numbers of images of the three lists of split.mat: 12403, 6382, 6181.",),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["gta5"] = "gta5"
    path: str = Field("gta5", description="Folder with images, labels, and split.mat of read_mapping.zip.")
    labels: Literal["train_ids", "ids"] = Field(
        "train_ids", description="Classes: the 19 of Cityscapes' benchmark, or all labelIds."
    )
    split: Literal["official", "seeded"] = Field(
        "official",
        description="The lists of split.mat, or a share of the images held out by `held_out` and `seed`.",
    )
    held_out: float = Field(0.1, gt=0, lt=1, description="Share of images to evaluate on, of a seeded split.")
    seed: int = Field(0, ge=0, description="Seed of that split.")
    mismatched: Literal["skip", "resize"] = Field(
        "skip",
        description="What becomes of images whose label is of another size: left out, or the label resized.",
    )

    def unused(self) -> set[str]:
        """How images are divided, where the official lists are used."""
        return super().unused() | ({"held_out", "seed"} if self.split == "official" else set())


class Gta5Reader(MaskReader):
    """Masks with a palette, whose indices are the labelIds; 34 is a license plate, which is ignored."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        labels = train_ids(settings.unknown)
        if settings.labels == "ids":
            labels = label_table(
                "cityscapes", settings.ignore_background, settings.unknown, (34, 255), "cityscapes_labelids"
            )
        super().__init__(settings, root, dataset, labels)
        self.place = unpacked(self.folder, "GTA5", "images")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by name."""
        own = split_on_disk(self.settings, split, tuple(LISTS), self.dataset)
        images = find_files(self.place, "images/*", (".png",))
        if self.settings.split == "official":
            wanted = self._listed(own)
            images = [path for path in images if path.stem.isdigit() and int(path.stem) in wanted]
        else:
            out = held_out([p.stem for p in images], self.settings.held_out, self.settings.seed)
            images = [path for path in images if (path.stem in out) == (own == "val")]
        items = self.paired(
            images, lambda p: self.place / f"labels/{p.name}", split, problems, "images/*.png"
        )
        if self.settings.mismatched == "resize":
            return items
        alike = [i for i in items if image_size(i.files["mask"]) in (None, image_size(i.image))]
        problems.pass_over("images whose label is of another size", len(items) - len(alike))
        return alike

    def _listed(self, own: str) -> set[int]:
        path = next(iter(find_files(self.folder, "**/split.mat")), self.place / "split.mat")
        try:
            return {int(number) for number in np.atleast_1d(read_mat(path)[LISTS[own]])}
        except (ValueError, KeyError, TypeError) as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': {path} does not tell the split ({error}). Expected {LISTS[own]}: unpack "
                "read_mapping.zip, or set `split: seeded`."
            ) from error

    def values(self, item: Item, problems: Problems) -> np.ndarray | None:
        """LabelIds, resized without blending where that was asked for."""
        values, size = self.stored(item, problems), image_size(item.image)
        if values is None or size is None or values.shape == size[::-1] or self.settings.mismatched == "skip":
            return values
        return np.asarray(Image.fromarray(values.astype(np.int32)).resize(size, Image.Resampling.NEAREST))


ADAPTER = OfficialAdapter(Settings, Gta5Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
