"""Stanford Dogs with the keypoints of StanfordExtra."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
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
from transfer_atlas.datasets.official.files import image_size, read_json, read_mat, unpacked
from transfer_atlas.datasets.official.label_tables import table
from transfer_atlas.datasets.official.objects import ObjectList
from transfer_atlas.datasets.prepared import Objects, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

POINTS = 20  # of 24 in the file, the last four of which nobody annotated
SIGMA = 0.067  # StanfordExtra defines none: the mean of COCO's, for every keypoint alike
SKELETON = (
    (0, 1), (1, 2), (3, 4), (4, 5), (6, 7), (7, 8), (9, 10), (10, 11),
    (12, 13), (14, 18), (15, 19), (14, 15), (16, 17),
)  # fmt: skip
FILES = (
    "StanfordExtra_v1.json",
    "StanfordExtra_V12/StanfordExtra_v12.json",
    "StanfordExtra_v12.json",
    "StanfordExtra_V1/StanfordExtra_v1.json",
)
CARD = Card(
    title="Stanford Dogs with StanfordExtra",
    obtain="http://vision.stanford.edu/aditya86/ImageNetDogs and https://github.com/benjiebob/StanfordExtra",
    archives=("images.tar", "lists.tar", "StanfordExtra_v1.json or StanfordExtra_V12.zip"),
    layout=("Images/n*/*.jpg", "StanfordExtra_v1.json, or StanfordExtra_V12/*.json", "{train,test}_list.mat"),
    gigabytes=0.8,
    licence="annotations MIT; images under ImageNet's terms",
    citation="Biggs et al., Who Left the Dogs Out?, ECCV 2020; Khosla et al., Novel Dataset for Fine-Grained Image "
    "Categorization, CVPR workshops 2011",
    expected={},
    table1={"keypoints": 20, "train": 7000, "val": 5000},
    differences=(
        "Images are divided by the lists of Stanford Dogs; evaluated on test.",
        "Entries whose image is missing or of another size are left out, and counted.",
    ),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("keypoints",)
    name: Literal["stanford_dogs"] = "stanford_dogs"
    path: str = Field("stanford_dogs", description="Folder with Images, the lists and StanfordExtra's file.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "test"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )


class StanfordDogsReader(Reader):
    """One JSON file for all images, and one list a split."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "stanford_dogs", "Images")
        files = [self.place / name for name in FILES]
        self.file = next((path for path in files if path.is_file()), files[0])

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        known = table("stanford_dogs")
        names = [entry["name"] for entry in known["classes"]][:POINTS]
        return {
            "keypoints": {
                "names": names,
                "flips": known["flip"],
                "skeleton": SKELETON,
                "sigmas": [SIGMA] * POINTS,
            }
        }

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images on the list that have an entry, by path."""
        own = split_on_disk(self.settings, split, ("train", "val", "test"), self.dataset)
        entries = read_json(self.file, self.dataset)
        try:
            dogs: dict[str, list[dict[str, Any]]] = {}
            for number, entry in enumerate(entries):
                about = {key: entry[key] for key in ("img_width", "img_height", "joints", "img_bbox")}
                dogs.setdefault(str(entry["img_path"]), []).append(about | {"number": number})
        except (KeyError, TypeError) as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': {self.file} lacks {error}. Expected StanfordExtra's list of img_path, "
                "img_width, img_height, joints and img_bbox: fetch the file anew."
            ) from error
        chosen = []
        for name in self.below(sorted(self._listed(own, dogs)), self.file, problems):
            image = self.place / "Images" / name
            size, about = image_size(image) if image.is_file() else None, dogs[name]
            if size is not None and size != (about[0]["img_width"], about[0]["img_height"]):
                problems.pass_over("entries whose image is of another size", 1)
                continue
            chosen.append(Item(self.identifier(image), split, image, known=about))
        return self.present(chosen, problems, "images that StanfordExtra names")

    def _listed(self, own: str, dogs: dict[str, list[dict[str, Any]]]) -> set[str]:
        """Names of a split: on the .mat list, or by StanfordExtra's own numbers where there are no lists."""
        path = next(self.place.glob(f"**/{own}_list.mat"), None)
        if path is not None:
            try:
                listed = {str(name) for name in np.atleast_1d(read_mat(path)["file_list"])}
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(
                    f"Dataset '{self.dataset}': {path} is no list ({error}). Expected file_list: fetch lists.tar anew."
                ) from error
            return listed & dogs.keys()
        numbers = self.file.parent / f"{own}_stanford_StanfordExtra_v12.npy"
        if not numbers.is_file():
            raise DatasetError(
                f"Dataset '{self.dataset}': there is no {own}_list.mat below {self.place}. Expected the lists of "
                "Stanford Dogs (lists.tar), or StanfordExtra's *_stanford_StanfordExtra_v12.npy: unpack them there."
            )
        wanted = set(np.load(numbers, allow_pickle=False).ravel().tolist())
        return {name for name, about in dogs.items() if about[0]["number"] in wanted}

    def objects(self, item: Item, problems: Problems) -> Objects | None:
        """Dogs with their keypoints: 0 absent, 1 given but not marked as seen, 2 seen."""
        size = size_of_image(self, item, problems)
        if size is None:
            return None
        found = ObjectList(size, POINTS)
        for entry in item.known:
            try:
                joints = np.array(entry["joints"], np.float64)[:POINTS].reshape(POINTS, 3)
                x, y, width, height = (float(value) for value in entry["img_bbox"])
            except (TypeError, ValueError, IndexError) as error:
                where = f"{self.name(self.file)}, {item.image.name}"
                problems.add(
                    where, f"no such numbers ({error})", "24 joints and a box", "Fetch the file anew."
                )
                return None
            given = joints[:, :2].any(axis=1) | (joints[:, 2] > 0)
            seen = np.where(joints[:, 2] > 0, 2, 1)
            points = np.column_stack([joints[:, :2], seen]) * given[:, None]
            found.add((x, y, x + width, y + height), keypoints=points)
        return found.objects()


ADAPTER = OfficialAdapter(Settings, StanfordDogsReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
