"""Surface normals: derived from depth and the camera's intrinsics, and how they are stored. Pure functions on arrays.

Camera coordinates are x to the right, y down, z forward; a normal is of unit length and points to the camera's side of
its surface, so that a wall that faces the camera has (0, 0, -1).
"""

from __future__ import annotations

import math

import numpy as np

from transfer_atlas.datasets.encoding import in_range
from transfer_atlas.datasets.prepared import DatasetDescription, Intrinsics, Record

STEPS = 127.5  # of a stored component, in -1..1: 8 bits, at most 0.4 degrees off


def normals_of_depth(depth: np.ndarray, intrinsics: Intrinsics) -> np.ndarray:
    """Normals (H, W, 3) float32 of depth (H, W), 0 where it is not known; 0 where there is none.

    The cross product of two tangents: the differences of the points in space to a neighbour in x and to one in y, of
    both neighbours the one that is nearer in depth, so that edges of objects are not bridged. Of a plane this is exact.
    A pixel needs a known neighbour in both directions.
    """
    height, width = depth.shape
    focal_x, focal_y = (focal * width for focal in intrinsics.focal)
    column = np.arange(width) + 0.5 - intrinsics.centre[0] * width
    row = np.arange(height)[:, None] + 0.5 - intrinsics.centre[1] * height
    z = np.where(np.isfinite(depth) & (depth > 0), depth, np.nan).astype(np.float64)
    points = np.stack([column / focal_x * z, row / focal_y * z, z], axis=-1)
    normals = np.cross(_tangent(points, axis=1), _tangent(points, axis=0))
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    towards = np.where((normals * points).sum(axis=-1, keepdims=True) > 0, -1.0, 1.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        unit = towards * normals / length
    return np.where(np.isfinite(unit).all(axis=-1, keepdims=True), unit, 0.0).astype(np.float32)


def normals_of(record: Record, description: DatasetDescription) -> np.ndarray:
    """Normals (H, W, 3) of a record: its own, or those of its depth within the range."""
    if record.normals is not None:
        return record.normals
    about, depth = description.depth, record.depth
    valid = in_range(depth, about.minimum, about.maximum)
    return normals_of_depth(np.where(valid, depth, 0), description.normals.intrinsics)


def _tangent(points: np.ndarray, axis: int) -> np.ndarray:
    """Difference (H, W, 3) to the neighbour along an axis that is nearer in depth; nan where neither is known."""
    steps = np.diff(points, axis=axis)
    none = np.full_like(np.take(points, [0], axis=axis), np.nan)
    before, after = np.concatenate([none, steps], axis=axis), np.concatenate([steps, none], axis=axis)
    far_before, far_after = (
        np.where(np.isnan(each[..., 2]), np.inf, np.abs(each[..., 2])) for each in (before, after)
    )
    return np.where((far_before < far_after)[..., None], before, after)


def coloured(normals: np.ndarray) -> np.ndarray:
    """Normals (H, W, 3) as colours uint8: -1..1 as 0..255, black where there is none."""
    known = (normals != 0).any(axis=-1, keepdims=True)
    colours = np.clip(np.rint((normals + 1) * STEPS), 0, 255)
    return np.where(known, colours, 0).astype(np.uint8)


def decoded(colours: np.ndarray) -> np.ndarray:
    """Normals (H, W, 3) float32 of unit length of colours (H, W, 3) uint8; 0 where they are black.

    Also reads other writers' maps of this convention, whose unknown pixels are black or mid-grey. A component at a
    time, for sums over three neighbours in memory take ten times as long.
    """
    planes = np.moveaxis(colours, -1, 0)
    of_colour = np.arange(256, dtype=np.float32) / np.float32(STEPS) - 1
    x, y, z = (np.take(of_colour, plane) for plane in planes)
    length = np.sqrt(x * x + y * y + z * z)
    known = ((planes[0] | planes[1] | planes[2]) != 0) & (length > 0.5)
    length = np.maximum(length, np.float32(1e-6))
    unit = np.stack([np.where(known, component / length, np.float32(0)) for component in (x, y, z)])
    return np.moveaxis(unit, 0, -1)


def focal_of(field_of_view: float) -> float:
    """Focal length in image widths of a horizontal field of view in degrees."""
    return 0.5 / math.tan(math.radians(field_of_view) / 2)
