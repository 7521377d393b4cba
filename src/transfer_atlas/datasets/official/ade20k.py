"""ADE20K in the form of the scene parsing challenge: 150 classes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="ADE20K (SceneParsing, 2016)",
    obtain="http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip",
    archives=("ADEChallengeData2016.zip",),
    layout=("images/{training,validation}/*.jpg", "annotations/{training,validation}/*.png"),
    gigabytes=1,
    licence="images: research and education, not commercial; annotations BSD 3-clause",
    citation="Zhou et al., Scene Parsing through ADE20K Dataset, CVPR 2017",
    expected={"segmentation": {"train": 20210, "val": 2000}},
    table1={"segmentation": 150, "train": 20000, "val": 2000},
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["ade20k"] = "ade20k"
    path: str = Field("ADEChallengeData2016", description="Folder with images and annotations.")
    splits: dict[str, str] = Field(
        {"train": "training", "val": "validation"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )


class Ade20kReader(MaskReader):
    """Images and masks of one name in two folders; mask values are the ids, 0 is what has no class."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("ade20k", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "ADEChallengeData2016", "annotations")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images by name."""
        own = split_on_disk(self.settings, split, ("training", "validation"), self.dataset)
        images = find_files(self.place, f"images/{own}/*", (".jpg",))
        masks = self.place / f"annotations/{own}"
        return self.paired(images, lambda path: masks / f"{path.stem}.png", split, problems, f"images/{own}")


ADAPTER = OfficialAdapter(Settings, Ade20kReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
