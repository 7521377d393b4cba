"""ILSVRC'12 classification: a folder a class, validation images flat or in such folders."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.official.base import (
    Item,
    OfficialAdapter,
    OfficialSettings,
    Reader,
    split_on_disk,
)
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, read_lines, read_mat, unpacked
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

IMAGES = (".jpeg", ".jpg", ".png")
CARD = Card(
    title="ILSVRC'12 (ImageNet-1k)",
    obtain="https://www.image-net.org/download.php (registration)",
    archives=("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz"),
    layout=(
        "train/n*/*.JPEG",
        "val/ILSVRC2012_val_*.JPEG with ILSVRC2012_devkit_t12 or LOC_val_solution.csv, or val/n*/*.JPEG",
    ),
    gigabytes=155,
    licence="ImageNet terms of access: research, not commercial",
    citation="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
    expected={"classification": {"train": 1281167, "val": 50000}},
    differences=("Class indices follow the sorted WordNet ids, not the ids of the development kit.",),
)


class Settings(OfficialSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("classification",)
    name: Literal["ilsvrc"] = "ilsvrc"
    path: str = Field("ilsvrc", description="Folder with train, val and the development kit.")


class IlsvrcReader(Reader):
    """Classes are the folders of train, sorted."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(settings, root, dataset)
        self.place = unpacked(self.folder, "ILSVRC/Data/CLS-LOC", "train")
        train = self.place / "train"
        self.classes = sorted(p.name for p in train.iterdir() if p.is_dir()) if train.is_dir() else []
        self.classes = [name for name in self.classes if not name.startswith(".")]
        if not self.classes:
            raise DatasetError(
                f"Dataset '{dataset}': {train} has no class folder. Expected train/n01440764 and so on: unpack the "
                "archive and the 1000 archives in it, each into a folder of its name."
            )
        self.indices = {name: at for at, name in enumerate(self.classes)}

    def description(self) -> dict[str, Any]:
        """Per task type, the fields of its description."""
        return {"classification": {"classes": self.classes}}

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by class and name; flat ones by name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        folders = sorted(path.name for path in (self.place / own).glob("*") if path.is_dir())
        folders = [name for name in folders if not name.startswith(".")]
        # a class at a time, so that a million paths are never held at once
        labelled = ((p, name) for name in folders for p in find_files(self.place / own / name, "*", IMAGES))
        if own == "val" and not folders:
            labelled = iter(self._flat(problems))
        items, unknown = [], set()
        for path, name in labelled:
            if name in self.indices:
                items.append(Item(self.identifier(path), split, path, known=self.indices[name]))
            else:
                unknown.add(name)
        for name in sorted(unknown):
            remedy = "Complete train, or move the images away."
            problems.add(self.name(self.place / own), f"class '{name}'", "a folder of train", remedy)
        if not items and not problems:
            problems.add(self.name(self.place / own), "no image", "*.JPEG", "Unpack the archive.")
        return items

    def _flat(self, problems: Problems) -> list[tuple[Path, str]]:
        """Flat validation images with their classes, by the development kit or the list of the Kaggle archive."""
        images = find_files(self.place, "val/*", IMAGES)
        bases = (self.folder, self.place, self.place.parents[1])
        solution = next(
            (b / "LOC_val_solution.csv" for b in bases if (b / "LOC_val_solution.csv").is_file()), None
        )
        if solution is not None and solution.is_relative_to(self.folder):
            with solution.open(encoding="utf-8", newline="") as file:
                named = {row["ImageId"]: row["PredictionString"].split()[0] for row in csv.DictReader(file)}
            return [(path, named.get(path.stem, "(not listed)")) for path in images]
        kits = [b / kit for b in (self.folder, self.place) for kit in ("ILSVRC2012_devkit_t12", "devkit")]
        kit = next((path / "data" for path in kits if (path / "data").is_dir()), kits[0] / "data")
        numbers = read_lines(kit / "ILSVRC2012_validation_ground_truth.txt", self.dataset)
        if len(numbers) != len(images):
            remedy = "Complete val: the n-th number is the class of the n-th image."
            found = f"{len(images)} images for {len(numbers)} numbers"
            problems.add(self.name(self.place / "val"), found, "as many", remedy)
            return []
        try:
            synsets = np.atleast_1d(read_mat(kit / "meta.mat")["synsets"])
            names = {int(one.ILSVRC2012_ID): str(one.WNID) for one in synsets}
            return [(path, names[int(number)]) for path, number in zip(images, numbers, strict=True)]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DatasetError(
                f"Dataset '{self.dataset}': {kit} does not tell the classes ({error}). Expected meta.mat with synsets: "
                "fetch ILSVRC2012_devkit_t12.tar.gz anew."
            ) from error

    def label(self, item: Item, problems: Problems) -> int:
        """Index of the image's class."""
        return item.known


ADAPTER = OfficialAdapter(Settings, IlsvrcReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
