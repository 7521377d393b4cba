"""Cityscapes: masks of labelIds, depth from disparity, and single cities as datasets of their own."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.official.base import (
    Item,
    MaskSettings,
    OfficialAdapter,
    Reader,
    SeveralTaskTypes,
    decoded_values,
    split_on_disk,
)
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.disparity import disparity_to_depth
from transfer_atlas.datasets.official.eleven_classes import eleven_classes
from transfer_atlas.datasets.official.files import find_files, read_json, unpacked
from transfer_atlas.datasets.official.label_tables import label_table, table
from transfer_atlas.datasets.official.splits import held_out
from transfer_atlas.datasets.official.train_ids import train_ids
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

SPLITS = ("train", "val", "test")
IMAGE = "_leftImg8bit.png"
CARD = Card(
    title="Cityscapes",
    obtain="https://www.cityscapes-dataset.com (registration)",
    archives=(
        "leftImg8bit_trainvaltest.zip",
        "gtFine_trainvaltest.zip",
        "disparity_trainvaltest.zip (depth)",
        "camera_trainvaltest.zip (depth)",
    ),
    layout=(
        "leftImg8bit/{train,val}/<city>/*_leftImg8bit.png",
        "gtFine/{train,val}/<city>/*_gtFine_labelIds.png",
        "disparity/{train,val}/<city>/*_disparity.png (depth)",
        "camera/{train,val}/<city>/*_camera.json (depth)",
    ),
    gigabytes=12,
    licence="Cityscapes terms: research and teaching, not commercial",
    citation="Cordts et al., The Cityscapes Dataset for Semantic Urban Scene Understanding, CVPR 2016",
    expected={"segmentation": {"train": 2975, "val": 500}, "depth": {"train": 2975, "val": 500}},
    table1={"segmentation": 33, "train": 3000, "val": 500},
    differences=(
        "Table 1 counts the pixels without a label (unlabeled, out of roi) as a class; here they are ignored, which "
        "leaves 32. `ignore_background: false` gives 33.",
        "The ego vehicle, the rectification border and other labels that the benchmark leaves out are classes, as in "
        "the authors' data code; `labels: train_ids` gives the benchmark's 19.",
        "Counts per city sum to 3475 images; OTCE's paper prints 3478.",
        "Single cities as tasks: `cities: all` divides each city's images, and `parts: {aachen: {images: [aachen_*]}}` "
        "of the dataset names one.",
    ),
    unverified=(
        "Baseline (about 0.21 m) and focal length (about 2262 px) are read from each frame's camera file.",
    ),
)


class Settings(MaskSettings, SeveralTaskTypes):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation", "depth")
    name: Literal["cityscapes"] = "cityscapes"
    path: str = Field(
        "cityscapes", description="Folder with leftImg8bit and gtFine, relative to the data root."
    )
    task_types: list[TaskType] | None = Field(
        ["segmentation"],
        min_length=1,
        description="Task types whose annotations are read, and must be there: segmentation, depth.",
    )
    labels: Literal["ids", "train_ids", "atdt_11"] = Field(
        "ids", description="Classes: all labelIds, as in the paper; the benchmark's 19; or AT/DT's 11."
    )
    cities: list[str] | Literal["all"] | None = Field(
        None,
        description="Only these cities, or all 21, as domains of their own. Each lies in one split only, so that "
        "their images, of train and val alike, are divided anew by `held_out` and `seed`.",
    )
    held_out: float = Field(
        0.2, gt=0, lt=1, description="Share of a city's images to evaluate on, where `cities` is given."
    )
    seed: int = Field(0, ge=0, description="Seed of that division.")
    minimum: float = Field(0.0, ge=0, description="Nearer depth is invalid, in metres.")
    maximum: float = Field(
        500.0,
        gt=0,
        description="Farther depth is invalid, in metres: 500 m are less than a pixel of disparity.",
    )

    @model_validator(mode="after")
    def _cities_are_known(self) -> Self:
        known = table("cityscapes_city_counts")
        unknown = sorted(set(self.chosen_cities or ()) - set(known))
        if self.cities == []:
            raise ValueError("cities: none; leave it out for the official splits")
        if unknown:
            raise ValueError(f"cities: {unknown} are none of Cityscapes'; known: {', '.join(sorted(known))}")
        return self

    def unused(self) -> set[str]:
        """How cities are divided, where the official splits are used."""
        return super().unused() | ({"held_out", "seed"} if self.cities is None else set())

    @property
    def chosen_cities(self) -> list[str] | None:
        """The cities whose images are divided anew; None: the official splits."""
        return sorted(table("cityscapes_city_counts")) if self.cities == "all" else self.cities


class CityscapesReader(Reader):
    """Lists frames by city, and reads their masks and disparities."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "cityscapes", "leftImg8bit")
        if settings.labels == "train_ids":
            self.labels = train_ids(settings.unknown)
        elif settings.labels == "atdt_11":
            self.labels = eleven_classes("cityscapes", settings.unknown)
        else:
            self.labels = label_table(
                "cityscapes", settings.ignore_background, settings.unknown, colours_of="cityscapes_labelids"
            )

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        described: dict[str, Any] = {}
        if "segmentation" in self.task_types:
            described["segmentation"] = {
                "classes": list(self.labels.classes),
                "colours": list(self.labels.colours),
            }
        if "depth" in self.task_types:
            low, high = self.settings.minimum, self.settings.maximum
            described["depth"] = {"unit": "metre", "minimum": low, "maximum": high}
        return described

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Frames by city and name, which is their id; of chosen cities, the seeded part."""
        own = split_on_disk(self.settings, split, SPLITS, self.dataset)
        if own == "test":
            raise DatasetError(
                f"Dataset '{self.dataset}': the test images have labels of the car and the border only. Expected "
                "train or val: correct `splits`."
            )
        cities = self.settings.chosen_cities
        folders = (own,) if cities is None else SPLITS[:2]
        images = [p for f in folders for p in find_files(self.place, f"leftImg8bit/{f}/*/*{IMAGE}")]
        if cities is not None:
            images = [path for path in images if path.parent.name in cities]
            out: set[str] = set()
            for city in cities:  # of each city its own share
                names = [path.name for path in images if path.parent.name == city]
                out |= held_out(names, self.settings.held_out, self.settings.seed)
            images = [path for path in images if (path.name in out) == (own == "val")]
        if not images:
            where = self.name(self.place / f"leftImg8bit/{own}")
            problems.add(where, "no image", f"<city>/*{IMAGE}", "Unpack the images, or correct `path`.")
        return [self._item(path, split) for path in images]

    def _item(self, image: Any, split: str) -> Item:
        frame = image.name.removesuffix(IMAGE)
        within = f"{image.parent.parent.name}/{image.parent.name}/{frame}"
        files = {}
        if "segmentation" in self.task_types:
            files["mask"] = self.place / f"gtFine/{within}_gtFine_labelIds.png"
        if "depth" in self.task_types:
            files["depth"] = self.place / f"disparity/{within}_disparity.png"
            files["camera"] = self.place / f"camera/{within}_camera.json"
        return Item(id=frame, split=split, image=image, files=files, known=image.parent.name)

    def mask(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Mask of class indices."""
        values = decoded_values(self, item.files["mask"], "mask", problems)
        return None if values is None else self.mapped(self.labels, values, item.files["mask"], problems)

    def depth(self, item: Item, problems: Problems) -> np.ndarray | None:
        """Depth in metres: baseline * focal length / disparity, which is stored as 256 d + 1, and 0 where unknown."""
        values = decoded_values(self, item.files["depth"], "disparity", problems)
        if values is None:
            return None
        camera = read_json(item.files["camera"], self.dataset)
        try:
            factor = float(camera["extrinsic"]["baseline"]) * float(camera["intrinsic"]["fx"])
        except (KeyError, TypeError, ValueError):
            remedy = "Fetch camera_trainvaltest.zip anew."
            where = self.name(item.files["camera"])
            problems.add(where, "no such numbers", "extrinsic.baseline and intrinsic.fx", remedy)
            return None
        return disparity_to_depth((values - 1) / 256, factor)


ADAPTER = OfficialAdapter(Settings, CityscapesReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
