"""The canvas: image, material, instance, part and depth of every pixel, painted with one depth test.

Scenes are laid out in canvas units, of which an image is 96 wide and high at any resolution. All annotations
are read off the same buffers, so masks, boxes, keypoints and depth cannot contradict one another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from transfer_atlas.datasets.miniature.surfaces import Surface

UNITS = 96.0
FAR = np.float32(1e6)


@dataclass
class Instance:
    """One thing that was painted: its material and, for figures, keypoints with the parts they lie on."""

    material: str
    keypoints: dict[str, tuple[float, float, frozenset[int]]] = field(default_factory=dict)


class Canvas:
    """Buffers of one image (H, W), and the ways to paint on them."""

    def __init__(self, size: int, material_names: list[str]) -> None:
        """An empty canvas, size pixels wide and high."""
        axis = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(UNITS / size)
        self.size = size
        self.x, self.y = axis[None, :], axis[:, None]
        self.image = np.zeros((size, size, 3), np.float32)
        self.material = np.full((size, size), 255, np.uint8)
        self.instance = np.zeros((size, size), np.int32)
        self.part = np.zeros((size, size), np.uint8)
        self.depth = np.full((size, size), FAR, np.float32)
        self.camera: tuple[float, float] | None = None  # focal length and horizon, in canvas units
        self.instances: list[Instance] = []
        self.codes = {name: code for code, name in enumerate(material_names)}

    def add_instance(self, material: str) -> int:
        """Register a thing; its number marks its pixels."""
        self.instances.append(Instance(material))
        return len(self.instances)

    def window(self, left: float, top: float, right: float, bottom: float) -> tuple[slice, slice] | None:
        """Rows and columns of the pixels inside a rectangle given in units, or None if there are none."""
        scale = self.size / UNITS
        x0, x1 = max(int(left * scale), 0), min(int(np.ceil(right * scale)) + 1, self.size)
        y0, y1 = max(int(top * scale), 0), min(int(np.ceil(bottom * scale)) + 1, self.size)
        return (slice(y0, y1), slice(x0, x1)) if x0 < x1 and y0 < y1 else None

    def paint(
        self,
        where: tuple[slice, slice],
        mask: np.ndarray,
        rgb: np.ndarray,
        material: str,
        depth: np.ndarray | float,
        instance: int = 0,
        part: int = 0,
    ) -> None:
        """Paint the pixels of the mask that are no farther than what is there; ties go to the later one."""
        shown = mask & (depth <= self.depth[where])
        np.copyto(self.image[where], rgb, where=shown[..., None])
        np.copyto(self.material[where], np.uint8(self.codes[material]), where=shown)
        np.copyto(self.instance[where], np.int32(instance), where=shown)
        np.copyto(self.part[where], np.uint8(part), where=shown)
        np.copyto(self.depth[where], np.float32(depth), where=shown)

    def fill(self, surface: Surface, material: str, depth: float = float(FAR)) -> None:
        """Cover everything that is farther than depth with a surface that faces the camera."""
        everywhere = (slice(None), slice(None))
        self.paint(everywhere, np.ones_like(self.part, bool), surface.rgb(self.x, self.y), material, depth)

    def darken(self, x: float, y: float, radius_x: float, radius_y: float, strength: float) -> None:
        """A soft shadow on what is painted so far; it changes no annotation."""
        where = self.window(x - radius_x, y - radius_y, x + radius_x, y + radius_y)
        if where is None:
            return
        distance = ((self.x[:, where[1]] - x) / radius_x) ** 2 + ((self.y[where[0]] - y) / radius_y) ** 2
        self.image[where] *= (1 - strength * np.clip(1.3 * (1 - distance), 0, 1))[..., None]


class Camera:
    """A pinhole camera above a ground plane; world axes are x right, y down, z forward, in metres.

    Tilt is a shift of the horizon, so verticals stay vertical, and a ray's horizontal direction depends on
    its column only: intersections with upright boxes are then cheap products of rows and columns.
    """

    def __init__(self, canvas: Canvas, focal: float, horizon: float, height: float, yaw: float = 0.0) -> None:
        """Focal length and horizon in canvas units, height in metres, yaw in radians."""
        self.canvas = canvas
        canvas.camera = focal, horizon
        self.focal, self.horizon, self.height, self.yaw = focal, horizon, height, yaw
        across = (canvas.x[0] - UNITS / 2) / focal
        self.cosine, self.sine = float(np.cos(yaw)), float(np.sin(yaw))
        self.ray_x = across * self.cosine + self.sine
        self.ray_z = self.cosine - across * self.sine
        self.ray_y = (canvas.y[:, 0] - horizon) / focal

    def project(self, x: float, y: float, z: float) -> tuple[float, float, float]:
        """Canvas position and depth of a world point (y down, the camera at 0)."""
        depth = x * self.sine + z * self.cosine
        across = x * self.cosine - z * self.sine
        safe = max(depth, 1e-3)
        return UNITS / 2 + self.focal * across / safe, self.horizon + self.focal * y / safe, depth

    def ground(self) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray, np.ndarray]:
        """The rows below the horizon, with world x, z and depth of the ground in each pixel."""
        first = int(np.searchsorted(self.ray_y, 0.012))
        rows = slice(first, self.canvas.size)
        depth = (self.height / self.ray_y[rows])[:, None]
        return (rows, slice(0, self.canvas.size)), depth * self.ray_x, depth * self.ray_z, depth

    def box(
        self,
        low: tuple[float, float, float],
        high: tuple[float, float, float],
        surface: Surface,
        material: str,
        *,
        density: float,
        instance: int = 0,
        top: Surface | None = None,
        turn: float = 0.0,
        shades: tuple[float, float, float] = (0.8, 1.0, 1.1),
    ) -> None:
        """Paint a box between two world corners, seen from outside, turned about its own upright axis.

        density is texture units per metre; shades: brightness of faces across x, across z, and lying.
        """
        centre_x, centre_z = (low[0] + high[0]) / 2, (low[2] + high[2]) / 2
        half_x, half_z = (high[0] - low[0]) / 2, (high[2] - low[2]) / 2
        reach = float(np.hypot(half_x, half_z))
        _, _, middle = self.project(centre_x, 0, centre_z)
        if middle + reach < 0.1:
            return
        if middle - reach > 0.3:
            left, right = (self._edge(centre_x, centre_z, s * reach) for s in (-1, 1))
            rows = [
                self.horizon + self.focal * y / (middle + s * reach)
                for y in (low[1], high[1])
                for s in (-1, 1)
            ]
            where = self.canvas.window(left - 1, min(rows) - 1, right + 1, max(rows) + 1)
        else:
            where = self.canvas.window(0, 0, UNITS, UNITS)
        if where is None:
            return
        cosine, sine = np.cos(turn), np.sin(turn)
        ray_x, ray_z = self.ray_x[where[1]], self.ray_z[where[1]]
        local_x, local_z = ray_x * cosine - ray_z * sine, ray_x * sine + ray_z * cosine
        origin_x = -centre_x * cosine + centre_z * sine
        origin_z = -centre_x * sine - centre_z * cosine
        near_x, far_x = _slab(origin_x, local_x, half_x)
        near_z, far_z = _slab(origin_z, local_z, half_z)
        ray_y = self.ray_y[where[0]]
        ray_y = np.where(np.abs(ray_y) < 1e-6, 1e-6, ray_y)
        first, second = low[1] / ray_y, high[1] / ray_y
        near_y, far_y = np.minimum(first, second)[:, None], np.maximum(first, second)[:, None]
        near_side, far_side = np.maximum(near_x, near_z), np.minimum(far_x, far_z)
        depth = np.maximum(near_side, near_y)
        hit = (depth < np.minimum(far_side, far_y)) & (depth > 0.05)
        if not hit.any():
            return
        lying = near_y > near_side
        sideways = near_x > near_z
        hit_x, hit_z = origin_x + depth * local_x, origin_z + depth * local_z
        hit_y = depth * ray_y[:, None]
        footprint = depth * (density / self.focal)
        u = np.where(sideways & ~lying, hit_z, hit_x) * density
        v = np.where(lying, hit_z, hit_y) * density
        rgb = surface.rgb(u, v, footprint)
        if top is not None and lying.any():
            rgb = np.where(lying[..., None], top.rgb(u, v, footprint), rgb)
        shade = np.where(lying, shades[2], np.where(sideways, shades[0], shades[1])).astype(np.float32)
        self.canvas.paint(where, hit, rgb * shade[..., None], material, depth, instance)

    def _edge(self, x: float, z: float, reach: float) -> float:
        """The column where a circle of radius |reach| around a point ends, on the side of reach's sign."""
        across, depth = x * self.cosine - z * self.sine, x * self.sine + z * self.cosine
        return UNITS / 2 + self.focal * max(
            ((across + reach) / (depth + s * abs(reach)) for s in (-1, 1)), key=lambda e: e * np.sign(reach)
        )


def _slab(origin: float, direction: np.ndarray, half: float) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave the slab |position| < half."""
    direction = np.where(np.abs(direction) < 1e-6, 1e-6, direction)
    first, second = (-half - origin) / direction, (half - origin) / direction
    return np.minimum(first, second), np.maximum(first, second)
