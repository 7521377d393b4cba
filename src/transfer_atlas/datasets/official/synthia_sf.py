"""SYNTHIA-SF: six rendered sequences with classes and depth."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.coded_depth import CodedReader, CodedSettings
from transfer_atlas.datasets.official.eleven_classes import eleven_classes
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="SYNTHIA-SF",
    obtain="https://synthia-dataset.net/downloads",
    archives=("SYNTHIA-SF.zip",),
    layout=("SEQ*/RGBLeft/*.png", "SEQ*/GTLeft/*.png", "SEQ*/DepthLeft/*.png"),
    licence="CC BY-NC-SA 3.0 (to be confirmed in the archive)",
    citation="Hernandez-Juarez et al., Slanted Stixels: Representing San Francisco's Steepest Streets, BMVC 2017",
    differences=("AT/DT gives no split: here SEQ5 is evaluated on, and SEQ6 left as a test set.",),
    unverified=(
        "The depth of the largest code, 1000 m (`factor`): read the archive's README.",
        "The licence.",
    ),
)


class Settings(CodedSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation", "depth")
    name: Literal["synthia_sf"] = "synthia_sf"
    path: str = Field("SYNTHIA-SF", description="Folder with the sequences.")
    sequences: dict[str, list[str]] = Field(
        {"val": ["SEQ5"], "test": ["SEQ6"]},
        description="Sequences of val and test; all others are trained on.",
    )
    cameras: list[Literal["left", "right"]] = Field(
        ["left"], min_length=1, description="Cameras that are used."
    )
    labels: Literal["own", "atdt_11"] = Field("own", description="The dataset's 22 classes, or AT/DT's 11.")


class SynthiaSfReader(CodedReader):
    """Frames by sequence; the right camera's masks are in GTright, with a small r."""

    FOLDERS: ClassVar = {
        "left": ("RGBLeft", "GTLeft", "DepthLeft"),
        "right": ("RGBRight", "GTright", "DepthRight"),
    }

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        labels = label_table("synthia_sf", settings.ignore_background, settings.unknown)
        if settings.labels == "atdt_11":
            labels = eleven_classes("synthia_sf", settings.unknown)
        super().__init__(settings, root, dataset, labels)
        self.place = unpacked(self.folder, "SYNTHIA-SF", "SEQ*")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Frames by sequence, camera and number."""
        own = split_on_disk(self.settings, split, ("train", "val", "test"), self.dataset)
        chosen = self.settings.sequences
        others = {name for names in chosen.values() for name in names}
        items = []
        for camera in self.settings.cameras:
            colour, classes, depth = self.FOLDERS[camera]
            for path in find_files(self.place, f"SEQ*/{colour}/*", (".png", ".jpg")):
                place, sequence = path.parents[1], path.parents[1].name
                if (sequence not in others) if own == "train" else (sequence in chosen.get(own, ())):
                    files = {
                        "mask": place / f"{classes}/{path.name}",
                        "depth": place / f"{depth}/{path.name}",
                    }
                    kinds = {"mask": "segmentation", "depth": "depth"}
                    files = {kind: file for kind, file in files.items() if kinds[kind] in self.task_types}
                    items.append(Item(self.identifier(path), split, path, files))
        if not items:
            remedy = "Unpack the sequences, or correct `path` or `sequences`."
            problems.add(self.name(self.place), f"no image (split {split})", "SEQ*/RGBLeft/*.png", remedy)
        return sorted(items, key=lambda item: item.id)


ADAPTER = OfficialAdapter(Settings, SynthiaSfReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
