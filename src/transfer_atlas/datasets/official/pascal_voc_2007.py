"""Pascal VOC 2007 detection: trained on trainval, evaluated on test."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import (
    Item,
    OfficialAdapter,
    OfficialSettings,
    Reader,
    size_of_image,
    split_on_disk,
)
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import read_lines, unpacked
from transfer_atlas.datasets.official.label_tables import table
from transfer_atlas.datasets.official.voc_annotations import voc_objects
from transfer_atlas.datasets.prepared import Objects, TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="Pascal VOC 2007 detection",
    obtain="http://host.robots.ox.ac.uk/pascal/VOC/voc2007",
    archives=("VOCtrainval_06-Nov-2007.tar", "VOCtest_06-Nov-2007.tar"),
    layout=(
        "VOCdevkit/VOC2007/JPEGImages/*.jpg",
        "VOCdevkit/VOC2007/Annotations/*.xml",
        "VOCdevkit/VOC2007/ImageSets/Main/{trainval,test}.txt",
    ),
    gigabytes=1,
    licence="images under the terms of Flickr; annotations for research",
    citation="Everingham et al., The Pascal Visual Object Classes Challenge, IJCV 2010",
    expected={"detection": {"train": 5011, "val": 4952}},
    table1={"detection": 20, "train": 5000},
    differences=("Objects marked difficult are neither trained nor scored, as in the challenge.",),
    unverified=("The numbers of images, 5011 and 4952.",),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("detection",)
    name: Literal["pascal_voc_2007"] = "pascal_voc_2007"
    path: str = Field("pascal_voc_2007", description="Folder with VOCdevkit, or VOC2007 itself.")
    splits: dict[str, str] = Field(
        {"train": "trainval", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )


class PascalVoc2007Reader(Reader):
    """One XML file of boxes an image."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "VOCdevkit/VOC2007", "JPEGImages")
        self.classes = [entry["name"] for entry in table("pascal_voc2007_det")["classes"]]

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        return {"detection": {"classes": self.classes}}

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images that the archive's list names; a second word in a line, as lists of classes have it, is not read."""
        own = split_on_disk(self.settings, split, ("train", "val", "trainval", "test"), self.dataset)
        path = self.place / f"ImageSets/Main/{own}.txt"
        names = dict.fromkeys(line.split()[0] for line in read_lines(path, self.dataset))
        chosen = []
        for name in self.below(names, path, problems):
            image = self.place / f"JPEGImages/{name}.jpg"
            files = {"annotation": self.place / f"Annotations/{name}.xml"}
            chosen.append(Item(id=self.identifier(image), split=split, image=image, files=files))
        return self.present(chosen, problems)

    def objects(self, item: Item, problems: Problems) -> Objects | None:
        """Boxes by class; coordinates count pixels from 1, the last one inside."""
        size = size_of_image(self, item, problems)
        if size is None:
            return None
        return voc_objects(self, item.files["annotation"], size, self._index, 1, problems)

    def _index(self, name: str) -> int:
        if name not in self.classes:
            raise ValueError(f"class '{name}', which is none of Pascal VOC's 20")
        return self.classes.index(name)


ADAPTER = OfficialAdapter(Settings, PascalVoc2007Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
