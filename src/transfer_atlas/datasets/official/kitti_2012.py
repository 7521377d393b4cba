"""KITTI stereo 2012: sparse depth from disparities of a LiDAR."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from transfer_atlas.datasets.official.base import OfficialAdapter
from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.official.stereo_reader import StereoReader, StereoSettings
from transfer_atlas.datasets.prepared import TaskType

CARD = Card(
    title="KITTI stereo 2012",
    obtain="https://www.cvlibs.net/datasets/kitti/eval_stereo_flow.php?benchmark=stereo (registration)",
    archives=("data_stereo_flow.zip", "data_stereo_flow_calib.zip"),
    layout=("training/colored_0/*_10.png", "training/disp_occ/*_10.png", "training/calib/*.txt"),
    gigabytes=2,
    licence="CC BY-NC-SA 3.0",
    citation="Geiger et al., Are we ready for Autonomous Driving? The KITTI Vision Benchmark Suite, CVPR 2012",
    expected={"depth": {"train": 155, "val": 39}},
    differences=(
        "The benchmark has 194 training images; AT/DT speaks of 200. A fifth is held out by a seeded rule.",
    ),
)


class Settings(StereoSettings):
    """Settings of the adapter."""

    available: ClassVar[tuple[TaskType, ...]] = ("depth",)
    name: Literal["kitti_2012"] = "kitti_2012"
    path: str = Field("kitti_stereo_2012", description="Folder with training.")


class Kitti2012Reader(StereoReader):
    """Colour images of camera 2, whose matrices are P2 and P3."""

    images, disparities = "colored_0", ("disp_occ", "disp_noc")
    calibrations, matrices = "calib", ("P2", "P3")


ADAPTER = OfficialAdapter(Settings, Kitti2012Reader, CARD)
records, describe, task_types, raw_path = ADAPTER.functions
