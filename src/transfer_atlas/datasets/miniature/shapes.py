"""Flat shapes and their placement: ellipses, polygons and capsules painted through a pose onto the canvas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer_atlas.datasets.miniature.canvas import Canvas
from transfer_atlas.datasets.miniature.surfaces import Surface


@dataclass(frozen=True)
class Part:
    """One shape of a thing in local metres (x right, y up from the ground under its middle).

    kind ellipse: x, y, radius x, radius y; capsule: x0, y0, x1, y1, radius at each end; polygon: x0, y0, x1, y1, ...
    material: of this part where it differs from the thing's, as a trunk in a tree.
    """

    kind: str
    numbers: tuple[float, ...]
    surface: Surface
    material: str | None = None

    def corners(self) -> np.ndarray:
        """Points (N, 2) whose bounding box holds the shape."""
        n = self.numbers
        if self.kind == "ellipse":
            return np.array([[n[0] + a * n[2], n[1] + b * n[3]] for a in (-1, 1) for b in (-1, 1)])
        if self.kind == "capsule":
            return np.array(
                [
                    [n[i] + a * n[j], n[i + 1] + b * n[j]]
                    for i, j in ((0, 4), (2, 5))
                    for a in (-1, 1)
                    for b in (-1, 1)
                ]
            )
        return np.array(n).reshape(-1, 2)

    def covers(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Which local positions lie inside."""
        n = self.numbers
        if self.kind == "ellipse":
            return ((x - n[0]) / n[2]) ** 2 + ((y - n[1]) / n[3]) ** 2 <= 1
        if self.kind == "capsule":
            along_x, along_y = n[2] - n[0], n[3] - n[1]
            length = max(along_x**2 + along_y**2, 1e-9)
            t = np.clip(((x - n[0]) * along_x + (y - n[1]) * along_y) / length, 0, 1)
            return np.hypot(x - n[0] - t * along_x, y - n[1] - t * along_y) <= n[4] + t * (n[5] - n[4])
        points = self.corners()
        inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), bool)
        for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
            if y0 != y1:
                inside ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        return inside


@dataclass(frozen=True)
class Pose:
    """Where a thing stands: canvas position of its ground point, canvas units per metre, depth, turn and mirror."""

    x: float
    y: float
    scale: float
    depth: float
    angle: float = 0.0
    flip: bool = False

    def to_canvas(self, points: np.ndarray) -> np.ndarray:
        """Local metres (N, 2) to canvas units."""
        local = points * self.scale * np.array([-1 if self.flip else 1, 1])
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        return np.stack(
            [
                self.x + local[:, 0] * cosine - local[:, 1] * sine,
                self.y - local[:, 1] * cosine - local[:, 0] * sine,
            ],
            1,
        )

    def to_local(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Canvas units to local metres."""
        dx, dy = (x - self.x) / self.scale, (self.y - y) / self.scale
        if self.angle:
            cosine, sine = np.float32(np.cos(self.angle)), np.float32(np.sin(self.angle))
            dx, dy = dx * cosine - dy * sine, dy * cosine + dx * sine
        return (-dx if self.flip else dx), dy


Keypoints = dict[str, tuple[float, float, frozenset[int]]]


@dataclass(frozen=True)
class Thing:
    """Parts in painting order, and for figures the keypoints in local metres with the parts that may show them."""

    material: str
    parts: list[Part]
    keypoints: Keypoints | None = None


def place(canvas: Canvas, thing: Thing, pose: Pose, *, counted: bool = True) -> int:
    """Paint a thing; returns its instance number (0 where it is not to be counted as an object)."""
    number = canvas.add_instance(thing.material) if counted else 0
    # Textures are attached to the thing, in canvas units, so that they do not swim with its position.
    for index, part in enumerate(thing.parts):
        box = pose.to_canvas(part.corners())
        (left, top), (right, bottom) = box.min(0), box.max(0)
        where = canvas.window(left - 0.5, top - 0.5, right + 0.5, bottom + 0.5)
        if where is None:
            continue
        x, y = pose.to_local(canvas.x[:, where[1]], canvas.y[where[0]])
        mask = part.covers(x, y)
        if mask.any():
            rgb = part.surface.rgb(x * pose.scale, -y * pose.scale)
            canvas.paint(where, mask, rgb, part.material or thing.material, pose.depth, number, index)
    if thing.keypoints and number:
        names = list(thing.keypoints)
        points = pose.to_canvas(np.array([thing.keypoints[name][:2] for name in names]))
        canvas.instances[number - 1].keypoints = {
            name: (float(point[0]), float(point[1]), thing.keypoints[name][2])
            for name, point in zip(names, points, strict=True)
        }
    return number
