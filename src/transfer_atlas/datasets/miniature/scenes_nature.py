"""Underwater scenes and close-ups of animals.

Underwater: a bed of sand below open water, with rocks, coral, weeds, fish, divers, wrecks, robots, rubbish.
Close-ups: one animal that fills the frame, before a garden, a room or a meadow.
"""

from __future__ import annotations

import numpy as np

from transfer_atlas.datasets.miniature.canvas import UNITS, Camera
from transfer_atlas.datasets.miniature.figures import quadruped
from transfer_atlas.datasets.miniature.stage import Stage

PROVIDES_UNDERWATER = frozenset(
    ["water_column", "sand", "rock", "coral", "seaweed", "fish", "diver", "wreck", "robot", "trash"]
)
PROVIDES_CLOSE_UP = frozenset({"dog"})
# Per layout: mean numbers of rock, coral, seaweed, fish, diver, wreck, robot, trash.
NUMBERS = {
    "reef": (1.5, 3.0, 1.5, 3.0, 0.35, 0.2, 0.1, 0.0),
    "bed": (0.8, 0.0, 0.8, 0.6, 0.1, 0.1, 0.35, 1.6),
}
SIZES = {  # apparent heights in canvas units of near ones
    "rock": (18, 38),
    "coral": (22, 44),
    "seaweed": (30, 54),
    "fish": (18, 36),
    "diver": (44, 70),
    "wreck": (36, 56),
    "robot": (28, 46),
    "trash": (18, 34),
}


def underwater(stage: Stage, layout: str) -> None:
    """Draw one view under water; nearer things are larger and lower, and overlap farther ones."""
    rng, canvas = stage.rng, stage.canvas
    stage.backdrop(material="water_column")
    camera = Camera(canvas, 60, stage.between("horizon", 22, 48), 1.2)
    where, x, z, depth = camera.ground()
    density = 8.0
    rgb = stage.palette.surface("sand").rgb(x * density, z * density * 0.6, depth * density / camera.focal)
    canvas.paint(where, np.broadcast_to(depth < 18, rgb.shape[:2]), rgb, "sand", depth)
    for name, mean in zip(SIZES, NUMBERS[layout], strict=True):
        for index in range(stage.count(mean, name)):
            low, high = SIZES[name]
            nearness = (
                rng.uniform(0.75, 1.0) if stage.wanted == name and index == 0 else rng.uniform(0.45, 1.0)
            )
            size = nearness * rng.uniform(low, high)
            distance = 1.6 / nearness
            floats = name in ("fish", "diver", "robot") or (name == "trash" and rng.random() < 0.4)
            column = rng.uniform(8, UNITS - 8)
            _, bed, _ = camera.project(0, camera.height, distance * 1.3)
            row = rng.uniform(20, 75) + 0.3 * size if floats else min(bed, 92) + rng.uniform(-3, 3)
            angle = float(rng.normal(0, 0.25))
            if name == "diver":
                angle = float(rng.choice([-1, 1]) * rng.uniform(1.0, 1.7))
                column -= 0.4 * size * np.sign(angle)
            elif name in ("rock", "coral", "seaweed"):
                angle *= 0.3
            elif name == "trash":
                angle *= 3
            stage.show(stage.thing(name), column, row, size, distance, angle)


def close_up(stage: Stage, layout: str) -> None:
    """Draw one animal that fills the frame. Layouts: garden, room, meadow."""
    rng, palette, canvas = stage.rng, stage.palette, stage.canvas
    far = {"garden": "vegetation", "room": "wall_indoor", "meadow": "sky"}[layout]
    near = {"garden": "terrain", "room": "floor", "meadow": "terrain"}[layout]
    canvas.fill(palette.surface(far, scale=1.5), far, 50.0)
    horizon = rng.uniform(30, 70)
    where = canvas.window(0, horizon, UNITS, UNITS)
    v = np.maximum(canvas.y[where[0]] - horizon, 0) ** 0.8 * 1.6
    rgb = palette.surface(near, scale=1.3).rgb(canvas.x, v)
    canvas.paint(where, np.ones(rgb.shape[:2], bool), rgb, near, 20.0)
    dog = quadruped(palette, "dog", seated=bool(rng.random() < 0.3))
    size = rng.uniform(58, 86)
    base = rng.uniform(82, 94)
    if stage.shadows:
        canvas.darken(48, base, 32, 5, 0.4)
    stage.show(dog, rng.uniform(42, 54), base, size, 3.0, wide=0.9)
    if rng.random() < 0.25:
        stage.show(stage.thing("ball"), rng.uniform(10, 86), base, rng.uniform(10, 18), 3.5)
