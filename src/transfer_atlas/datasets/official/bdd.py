"""BDD100K semantic segmentation (the 10K images), from the old and the new archives."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="Berkeley DeepDrive, BDD100K semantic segmentation (10K)",
    obtain="https://bdd-data.berkeley.edu (registration)",
    archives=(
        "bdd100k_images_10k.zip and bdd100k_sem_seg_labels_trainval.zip, or the older bdd100k_seg.zip",
    ),
    layout=(
        "images/10k/{train,val}/*.jpg and labels/sem_seg/masks/{train,val}/*.png, or",
        "seg/images/{train,val}/*.jpg and seg/labels/{train,val}/*_train_id.png",
    ),
    gigabytes=1.3,
    licence="BDD100K licence: education, research and not-for-profit purposes",
    citation="Yu et al., BDD100K: A Diverse Driving Dataset for Heterogeneous Multitask Learning, CVPR 2020",
    expected={"segmentation": {"train": 7000, "val": 1000}},
    table1={"segmentation": 20, "train": 7000, "val": 3000},
    differences=(
        "Table 1 counts ignored pixels as a class; here there are 19.",
        "Table 1's 3000 are the 1000 of val and the 2000 test images, which have no labels.",
        "The 10K images are no subset of the 100K; 2976 training images are in both.",
    ),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["bdd"] = "bdd"
    path: str = Field("bdd100k", description="Folder with images and labels, or with seg.")


class BddReader(MaskReader):
    """Mask values are Cityscapes' train ids, 255 is ignored."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        labels = label_table(
            "bdd100k_seg", settings.ignore_background, settings.unknown, colours_of="cityscapes_labelids"
        )
        super().__init__(settings, root, dataset, labels)
        new, old = (unpacked(self.folder, "bdd100k", marker) for marker in ("images/10k", "seg/images"))
        self.old = (old / "seg/images").is_dir() and not (new / "images/10k").is_dir()
        self.place = old if self.old else new

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        images, masks, ending = f"images/10k/{own}", f"labels/sem_seg/masks/{own}", ".png"
        if self.old:
            images, masks, ending = f"seg/images/{own}", f"seg/labels/{own}", "_train_id.png"
        found = find_files(self.place, f"{images}/*", (".jpg",))
        return self.paired(found, lambda p: self.place / f"{masks}/{p.stem}{ending}", split, problems, images)


ADAPTER = OfficialAdapter(Settings, BddReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
