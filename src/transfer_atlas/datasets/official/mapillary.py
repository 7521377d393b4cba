"""Mapillary Vistas with the labels of version 1.2: 66 values, of which the last is unlabelled."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, read_json, unpacked
from transfer_atlas.datasets.official.label_tables import Unknown, label_table, table
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

CARD = Card(
    title="Mapillary Vistas 1.2",
    obtain="https://www.mapillary.com/dataset/vistas (request form)",
    archives=("mapillary-vistas-dataset_public_v1.2.zip or _v2.0.zip, which holds the labels of 1.2 too",),
    layout=("{training,validation}/images/*.jpg", "{training,validation}/labels/*.png, or v1.2/labels/*.png"),
    gigabytes=25,
    licence="CC BY-NC-SA 4.0 for research",
    citation="Neuhold et al., The Mapillary Vistas Dataset for Semantic Understanding of Street Scenes, ICCV 2017",
    expected={"segmentation": {"train": 18000, "val": 2000}},
    table1={"segmentation": 66, "train": 18000, "val": 2000},
    differences=("Table 1 counts unlabelled pixels as a class; here they are ignored, which leaves 65.",),
    unverified=("The version of the CC BY-NC-SA licence.",),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["mapillary"] = "mapillary"
    path: str = Field("mapillary_vistas", description="Folder with training and validation.")
    splits: dict[str, str] = Field(
        {"train": "training", "val": "validation"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )
    unknown: Unknown = Field(
        "error",
        description="What other values are: those of version 2.0 look the same and mean something else.",
    )


class MapillaryReader(MaskReader):
    """Masks with a palette, whose indices are the classes."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        labels = label_table(
            "mapillary", settings.ignore_background, settings.unknown, colours_of="mapillary_config"
        )
        super().__init__(settings, root, dataset, labels)
        self.place = unpacked(self.folder, "mapillary_vistas", "*/images")
        self.inner = "v1.2/labels" if next(self.place.glob("*/v1.2/labels"), None) else "labels"
        if self.inner == "labels" and next(self.place.glob("*/v2.0/labels"), None):
            raise DatasetError(
                f"Dataset '{dataset}': {self.place} holds the labels of version 2.0 only. Expected v1.2/labels, with "
                "the paper's 66 classes, which are in the same archive: unpack them."
            )
        self._check_version()

    def _check_version(self) -> None:
        """Refuse an archive whose own list of classes is another one."""
        own = [entry["name"] for entry in table("mapillary_config")["classes"]]
        for name in ("config_v1.2.json", "config.json"):
            path = self.place / name
            if path.is_file():
                content = read_json(path, self.dataset)
                listed = content.get("labels") if isinstance(content, dict) else None
                number = len(listed) if isinstance(listed, list) else "no"
                if number != len(own):
                    raise DatasetError(
                        f"Dataset '{self.dataset}': {path} lists {number} classes. Expected {len(own)}, those of "
                        "version 1.2: fetch its labels."
                    )
                return

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by name."""
        own = split_on_disk(self.settings, split, ("training", "validation"), self.dataset)
        images = find_files(self.place, f"{own}/images/*", (".jpg",))
        masks = self.place / own / self.inner
        return self.paired(images, lambda p: masks / f"{p.stem}.png", split, problems, f"{own}/images")


ADAPTER = OfficialAdapter(Settings, MapillaryReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
