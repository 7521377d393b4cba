"""KITTI stereo 2015: depth from disparities of a LiDAR and of fitted car models."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import OfficialAdapter
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.stereo_reader import StereoReader, StereoSettings
from transfer_atlas.datasets.prepared import TaskType

CARD = Card(
    title="KITTI stereo 2015",
    obtain="https://www.cvlibs.net/datasets/kitti/eval_scene_flow.php?benchmark=stereo (registration)",
    archives=("data_scene_flow.zip", "data_scene_flow_calib.zip"),
    layout=("training/image_2/*_10.png", "training/disp_occ_0/*_10.png", "training/calib_cam_to_cam/*.txt"),
    gigabytes=2,
    licence="CC BY-NC-SA 3.0",
    citation="Menze and Geiger, Object Scene Flow for Autonomous Vehicles, CVPR 2015",
    expected={"depth": {"train": 160, "val": 40}},
    differences=("Of the 200 training images a fifth is held out by a seeded rule.",),
    unverified=("The same 200 images are those of KITTI semantics.",),
)


class Settings(StereoSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("depth",)
    name: Literal["kitti_2015"] = "kitti_2015"
    path: str = Field("kitti_stereo_2015", description="Folder with training.")


class Kitti2015Reader(StereoReader):
    """Colour images of camera 2, whose matrices are P_rect_02 and P_rect_03."""

    images, disparities = "image_2", ("disp_occ_0", "disp_noc_0")
    calibrations, matrices = "calib_cam_to_cam", ("P_rect_02", "P_rect_03")


ADAPTER = OfficialAdapter(Settings, Kitti2015Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
