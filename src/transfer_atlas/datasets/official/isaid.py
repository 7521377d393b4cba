"""iSAID: the images of DOTA with 16 colours, cut into squares."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.official.patch_reader import PatchReader, PatchSettings
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

MASK = "_instance_color_RGB.png"
PLACES = ("images", "Semantic_masks/images", "Semantic_masks", "semantic_masks")
CARD = Card(
    title="iSAID",
    obtain="https://captain-whu.github.io/iSAID (masks) and https://captain-whu.github.io/DOTA (images, version 1.0)",
    archives=("DOTA-v1.0 train and val images", "iSAID train and val Semantic_masks/images.zip"),
    layout=("{train,val}/images/P*.png", "{train,val}/images/P*_instance_color_RGB.png"),
    gigabytes=30,
    licence="academic purposes, not commercial",
    citation="Zamir et al., iSAID: A Large-scale Dataset for Instance Segmentation in Aerial Images, CVPR workshops "
    "2019",
    expected={},
    table1={"segmentation": 16, "train": 27000, "val": 9000},
    differences=(
        "Squares of 800 x 800 overlapping by 200; images smaller than that stay whole. Table 1 has 27K and 9K, the "
        "tables' headers 28K.",
        "The authors' data code leaves out P1527 and P1530, and so does this.",
        "Unlabelled ground is a class; other colours than the 16 are ignored, which the authors' code takes as ground.",
    ),
)


class Settings(PatchSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["isaid"] = "isaid"
    path: str = Field("isaid", description="Folder with train and val.")
    ignore_background: bool = Field(
        False, description="Whether unlabelled ground is ignored, or the first class."
    )
    left_out: list[str] = Field(
        ["P1527", "P1530"], description="Images that are left out, by the start of their name."
    )


class IsaidReader(PatchReader):
    """Images and colour masks, in one folder or in two."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("isaid", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "iSAID", "train")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Squares by image, row and column."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        masks = {
            path.name.removesuffix(MASK): path
            for place in reversed(PLACES)
            for path in find_files(self.place, f"{own}/{place}/*{MASK}")
        }
        images = [
            path
            for path in find_files(self.place, f"{own}/images/P*", (".png", ".jpg"))
            if "_instance_" not in path.name
        ]
        kept = [path for path in images if not path.name.startswith(tuple(self.settings.left_out) or ("\0",))]
        problems.pass_over("images that the authors leave out", len(images) - len(kept))
        if not kept:
            remedy = "Unpack DOTA's images there, or correct `path`."
            problems.add(self.name(self.place / f"{own}/images"), "no image", "P*.png", remedy)
        tiles = [(p.stem, p, masks.get(p.stem, p.with_name(f"{p.stem}{MASK}"))) for p in kept]
        return self.cut_items(tiles, split, problems)


ADAPTER = OfficialAdapter(Settings, IsaidReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
