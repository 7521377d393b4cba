"""BDD100K detection (the 100K images), with the labels of 2018 or of 2020."""

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
from transfer_atlas.datasets.official.files import read_json_list, unpacked
from transfer_atlas.datasets.official.label_tables import table
from transfer_atlas.datasets.official.objects import ObjectList
from transfer_atlas.datasets.prepared import Objects, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

LEFT_OUT = ("other person", "other vehicle", "trailer")  # of the labels of 2020: no classes of the benchmark
CARD = Card(
    title="Berkeley DeepDrive, BDD100K detection (100K)",
    obtain="https://bdd-data.berkeley.edu (registration)",
    archives=(
        "bdd100k_images_100k.zip",
        "bdd100k_labels_release.zip (2018), or bdd100k_det_20_labels_trainval.zip (2020)",
    ),
    layout=(
        "images/100k/{train,val}/*.jpg",
        "labels/bdd100k_labels_images_{train,val}.json, or labels/det_20/det_{train,val}.json",
    ),
    gigabytes=6,
    licence="BDD100K licence: education, research and not-for-profit purposes",
    citation="Yu et al., BDD100K: A Diverse Driving Dataset for Heterogeneous Multitask Learning, CVPR 2020",
    expected={"detection": {"train": 69863, "val": 10000}},
    table1={"detection": 10, "train": 70000, "val": 10000},
    differences=(
        "Of the 70,000 training images, 69,863 are in the labels.",
        "Labels of 2020 say bicycle, motorcycle and pedestrian where those of 2018 say bike, motor and person; they "
        "are the same classes here. Boxes of other persons, other vehicles and trailers are left out.",
    ),
    unverified=("The number 69,863; whether corners are pixels inside the box (`inclusive`).",),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("detection",)
    name: Literal["bdd_100k"] = "bdd_100k"
    path: str = Field("bdd100k", description="Folder with images and labels.")
    labels: Literal["2018", "2020"] | None = Field(
        None, description="Release of the labels; by default that of 2020 where it is there."
    )
    inclusive: bool = Field(
        False,
        description="Whether x2 and y2 are the last pixels inside a box, as Scalabel's documentation has it "
        "(width = x2 - x1 + 1), or its far sides, as in the authors' data code.",
    )


class Bdd100kReader(Reader):
    """One JSON file a split; boxes are those labels that have a `box2d`."""

    FILES: ClassVar = {"2020": "labels/det_20/det_{}.json", "2018": "labels/bdd100k_labels_images_{}.json"}

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "bdd100k", "images/100k")
        self.classes = [entry["name"] for entry in table("bdd100k_det")["classes"]]
        entries = enumerate(table("bdd100k_det")["classes"])
        self.indices = {name: at for at, entry in entries for name in entry["source"]}

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        return {"detection": {"classes": self.classes}}

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images that the labels name, by name; some have no objects."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        wanted = [self.settings.labels] if self.settings.labels else list(self.FILES)
        files = [self.place / self.FILES[release].format(own) for release in wanted]
        path = next((file for file in files if file.is_file()), files[0])
        frames = read_json_list(path, self.dataset, _slim)
        if not isinstance(frames, list) or not all(isinstance(f, dict) and "name" in f for f in frames):
            raise DatasetError(
                f"Dataset '{self.dataset}': {path} is no list of frames. Expected BDD100K's own file, not one "
                "converted to COCO's format: fetch it anew."
            )
        chosen = []
        for frame in sorted(frames, key=lambda one: str(one["name"])):
            if not self.below([str(frame["name"])], path, problems):
                continue
            image = self.place / f"images/100k/{own}/{frame['name']}"
            labels = frame.get("labels") or []
            if not isinstance(labels, list) or not all(isinstance(label, dict) for label in labels):
                where = f"{self.name(path)}, {frame['name']}"
                problems.add(where, "labels that are no list", "a list or null", "Fetch the labels anew.")
                continue
            boxes = [label for label in labels if label.get("box2d")]
            item = Item(self.identifier(image), split, image, {"annotation": path}, known=boxes)
            chosen.append(item)
        return self.present(chosen, problems, "images that the labels name")

    def objects(self, item: Item, problems: Problems) -> Objects | None:
        """Boxes by class, in pixels."""
        size = size_of_image(self, item, problems)
        if size is None:
            return None
        found, more = ObjectList(size), 1 if self.settings.inclusive else 0
        for entry in item.known:
            category = entry.get("category")
            if category in LEFT_OUT:
                problems.pass_over(f"boxes of '{category}'", 1)
                continue
            try:
                label = self.indices[category]
                x1, y1, x2, y2 = (float(entry["box2d"][corner]) for corner in ("x1", "y1", "x2", "y2"))
            except (KeyError, TypeError, ValueError) as error:
                where = f"{self.name(item.files['annotation'])}, {item.image.name}"
                expected = f"box2d with x1, y1, x2, y2 and a category of {{{', '.join(self.indices)}}}"
                problems.add(where, f"a box of '{category}' ({error})", expected, "Fetch the labels anew.")
                return None
            crowd = bool((entry.get("attributes") or {}).get("crowd", False))
            found.add((x1, y1, x2 + more, y2 + more), label, crowd=crowd)
        problems.pass_over("boxes without an area", found.dropped)
        return found.objects()


def _slim(entry: dict[str, Any]) -> dict[str, Any]:
    """What is used of a frame or a label: lanes and areas (`poly2d`) take most of the memory."""
    return {name: value for name, value in entry.items() if name != "poly2d"}


ADAPTER = OfficialAdapter(Settings, Bdd100kReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
