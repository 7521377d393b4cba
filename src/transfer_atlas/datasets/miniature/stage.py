"""What a scene is given to draw on: canvas, palette, random stream and the dataset's camera settings."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from transfer_atlas.datasets.miniature.canvas import UNITS, Camera, Canvas
from transfer_atlas.datasets.miniature.shapes import Pose, Thing, place
from transfer_atlas.datasets.miniature.surfaces import Palette
from transfer_atlas.datasets.miniature.things import CATALOGUE


@dataclass
class Stage:
    """One image in the making. `wanted` is a material that the image must show, if any."""

    canvas: Canvas
    palette: Palette
    rng: np.random.Generator
    wanted: str | None = None
    camera_ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    shadows: bool = True

    def between(self, name: str, low: float, high: float) -> float:
        """A camera parameter from the dataset's range, or from the scene's own."""
        return float(self.rng.uniform(*self.camera_ranges.get(name, (low, high))))

    def chance(self, probability: float, *materials: str) -> bool:
        """True with a probability, and always where one of the materials is wanted."""
        draw = self.rng.random()
        return bool(self.wanted in materials or draw < probability)

    def count(self, mean: float, *materials: str, near: int = 1) -> int:
        """A Poisson number of things, at least `near` where one of the materials is wanted."""
        number = int(self.rng.poisson(mean))
        return max(number, near) if self.wanted in materials else number

    def stand(self, camera: Camera, thing: Thing, x: float, z: float, *, counted: bool = True) -> None:
        """Place an upright thing on the ground at world position (x, z)."""
        column, row, depth = camera.project(x, camera.height, z)
        if depth < 0.8:
            return
        scale = camera.focal / depth
        if self.shadows and counted:
            left, _, right, _ = thing.extent()
            width = (right - left) / 2
            self.canvas.darken(column, row, 1.15 * width * scale, 0.25 * width * scale + 0.5, 0.45)
        place(
            self.canvas,
            thing,
            Pose(column, row, scale, depth, flip=_flippable(thing, self.rng)),
            counted=counted,
        )

    def sees(self, camera: Camera, x: float, z: float, reach: float = 2.5) -> bool:
        """Whether a thing of that half width, in metres, at (x, z) would be in the image."""
        column, _, depth = camera.project(x, 0, z)
        return depth >= 0.8 and abs(column - UNITS / 2) < UNITS / 2 + reach * camera.focal / depth

    def show(
        self,
        thing: Thing,
        x: float,
        y: float,
        height: float,
        depth: float,
        angle: float = 0.0,
        wide: float = 0.6,
    ) -> None:
        """Place a thing with its ground point at a canvas position, scaled to a height in canvas units.

        A thing wider than high is scaled by its width times `wide` instead.
        """
        left, bottom, right, top = thing.extent()
        extent = max(top - bottom, wide * (right - left))
        pose = Pose(x, y, height / extent, depth, angle, _flippable(thing, self.rng))
        place(self.canvas, thing, pose)

    def thing(self, name: str) -> Thing:
        """A thing from the catalogue in this image's palette."""
        return CATALOGUE[name](self.palette)

    def backdrop(self, camera: Camera | None = None, *, material: str = "sky") -> None:
        """The sky, or open water: a gradient with soft clouds."""
        surface = self.palette.surface(material)
        canvas = self.canvas
        horizon = camera.horizon if camera else UNITS / 2
        rgb = (
            surface.rgb(canvas.x, canvas.y)
            * (0.85 + 0.3 * np.clip(canvas.y / max(horizon, 1), 0, 1))[..., None]
        )
        canvas.paint((slice(None), slice(None)), np.ones_like(canvas.part, bool), rgb, material, 1e6)

    def ridge(self, base: float, height: float, material: str, depth: float, *, rough: float = 1.0) -> None:
        """A distant profile above a row: hills, woods or a skyline."""
        canvas, rng = self.canvas, self.rng
        phases, x = rng.uniform(0, 6.3, 4), canvas.x[0]
        waves = sum(
            np.sin(x * rough * f + p) / (i + 1)
            for i, (f, p) in enumerate(zip((0.05, 0.11, 0.25, 0.5), phases, strict=True))
        )
        top = base - height * (0.6 + 0.3 * waves)
        where = canvas.window(0, float(top.min()), UNITS, base + 1)
        if where is None:
            return
        rgb = self.palette.surface(material, scale=0.8).rgb(canvas.x, canvas.y[where[0]])
        canvas.paint(where, canvas.y[where[0]] > top[None, :], rgb, material, depth)


def _flippable(thing: Thing, rng: np.random.Generator) -> bool:
    """Whether to mirror: never figures, whose left and right have names."""
    return bool(rng.random() < 0.5) and not thing.keypoints
