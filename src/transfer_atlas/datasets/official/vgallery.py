"""Virtual Gallery: one gallery under six lights."""

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
    title="Virtual Gallery",
    obtain="https://europe.naverlabs.com/research/3d-vision/virtual-gallery-dataset",
    archives=("training and testing: rgb, depth and classsegmentation",),
    layout=(
        "{training,testing}/*/frames/rgb/camera_*/rgb_*.jpg",
        "{training,testing}/*/frames/classsegmentation/camera_*/classgt_*.png",
        "{training,testing}/*/frames/depth/camera_*/depth_*.png",
    ),
    licence="CC BY-NC-ND 4.0",
    citation="Weinzaepfel et al., Visual Localization by Learning Objects-of-Interest Dense Match Regression, "
    "CVPR 2019",
    expected={"segmentation": {"val": 11904}, "depth": {"val": 11904}},
    table1={"segmentation": 8, "train": 44000, "val": 12000},
    differences=(
        "9 classes and the background, which is ignored; Table 1's 8 are presumably those that occur.",
        "The authors' lists of images are not published; here they are found by name.",
    ),
    unverified=("11,904 test images: 496 frames, six lights, four occlusions.",),
)


class Settings(RenderedSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("segmentation", "depth")
    name: Literal["vgallery"] = "vgallery"
    path: str = Field("vgallery", description="Folder with training and testing.")
    splits: dict[str, str] = Field(
        {"train": "training", "val": "testing"},
        min_length=1,
        description="Split -> the dataset's own split it is made of.",
    )
    minimum: float = Field(0.21, ge=0, description="Nearer depth is invalid, in metres.")
    maximum: float = Field(14.89, gt=0, description="Farther depth is invalid, in metres.")


class VGalleryReader(RenderedReader):
    """Frames by light, loop or occlusion, and camera."""

    class_folder = "classsegmentation"

    def __init__(self, settings: Settings, root: Any, dataset: str) -> None:
        super().__init__(
            settings, root, dataset, label_table("vgallery", settings.ignore_background, settings.unknown)
        )
        self.place = unpacked(self.folder, "virtual_gallery", "training")

    def items(self, split: str, problems: Problems) -> list[Item]:
        """Frames of a split, by path."""
        own = split_on_disk(self.settings, split, ("training", "testing"), self.dataset)
        images = find_files(self.place, f"{own}/*/frames/rgb/*/rgb_*", (".jpg", ".png"))
        return self.frames(images, split, problems, f"{own}/*/frames/rgb/camera_*/rgb_*.jpg")


ADAPTER = OfficialAdapter(Settings, VGalleryReader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
