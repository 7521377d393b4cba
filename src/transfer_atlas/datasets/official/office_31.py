"""Office-31: 31 classes in three domains."""

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

Domain = Literal["amazon", "dslr", "webcam"]
CARD = Card(
    title="Office-31",
    obtain="https://faculty.cc.gatech.edu/~judy/domainadapt",
    archives=("domain_adaptation_images.tar.gz",),
    layout=("{amazon,dslr,webcam}/images/<class>/*.jpg",),
    gigabytes=0.1,
    licence="research",
    citation="Saenko et al., Adapting Visual Category Models to New Domains, ECCV 2010",
    differences=(
        "There is no official split: of each class and domain a share is held out by a seeded rule.",
    ),
    unverified=("2817 images of amazon, 498 of dslr, 795 of webcam.",),
)


class Settings(SeededSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["office_31"] = "office_31"
    path: str = Field("office_31", description="Folder with the domains.")
    domains: list[Domain] = Field(
        ["amazon", "dslr", "webcam"], min_length=1, description="Domains that are read."
    )


class Office31Reader(ClassReader):
    """Class folders, with or without a folder `images` around them."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "domain_adaptation_images", settings.domains[0])
        found = [
            (path, path.parent.name)
            for domain in sorted(settings.domains)
            for pattern in (f"{domain}/images/*/*", f"{domain}/*/*")
            for path in find_files(self.place, pattern, IMAGES)
        ]
        self.images = found
        self.classes = checked_classes({name for _, name in found}, 31, self.place, dataset)

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by domain, class and name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        return self.labelled(self.divided(self.images, own), split)


ADAPTER = OfficialAdapter(Settings, Office31Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
