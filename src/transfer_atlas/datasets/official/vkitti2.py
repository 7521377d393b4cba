"""Virtual KITTI 2: five scenes in ten variations, of which Scene18 is evaluated on."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import Item, OfficialAdapter, split_on_disk
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.files import find_files, unpacked
from transfer_atlas.datasets.official.label_tables import label_table
from transfer_atlas.datasets.official.rendered_reader import RenderedReader, RenderedSettings
from transfer_atlas.datasets.prepared import TaskType
from transfer_atlas.datasets.problems import Problems

CARD = Card(
    title="Virtual KITTI 2",
    obtain="https://europe.naverlabs.com/research/computer-vision/proxy-virtual-worlds-vkitti-2",
    archives=("vkitti_2.0.3_rgb.tar", "vkitti_2.0.3_depth.tar", "vkitti_2.0.3_classSegmentation.tar"),
    layout=(
        "Scene*/*/frames/rgb/Camera_*/rgb_*.jpg",
        "Scene*/*/frames/classSegmentation/Camera_*/classgt_*.png",
        "Scene*/*/frames/depth/Camera_*/depth_*.png",
    ),
    gigabytes=17,
    licence="CC BY-NC-SA 3.0",
    citation="Cabon et al., Virtual KITTI 2, 2020; Gaidon et al., Virtual Worlds as Proxy for Multi-Object Tracking "
    "Analysis, CVPR 2016",
    expected={
        "segmentation": {"train": 35740, "val": 6780},
        "depth": {"train": 35740, "val": 6780},
    },
    table1={"segmentation": 9, "train": 43000, "val": 7000},
    differences=(
        "Table 1's 43K training images are the whole dataset, 42,520; without Scene18 there are 35,740.",
        "14 classes and the undefined ones, which are ignored; Table 1's 9 are presumably those that occur in Scene18. "
        "dataset.json lists the absent ones.",
        "The authors' lists of images are not published; here they are found by name.",
    ),
)


class Settings(RenderedSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation", "depth")
    name: Literal["vkitti2"] = "vkitti2"
    path: str = Field("vkitti2", description="Folder with the scenes.")
    minimum: float = Field(0.94, ge=0, description="Nearer depth is invalid, in metres.")
    maximum: float = Field(80.0, gt=0, description="Farther depth is invalid, in metres.")
    val_scenes: list[str] = Field(["Scene18"], min_length=1, description="Scenes that are evaluated on.")
    variations: list[str] | None = Field(
        None, min_length=1, description="Only these variations, such as clone; by default all."
    )
    cameras: list[str] = Field(["Camera_0", "Camera_1"], min_length=1, description="Cameras that are used.")


class VKitti2Reader(RenderedReader):
    """Frames by scene, variation and camera."""

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("vkitti2", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "vkitti2", "Scene*")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Frames of the scenes of a split, by path."""
        own, chosen = split_on_disk(self.settings, split, ("train", "val"), self.dataset), []
        for path in find_files(self.place, "Scene*/*/frames/rgb/*/rgb_*", (".jpg", ".png")):
            scene, variation, _, _, camera, _ = path.relative_to(self.place).parts
            wanted = self.settings.variations is None or variation in self.settings.variations
            wanted = wanted and camera in self.settings.cameras
            if wanted and (scene in self.settings.val_scenes) == (own == "val"):
                chosen.append(path)
        return self.frames(chosen, split, problems, "Scene*/*/frames/rgb/Camera_*/rgb_*.jpg")


ADAPTER = OfficialAdapter(Settings, VKitti2Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
