"""Caltech 101: a folder a class."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.class_folders import (
    IMAGES,
    ClassReader,
    SeededSettings,
    checked_classes,
)
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

BACKGROUND = "BACKGROUND_Google"
CARD = Card(
    title="Caltech 101",
    obtain="https://data.caltech.edu/records/mzrjq-6wc02",
    archives=("caltech-101.zip, with 101_ObjectCategories.tar.gz in it",),
    layout=("101_ObjectCategories/<class>/image_*.jpg",),
    gigabytes=0.2,
    licence="CC BY 4.0",
    citation="Fei-Fei et al., Learning Generative Visual Models from Few Training Examples, CVPR workshops 2004",
    differences=(
        "There is no official split: of each class a share is held out by a seeded rule.",
        "The folder of background images is no class, unless asked for; `Faces` and `Faces_easy` are two.",
    ),
)


class Settings(SeededSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["caltech101"] = "caltech101"
    path: str = Field("caltech-101", description="Folder with 101_ObjectCategories.")
    background: bool = Field(False, description="Whether BACKGROUND_Google is a class, too.")


class Caltech101Reader(ClassReader):
    """Class folders."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "caltech-101/101_ObjectCategories", "*/image_*")
        found = [(path, path.parent.name) for path in find_files(self.place, "*/*", IMAGES)]
        self.images = [one for one in found if settings.background or one[1] != BACKGROUND]
        self.classes = checked_classes({name for _, name in self.images}, 102, self.place, dataset)

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by class and name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        return self.labelled(self.divided(self.images, own), split)


ADAPTER = OfficialAdapter(Settings, Caltech101Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
