"""KITTI semantics: 200 images with Cityscapes' labelIds, divided as MSeg does."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, MaskSettings, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.eleven_classes import eleven_classes
from transfer_atlas.datasets.official.files import unpacked
from transfer_atlas.datasets.official.label_tables import label_table, listed
from transfer_atlas.datasets.official.mask_reader import MaskReader
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Introduced

CARD = Card(
    title="KITTI semantic segmentation (2015)",
    obtain="https://www.cvlibs.net/datasets/kitti/eval_semseg.php (registration by e-mail)",
    archives=("data_semantics.zip",),
    layout=("training/image_2/*.png", "training/semantic/*.png"),
    gigabytes=0.3,
    licence="CC BY-NC-SA 3.0",
    citation="Alhaija et al., Augmented Reality Meets Computer Vision, IJCV 2018",
    expected={"segmentation": {"train": 150, "val": 50}},
    table1={"segmentation": 30, "train": 150, "val": 50},
    differences=(
        "The split of the 200 training images is MSeg's, drawn at random there; its lists are fixed here.",
        "The authors' data code has 33 classes with the unlabelled one, which is ignored here (32); Table 1's 30 are "
        "presumably those that occur. dataset.json lists the absent ones.",
    ),
)


class Settings(MaskSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation",)
    name: Literal["kitti"] = "kitti"
    labels: Annotated[Literal["ids", "atdt_11"], Introduced("ids")] = Field(
        "ids", description="Classes: all labelIds, as in the paper, or AT/DT's 11."
    )
    path: str = Field("kitti_semantics", description="Folder with training (and testing).")


class KittiReader(MaskReader):
    """Mask values are labelIds; -1 (255), a license plate, is ignored."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        labels = label_table(
            "kitti_semantics", settings.ignore_background, settings.unknown, colours_of="cityscapes_labelids"
        )
        if settings.labels == "atdt_11":
            labels = eleven_classes("cityscapes", settings.unknown)  # KITTI has Cityscapes' labelIds
        super().__init__(settings, root, dataset, labels)
        self.place = unpacked(self.folder, "data_semantics/training", "image_2")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Images of the fixed list, by name."""
        own = split_on_disk(self.settings, split, ("train", "val"), self.dataset)
        images = [self.place / f"image_2/{name}.png" for name in sorted(listed(f"kitti_{own}"))]
        masks = self.place / "semantic"
        chosen = self.paired(images, lambda path: masks / path.name, split, problems, "training/image_2")
        return self.present(chosen, problems)


ADAPTER = OfficialAdapter(Settings, KittiReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
