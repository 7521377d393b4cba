"""The prepared-dataset format: what one dataset looks like once an adapter has read its official layout.

A prepared dataset is a folder:

    dataset.json              the description (classes, statistics, counts, licence, ...), written last
    index.parquet             where each image is: id, split, shard, row_group, row
    shards/train-00000.parquet, shards/val-00000.parquet, ...

`writing.py` writes such a folder from records, `reading.py` reads it, `adapters/` make the records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from transfer_atlas.strict import Strict

if TYPE_CHECKING:
    from transfer_atlas.datasets.problems import Problems

TaskType = Literal["segmentation", "detection", "keypoints", "depth", "normals", "classification"]
SPLITS = ("train", "val")  # every dataset has both
IGNORE_LABEL = 255  # in every prepared mask of 8 bits
IGNORE_LABEL_16_BITS = 65535  # in masks of datasets with more than 255 classes


class SegmentationDescription(Strict):
    """Classes of the masks: pixel value k is `classes[k]`; `IGNORE_LABEL` is not trained or evaluated.

    absent_classes: per split, the classes no pixel has; unlabelled_images: per split, how many masks are
    ignored throughout. Both are found out when the dataset is written.
    """

    classes: list[str]
    colours: list[tuple[int, int, int]]
    absent_classes: dict[str, list[str]] = Field({})
    unlabelled_images: dict[str, int] = Field({})

    @property
    def ignore_label(self) -> int:
        """The pixel value that is neither trained nor evaluated: 255, or 65535 in masks of 16 bits."""
        return IGNORE_LABEL if len(self.classes) <= IGNORE_LABEL else IGNORE_LABEL_16_BITS


class DetectionDescription(Strict):
    """Classes of the boxes; absent_classes: per split, those no box has (found out when written)."""

    classes: list[str]
    absent_classes: dict[str, list[str]] = Field({})


class KeypointsDescription(Strict):
    """Names, left-right flips (index of each keypoint's mirror), skeleton and OKS sigmas.

    classes: the detection classes whose objects have keypoints; without them, all objects have.
    """

    names: list[str]
    flips: list[int]
    skeleton: list[tuple[int, int]] = Field([])
    sigmas: list[float]
    classes: list[str] = Field([])


class DepthDescription(Strict):
    """Unit of the decoded depth and the range outside which it is invalid (0 when decoded).

    scale: one step of the stored 16-bit integers, in the unit (0.001 keeps millimetres exactly); without it
    maximum / 65535. known: per split, the share of pixels for which the files tell a depth; in_range: per split, the
    share of those that are within the range; maps_without: per split, how many maps have no depth within the range.
    All three are found out when the dataset is written.
    """

    unit: Literal["metre", "relative"]
    minimum: float
    maximum: float
    scale: float | None = None
    known: dict[str, float] = Field({})
    in_range: dict[str, float] = Field({})
    maps_without: dict[str, int] = Field({})

    @property
    def step(self) -> float:
        """Size of one step of the stored integers, in the unit."""
        return self.maximum / 65535 if self.scale is None else self.scale


class Intrinsics(Strict):
    """A pinhole camera, whatever the size its images have been scaled to.

    focal: focal length in x and in y, in image widths; centre: principal point, in shares of width and height.
    """

    focal: tuple[float, float]
    centre: tuple[float, float] = (0.5, 0.5)


class NormalsDescription(Strict):
    """Surface normals in camera coordinates: x to the right, y down, z forward, pointing to the camera's side.

    intrinsics: of the camera by which normals are derived from the depth; None where the dataset has its own. known:
    per split, the share of pixels that have one; found out when the dataset is written.
    """

    intrinsics: Intrinsics | None = None
    known: dict[str, float] = Field({})


class ClassificationDescription(Strict):
    """Image-level classes; absent_classes: per split, those no image has (found out when written)."""

    classes: list[str]
    absent_classes: dict[str, list[str]] = Field({})


class DatasetDescription(Strict):
    """Contents of dataset.json. mean and std are per channel (R, G, B) of the training images in 0..255.

    broken: files that cannot be decoded and were left out, with what is wrong with them; passed_over: what looks like
    part of the dataset and was not used, with how often it was met.

    The image domain is the study's to say and not in here, so that changing it leaves every prepared dataset as it is.
    """

    name: str
    counts: dict[str, int]
    segmentation: SegmentationDescription | None = None
    detection: DetectionDescription | None = None
    keypoints: KeypointsDescription | None = None
    depth: DepthDescription | None = None
    normals: NormalsDescription | None = None
    classification: ClassificationDescription | None = None
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    source: str = ""
    licence: str = ""
    broken: dict[str, str] = Field({})
    passed_over: dict[str, int] = Field({})

    @model_serializer(mode="wrap")
    def _without_absent_normals(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Datasets without normals are described as they were before there were any, to the last byte."""
        values = serialize(self)
        return {name: value for name, value in values.items() if name != "normals" or value is not None}

    @model_validator(mode="before")
    @classmethod
    def _without_domain(cls, values: Any) -> Any:
        """Pass over the image domain, which descriptions written by earlier versions hold."""
        if isinstance(values, dict):
            return {name: value for name, value in values.items() if name != "domain"}
        return values


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

    @property
    def asked(self) -> np.ndarray:
        """(N,) bool: objects that are asked for: no crowds, and with annotated keypoints where there are any."""
        if self.keypoints is None:
            return ~self.crowd
        return ~self.crowd & (self.keypoints[..., 2] > 0).any(axis=1)


def with_keypoints(objects: Objects, description: DatasetDescription) -> Objects:
    """Objects that have keypoints, all with label 0; a dataset with detection may annotate others as well."""
    having = np.ones(len(objects.boxes), dtype=bool)
    if description.keypoints.classes:
        labels = [description.detection.classes.index(name) for name in description.keypoints.classes]
        having = np.isin(objects.labels, labels)
    return Objects(
        boxes=objects.boxes[having],
        labels=np.zeros(having.sum(), dtype=np.int64),
        crowd=objects.crowd[having],
        area=objects.area[having],
        keypoints=objects.keypoints[having],
    )


@dataclass(frozen=True)
class Record:
    """One image with whatever is annotated, before it is encoded into a row of a shard.

    image: encoded bytes (JPEG or PNG, kept as they are on disk) or (H, W, 3) uint8;
    mask (H, W) uint8 (uint16 above 255 classes); depth (H, W) float32 in the description's unit, 0 invalid;
    normals (H, W, 3) float32 of unit length, 0 where there is none: None where they follow from the depth;
    label: index of the image-level class;
    extra: what error messages may name: `image_file`, `mask_file`.
    """

    id: str
    split: str
    image: bytes | np.ndarray
    mask: np.ndarray | None = None
    objects: Objects | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    label: int | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """One image that an adapter has listed and not read: cheap, so that a million of them can be held.

    id: unique in the dataset; read: opens the files and returns the record (of this id and split), or None and a
    problem if something is not in order. Reading is independent of other entries, so that any process may do it.
    """

    id: str
    split: str
    read: Callable[[Problems], Record | None]
