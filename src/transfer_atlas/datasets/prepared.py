"""The prepared-dataset format: what one dataset looks like once an adapter has read its official layout.

A prepared dataset is a folder:

    dataset.json              the description (classes, colours, statistics, counts, licence, ...)
    shards/train-00000.parquet, shards/val-00000.parquet, ...
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

TaskType = Literal["segmentation", "detection", "keypoints", "depth", "classification"]
IGNORE_LABEL = 255  # in every prepared mask of 8 bits; 65535 in a mask of 16 bits


class Strict(BaseModel):
    """A model that refuses unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SegmentationDescription(Strict):
    """Classes of the masks: pixel value k is `classes[k]`; `IGNORE_LABEL` is not trained or evaluated."""

    classes: list[str]
    colours: list[tuple[int, int, int]]


class DetectionDescription(Strict):
    """Classes of the boxes."""

    classes: list[str]


class KeypointsDescription(Strict):
    """Names, left-right flips (index of each keypoint's mirror), skeleton and OKS sigmas."""

    names: list[str]
    flips: list[int]
    skeleton: list[tuple[int, int]] = []
    sigmas: list[float]


class DepthDescription(Strict):
    """Unit of the decoded depth and the range outside which it is invalid."""

    unit: Literal["metre", "relative"]
    minimum: float
    maximum: float


class ClassificationDescription(Strict):
    """Image-level classes."""

    classes: list[str]


class DatasetDescription(Strict):
    """Contents of dataset.json. mean and std are per channel (R, G, B) of the training images in 0..255."""

    name: str
    domain: str
    counts: dict[str, int]
    segmentation: SegmentationDescription | None = None
    detection: DetectionDescription | None = None
    keypoints: KeypointsDescription | None = None
    depth: DepthDescription | None = None
    classification: ClassificationDescription | None = None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str = ""
    licence: str = ""


@dataclass(frozen=True)
class Objects:
    """Annotated objects of one image, N of them, in pixels of the image.

    boxes (N, 4) float32 x_min, y_min, x_max, y_max; labels (N,) int64 index into the detection classes
    (0 for keypoints-only datasets); crowd (N,) bool: ignored in training and scoring;
    keypoints (N, K, 3) float32 x, y, visibility (0 not annotated, 1 hidden, 2 visible) or None;
    area (N,) float32, of the object (its box where no outline is known).
    """

    boxes: np.ndarray
    labels: np.ndarray
    crowd: np.ndarray
    area: np.ndarray
    keypoints: np.ndarray | None = None


@dataclass(frozen=True)
class Record:
    """One image with whatever is annotated, before it is encoded into a row of a shard.

    image: encoded bytes (JPEG or PNG, kept as they are on disk) or (H, W, 3) uint8;
    mask (H, W) uint8 (uint16 above 255 classes); depth (H, W) float32 in the description's unit, 0 invalid;
    label: index of the image-level class.
    """

    id: str
    split: str
    image: bytes | np.ndarray
    mask: np.ndarray | None = None
    objects: Objects | None = None
    depth: np.ndarray | None = None
    label: int | None = None
    extra: dict[str, str] = field(default_factory=dict)
