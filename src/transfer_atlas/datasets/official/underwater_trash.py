"""Underwater Trash (Trash-ICRA19): boxes in the layout of Pascal VOC, with misspelt names."""

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
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import table
from transfer_atlas.datasets.official.voc_annotations import voc_objects
from transfer_atlas.datasets.prepared import Objects, TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="Underwater Trash (Trash-ICRA19)",
    obtain="https://conservancy.umn.edu/handle/11299/214366",
    archives=("trash_ICRA19.zip",),
    layout=("dataset/{train,val,test}/*.jpg", "dataset/{train,val,test}/*.xml"),
    gigabytes=1,
    licence="CC BY (to be confirmed at the source)",
    citation="Fulton et al., Robotic Detection of Marine Litter Using Deep Visual Detection Models, ICRA 2019",
    expected={"detection": {"train": 5720, "val": 1144}},
    table1={"detection": 3, "train": 6000, "val": 1144},
    differences=(
        "Evaluated on test, whose 1144 images Table 1 counts; the 820 of val are not used.",
        "Boxes of metal, wood, cloth, fishing, paper, rubber, unknown and timestamp are left out, which gives Table "
        "1's three classes; the authors' data code keeps metal, and boxes of the others as background.",
    ),
    unverified=("The licence; whether coordinates count from 1 (`first_pixel`).",),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("detection",)
    name: Literal["underwater_trash"] = "underwater_trash"
    path: str = Field("trash_ICRA19", description="Folder with dataset, or that folder itself.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )
    metal: bool = Field(
        False, description="Whether metal is a class, the first, as in the authors' data code."
    )
    first_pixel: Literal[0, 1] = Field(
        1, description="Coordinate of the first pixel: 1 as in Pascal VOC, or 0."
    )


class UnderwaterTrashReader(Reader):
    """Images with their XML file beside them."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "trash_ICRA19/dataset", "train")
        entries = table("underwater_trash")["classes"]
        kept = [e for e in entries if e.get("table1") or (settings.metal and e["name"] == "metal")]
        self.classes = [entry["name"] for entry in kept]
        self.indices: dict[str, int | None] = {name: None for e in entries for name in e["source"]}
        self.indices |= {name: at for at, entry in enumerate(kept) for name in entry["source"]}

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        return {"detection": {"classes": self.classes}}

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by name."""
        own = split_on_disk(self.settings, split, ("train", "val", "test"), self.dataset)
        images = find_files(self.place, f"{own}/*", (".jpg", ".jpeg", ".png"))
        if not images:
            remedy = "Unpack the images, or correct `path`."
            problems.add(self.name(self.place / own), "no image", "*.jpg with *.xml beside them", remedy)
        return [
            Item(self.identifier(path), split, path, {"annotation": path.with_suffix(".xml")})
            for path in images
        ]

    def objects(self, item: Item, problems: Problems) -> Objects | None:
        """Boxes of the classes; others are counted."""
        size = size_of_image(self, item, problems)
        if size is None:
            return None
        first, path = self.settings.first_pixel, item.files["annotation"]
        return voc_objects(self, path, size, self._index, first, problems)

    def _index(self, name: str) -> int | None:
        if name.lower() not in self.indices:
            raise ValueError(f"class '{name}', which is none of Trash-ICRA19's")
        return self.indices[name.lower()]


ADAPTER = OfficialAdapter(Settings, UnderwaterTrashReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
