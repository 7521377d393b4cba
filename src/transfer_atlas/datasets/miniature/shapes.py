"""Flat shapes and their placement: ellipses, polygons and capsules painted through a pose onto the canvas."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from transfer_atlas.datasets.miniature.canvas import Canvas
from transfer_atlas.datasets.miniature.surfaces import Surface


@dataclass(frozen=True)
class Part:
    """One shape of a thing in local metres (x right, y up from the ground under its middle).

    kind ellipse: x, y, radius x, radius y; ring: the same and the share of the radius that is hole;
    capsule: x0, y0, x1, y1, radius at each end; polygon: x0, y0, x1, y1, ...
    material: of this part where it differs from the thing's, as a trunk in a tree.
    """

    kind: str
    numbers: tuple[float, ...]
    surface: Surface
    material: str | None = None

    def extent(self) -> tuple[float, float, float, float]:
        """The bounding box in local metres: least x, least y, greatest x, greatest y."""
        n = self.numbers
        if self.kind in ("ellipse", "ring"):
            return n[0] - n[2], n[1] - n[3], n[0] + n[2], n[1] + n[3]
        if self.kind == "capsule":
            return (
                min(n[0] - n[4], n[2] - n[5]),
                min(n[1] - n[4], n[3] - n[5]),
                max(n[0] + n[4], n[2] + n[5]),
                max(n[1] + n[4], n[3] + n[5]),
            )
        return min(n[::2]), min(n[1::2]), max(n[::2]), max(n[1::2])

    def covers(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which local positions lie inside."""
        n = [float(number) for number in self.numbers]  # Python floats keep the arrays at 32 bits
        if self.kind == "ellipse":
            return ((x - n[0]) / n[2]) ** 2 + ((y - n[1]) / n[3]) ** 2 <= 1
        if self.kind == "ring":
            distance = ((x - n[0]) / n[2]) ** 2 + ((y - n[1]) / n[3]) ** 2
            return (distance <= 1) & (distance >= n[4] ** 2)
        if self.kind == "capsule":
            along_x, along_y = n[2] - n[0], n[3] - n[1]
            length = max(along_x**2 + along_y**2, 1e-9)
            dx, dy = x - n[0], y - n[1]
            t = np.clip(dx * (along_x / length) + dy * (along_y / length), 0, 1)
            radius = n[4] + t * (n[5] - n[4])
            return (dx - t * along_x) ** 2 + (dy - t * along_y) ** 2 <= radius * radius
        inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
        x1, y1 = n[-2], n[-1]
        for x0, y0 in zip(n[::2], n[1::2], strict=True):
            if y0 != y1:
                inside ^= ((y0 > y) != (y1 > y)) & (x < (y - y0) * ((x1 - x0) / (y1 - y0)) + x0)
            x1, y1 = x0, y0
        return inside


def rectangle(
    left: float, bottom: float, right: float, top: float, surface: Surface, material: str | None = None
) -> Part:
    """An upright rectangle."""
    return Part("polygon", (left, bottom, right, bottom, right, top, left, top), surface, material)


def polygon(points: list[tuple[float, float]], surface: Surface) -> Part:
    """A polygon through points."""
    return Part("polygon", tuple(float(c) for point in points for c in point), surface)


@dataclass(frozen=True)
class Pose:
    """Where a thing stands: its ground point on the canvas, canvas units per metre, depth, turn, mirror."""

    x: float
    y: float
    scale: float
    depth: float
    angle: float = 0.0
    flip: bool = False

    def to_canvas(self, x: float, y: float) -> tuple[float, float]:
        """A local position to canvas units."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x, y = (-x if self.flip else x) * self.scale, y * self.scale
        return self.x + x * cosine - y * sine, self.y - y * cosine - x * sine

    def bounds(self, extent: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
        """The canvas rectangle (left, top, right, bottom) around a local bounding box."""
        corners = [self.to_canvas(x, y) for x in (extent[0], extent[2]) for y in (extent[1], extent[3])]
        columns, rows = zip(*corners, strict=True)
        return min(columns) - 0.5, min(rows) - 0.5, max(columns) + 0.5, max(rows) + 0.5

    def to_local(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Canvas units to local metres."""
        dx, dy = (x - self.x) / self.scale, (self.y - y) / self.scale
        if self.angle:
            cosine, sine = math.cos(self.angle), math.sin(self.angle)
            dx, dy = dx * cosine - dy * sine, dy * cosine + dx * sine
        return (-dx if self.flip else dx), dy


Keypoints = dict[str, tuple[float, float, frozenset[int]]]


@dataclass(frozen=True)
class Thing:
    """Parts in painting order, and for figures keypoints with the parts that may show them."""

    material: str
    parts: list[Part]
    keypoints: Keypoints | None = None

    def extent(self) -> tuple[float, float, float, float]:
        """The bounding box of all parts."""
        left, bottom, right, top = zip(*(part.extent() for part in self.parts), strict=True)
        return min(left), min(bottom), max(right), max(top)


def place(canvas: Canvas, thing: Thing, pose: Pose, *, counted: bool = True) -> int:
    """Paint a thing; returns its instance number (0 where it is not to be counted as an object)."""
    number = canvas.add_instance(thing.material) if counted else 0
    for index, part in enumerate(thing.parts):
        where = canvas.window(*pose.bounds(part.extent()))
        if where is None:
            continue
        x, y = pose.to_local(canvas.x[:, where[1]], canvas.y[where[0]])
        mask = part.covers(x, y)
        if mask.any():
            # Textures are attached to the thing, in canvas units, so that they do not swim with its position.
            rgb = part.surface.rgb(x * pose.scale, -y * pose.scale)
            canvas.paint(where, mask, rgb, part.material or thing.material, pose.depth, number, index)
    if thing.keypoints and number:
        canvas.instances[number - 1].keypoints = {
            name: (*pose.to_canvas(x, y), parts) for name, (x, y, parts) in thing.keypoints.items()
        }
    return number
