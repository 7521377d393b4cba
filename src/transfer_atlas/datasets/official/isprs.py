"""ISPRS: trained on Potsdam, evaluated on Vaihingen, cut into squares with channels both cities have."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.official.patch_reader import PatchReader, PatchSettings
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="ISPRS 2D semantic labelling, Potsdam and Vaihingen",
    obtain="https://www.isprs.org/education/benchmarks/UrbanSemLab (form)",
    archives=(
        "2_Ortho_RGB.zip",
        "5_Labels_all.zip",
        "ISPRS_semantic_labeling_Vaihingen.zip",
        "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE.zip",
    ),
    layout=(
        "**/top_potsdam_*_RGB.tif",
        "**/top_potsdam_*_label.tif",
        "**/top/top_mosaic_09cm_area*.tif",
        "top_mosaic_09cm_area*.tif of the labels, in any other folder",
    ),
    gigabytes=17,
    licence="ISPRS: research",
    citation="Rottensteiner et al., The ISPRS Benchmark on Urban Object Classification and 3D Building Reconstruction, "
    "2012",
    expected={"segmentation": {"train": 3800, "val": 437}},
    table1={"segmentation": 6, "train": 4000, "val": 437},
    differences=(
        "Squares of 800 x 800 overlapping by 200, 100 of each of Potsdam's 38 tiles.",
        "Vaihingen has infrared, red and green: both cities get red, green and their mean, as in the authors' code.",
        "Clutter is the first class; the authors' metadata list it twice, which makes 7.",
    ),
    unverified=("Tile 4_12 of Potsdam holds other colours than the six; they are ignored, and counted.",),
)


class Settings(PatchSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["isprs"] = "isprs"
    path: str = Field(
        "isprs", description="Folder with the archives of both cities, unpacked in any folders."
    )
    splits: dict[str, str] = Field(
        {"train": "potsdam", "val": "vaihingen"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )
    ignore_background: bool = Field(False, description="Whether clutter is ignored, or the first class.")
    channels: Literal["red_green_mean", "as_stored"] = Field(
        "red_green_mean",
        description="Red, green and their mean; or what the files hold, which differs by city.",
    )


class IsprsReader(PatchReader):
    """Tiles as TIFF, with masks whose colours are the labels."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("isprs", settings.ignore_background, settings.unknown)
        )

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Squares by tile, row and column."""
        own = split_on_disk(self.settings, split, ("potsdam", "vaihingen"), self.dataset)
        tiles = self._potsdam() if own == "potsdam" else self._vaihingen()
        if not tiles:
            expected = "top_potsdam_*_RGB.tif" if own == "potsdam" else "top/top_mosaic_09cm_area*.tif"
            remedy = "Unpack the archives there, or correct `path`."
            problems.add(self.name(self.folder), f"no tile of {own}", expected, remedy)
        return self.cut_items(tiles, split, problems)

    def _potsdam(self) -> list[tuple[str, Path, Path]]:
        masks = {
            path.stem.removesuffix("_label"): path
            for path in find_files(self.folder, "**/top_potsdam_*_label.tif")
        }
        tiles = []
        for path in find_files(self.folder, "**/top_potsdam_*_RGB.tif"):
            base = path.stem.removesuffix("_RGB")
            tiles.append((base, path, masks.get(base, path.with_name(f"{base}_label.tif"))))
        return tiles

    def _vaihingen(self) -> list[tuple[str, Path, Path]]:
        found = find_files(self.folder, "**/top_mosaic_09cm_area*.tif")
        masks = {path.stem: path for path in found if path.parent.name.lower() != "top"}
        tiles = [path for path in found if path.parent.name.lower() == "top"]
        return [(p.stem, p, masks.get(p.stem, p.parents[1] / "gt" / p.name)) for p in tiles]

    def image(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Red, green and their mean: of Potsdam the first two channels, of Vaihingen the last two."""
        pixels = super().image(item, problems)
        if pixels is None or self.settings.channels == "as_stored":
            return pixels
        first = 1 if item.image.stem.startswith("top_mosaic") else 0
        red, green = pixels[..., first], pixels[..., first + 1]
        mean = (red.astype(np.uint16) + green) // 2
        return np.stack([red, green, mean.astype(np.uint8)], axis=2)


ADAPTER = OfficialAdapter(Settings, IsprsReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
