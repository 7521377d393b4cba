"""What is scored in an image of each task type: labelled cells of the feature map, or the image as a whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.models.backbone import STRIDE
from transfer_atlas.scoring.sampling import NOT_SAMPLED, cells_of

KINDS = {
    "segmentation": "cells",
    "depth": "values",
    "normals": "cells",
    "detection": "points",
    "keypoints": "points",
    "classification": "image",
}


GOLDEN = (1 + 5**0.5) / 2
# The corners of a dodecahedron (20, 3), of one length: directions that normals are told apart by, as Wang, Fouhey and
# Gupta (Designing Deep Networks for Surface Normal Estimation, 2015, section 3.1) tell them apart by a codebook of 20.
DIRECTIONS = np.array(
    [
        *((x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)),
        *((0, y / GOLDEN, z * GOLDEN) for y in (-1, 1) for z in (-1, 1)),
        *((x / GOLDEN, y * GOLDEN, 0) for x in (-1, 1) for y in (-1, 1)),
        *((x * GOLDEN, 0, z / GOLDEN) for x in (-1, 1) for z in (-1, 1)),
    ]
)


@dataclass(frozen=True)
class Annotation:
    """What one image offers for scoring.

    kind "cells": `cells` (h, w) int64 class of each cell (of normals the nearest of DIRECTIONS), -1 for none;
    "values": `cells` (h, w) float64, nan for none; "points": `rows`, `columns`, `labels` (m,) of object centres or
    keypoints, and of objects `boxes` (m, 4): centre x, centre y, width, height, relative to the image; "image": one
    label. extent: of cells, the part (height, width) of the network's input that they divide.
    """

    kind: str
    cells: np.ndarray | None = None
    rows: np.ndarray | None = None
    columns: np.ndarray | None = None
    labels: np.ndarray | None = None
    boxes: np.ndarray | None = None
    extent: tuple[int, int] | None = None


def annotation_of(
    sample: Sample, extent: tuple[int, int], task_type: str, description: DatasetDescription
) -> Annotation:
    """The annotation of a sample at the resolution of the feature map (stride 4 of an input filled to `extent`)."""
    kind = KINDS[task_type]
    if task_type == "normals":
        return Annotation(
            kind, cells=cells_of(directions_of(sample.normals.numpy()), extent, STRIDE), extent=extent
        )
    if kind == "cells":
        cells = cells_of(sample.mask.numpy(), extent, STRIDE).astype(np.int64)
        cells[cells >= len(description.segmentation.classes)] = NOT_SAMPLED
        return Annotation(kind, cells=cells, extent=extent)
    if kind == "values":
        cells = cells_of(sample.depth.numpy(), extent, STRIDE).astype(np.float64)
        return Annotation(kind, cells=np.where(cells > 0, cells, np.nan), extent=extent)
    if kind == "image":
        return Annotation(kind, labels=np.array([sample.label], np.int64))
    return _points(sample, extent, task_type)


def directions_of(normals: np.ndarray) -> np.ndarray:
    """The nearest of DIRECTIONS (H, W) int64 to each of normals (3, H, W), -1 where there is none."""
    nearest = np.tensordot(DIRECTIONS, normals, axes=1).argmax(axis=0)
    return np.where((normals != 0).any(axis=0), nearest, NOT_SAMPLED).astype(np.int64)


def _points(sample: Sample, extent: tuple[int, int], task_type: str) -> Annotation:
    """Centres of boxes with their class, or annotated keypoints with their number; crowds left out."""
    objects, relative = sample.objects, None
    height, width = sample.image.shape[1:]
    counted = ~objects.crowd
    if task_type == "keypoints":
        points = objects.keypoints[counted]  # (N, K, 3): x, y, visibility
        seen = points[:, :, 2] > 0
        places, labels = points[seen][:, :2], np.nonzero(seen)[1]
    else:
        boxes = objects.boxes[counted]
        places, labels = (boxes[:, :2] + boxes[:, 2:]) / 2, objects.labels[counted]
        sizes = boxes[:, 2:] - boxes[:, :2]
        relative = np.concatenate([places, sizes], axis=1) / np.array([width, height, width, height])
    scale = np.array([extent[1] / width, extent[0] / height]) / STRIDE
    limits = np.array([max(1, extent[1] // STRIDE), max(1, extent[0] // STRIDE)]) - 1
    cells = np.clip((places * scale).astype(np.int64), 0, limits).reshape(-1, 2)
    return Annotation(
        "points", rows=cells[:, 1], columns=cells[:, 0], labels=labels.astype(np.int64), boxes=relative
    )
