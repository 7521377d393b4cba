"""Objects of official annotations: boxes clipped to their image, with labels, crowds and keypoints."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from transfer_atlas.datasets.prepared import Objects


@dataclass
class ObjectList:
    """Collects the objects of one image.

    size: width, height of the image, in pixels; points: number of keypoints, None without. Boxes are clipped
    to the image; those without an area inside it mark nothing, and are counted in `dropped`.
    """

    size: tuple[int, int]
    points: int | None = None
    dropped: int = 0
    _boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    _labels: list[int] = field(default_factory=list)
    _crowd: list[bool] = field(default_factory=list)
    _area: list[float] = field(default_factory=list)
    _keypoints: list[np.ndarray] = field(default_factory=list)

    def add(
        self,
        box: tuple[float, float, float, float],
        label: int = 0,
        *,
        crowd: bool = False,
        area: float | None = None,
        keypoints: np.ndarray | None = None,
    ) -> None:
        """Add an object: box as x_min, y_min, x_max, y_max in pixels; keypoints (K, 3) x, y, visibility."""
        width, height = self.size
        if not all(map(math.isfinite, box)):
            self.dropped += 1
            return
        x_min, x_max = np.float32(max(box[0], 0.0)), np.float32(min(box[2], width))
        y_min, y_max = np.float32(max(box[1], 0.0)), np.float32(min(box[3], height))
        if not (x_min < x_max and y_min < y_max):
            self.dropped += 1
            return
        self._boxes.append((x_min, y_min, x_max, y_max))
        self._labels.append(label)
        self._crowd.append(bool(crowd))
        self._area.append(float(area) if area else float((x_max - x_min) * (y_max - y_min)))
        if self.points is not None:
            none = np.zeros((self.points, 3), np.float32)
            self._keypoints.append(none if keypoints is None else np.asarray(keypoints, np.float32))

    def objects(self) -> Objects:
        """The objects collected, in the order they were added."""
        return Objects(
            boxes=np.array(self._boxes, np.float32).reshape(-1, 4),
            labels=np.array(self._labels, np.int64),
            crowd=np.array(self._crowd, bool),
            area=np.array(self._area, np.float32),
            keypoints=None
            if self.points is None
            else np.array(self._keypoints, np.float32).reshape(-1, self.points, 3),
        )
