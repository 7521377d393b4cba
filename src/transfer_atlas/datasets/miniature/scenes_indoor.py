"""Indoor scenes: a room in perspective with furniture made of boxes.

Layouts: living, bedroom, office, kitchen. Depth is exact everywhere, since everything is met by a ray.
"""

from __future__ import annotations

import numpy as np

from transfer_atlas.datasets.miniature.canvas import Camera
from transfer_atlas.datasets.miniature.shapes import Pose, place
from transfer_atlas.datasets.miniature.stage import Stage

PROVIDES = frozenset(
    [
        "wall_indoor",
        "floor",
        "ceiling",
        "window",
        "door",
        "picture",
        "curtain",
        "cabinet",
        "bookshelf",
        "table",
        "chair",
        "sofa",
        "bed",
        "lamp",
        "monitor",
        "rug",
        "vegetation",
        "person",
        "bottle",
    ]
)
FURNITURE = {
    "living": ("sofa", "table", "bookshelf", "lamp", "plant", "chair", "monitor"),
    "bedroom": ("bed", "cabinet", "lamp", "chair", "monitor"),
    "office": ("table", "chair", "chair", "bookshelf", "monitor", "cabinet", "plant"),
    "kitchen": ("cabinet", "cabinet", "table", "chair", "chair", "bottle"),
}
DENSITY = 14.0  # texture units per metre on furniture and walls


class Room:
    """A room around the camera, and the ways to furnish it."""

    def __init__(self, stage: Stage) -> None:
        """A room of random size around a camera of the dataset."""
        rng = stage.rng
        self.stage, self.rng, self.palette = stage, rng, stage.palette
        self.camera = Camera(
            stage.canvas,
            stage.between("focal", 60, 85),
            stage.between("horizon", 30, 44),
            stage.between("height", 1.2, 1.7),
            stage.between("yaw", -0.6, 0.6),
        )
        self.left, self.right = -rng.uniform(1.4, 2.8), rng.uniform(1.4, 2.8)
        self.back = rng.uniform(3.6, 6.0)
        self.ground = self.camera.height
        self.top = self.ground - rng.uniform(2.3, 2.8)

    def box(
        self,
        low: tuple,
        high: tuple,
        material: str,
        *,
        number: int = 0,
        surface: object = None,
        **options: object,
    ) -> None:
        """A box between corners given as (x, height above the floor, z)."""
        surface = surface or self.palette.surface(material)
        options.setdefault("density", DENSITY)
        self.camera.box(
            (low[0], self.ground - high[1], low[2]),
            (high[0], self.ground - low[1], high[2]),
            surface,
            material,
            instance=number,
            **options,
        )

    def shell(self) -> None:
        """Floor, ceiling and walls as thick slabs around the room."""
        height, deep = self.ground - self.top, 0.5
        shades = (float(self.rng.uniform(0.7, 1.0)), 1.0, 1.0)
        left, right, back = self.left, self.right, self.back
        self.box((left - 9, -deep, -2), (right + 9, 0, back + 9), "floor", density=9)
        self.box((left - 9, height, -2), (right + 9, height + deep, back + 9), "ceiling", density=9)
        wall = self.palette.surface("wall_indoor")
        self.box((left - deep, 0, -2), (left, height, back), "wall_indoor", surface=wall, shades=shades)
        self.box((right, 0, -2), (right + deep, height, back), "wall_indoor", surface=wall, shades=shades)
        self.box(
            (left - deep, 0, back),
            (right + deep, height, back + deep),
            "wall_indoor",
            surface=wall,
            shades=shades,
        )

    def hang(self, material: str, low: float, high: float, width: float, thickness: float = 0.05) -> None:
        """Something flat on one of the walls."""
        wall = self.rng.integers(4)
        surface = self.palette.surface(material)
        frame = self.palette.flat(self.palette.colour())
        rim = 0.06 if material in ("window", "picture", "door") else 0.0
        if wall < 2:
            centre = self.rng.uniform(
                self.left + width / 2, max(self.right - width / 2, self.left + width / 2 + 0.1)
            )
            a, b = (centre - width / 2, low, self.back - thickness), (centre + width / 2, high, self.back)
            inner = (a[0] + rim, low + rim, a[2] - 0.02), (b[0] - rim, high - rim, b[2])
        else:
            centre = self.rng.uniform(1.8, max(self.back - width / 2, 2.0))
            x = self.left if wall == 2 else self.right - thickness
            a, b = (x, low, centre - width / 2), (x + thickness, high, centre + width / 2)
            inner = (x - 0.02, low + rim, a[2] + rim), (x + thickness + 0.02, high - rim, b[2] - rim)
        self.box(a, b, material, surface=frame if rim else surface)
        if rim:
            self.box(*inner, material, surface=surface)

    def furnish(self, name: str, x: float, z: float) -> None:
        """A piece of furniture with its middle at (x, z)."""
        stage, rng = self.stage, self.rng
        turn = float(rng.choice([0, np.pi / 2]) + rng.normal(0, 0.12))
        if name in ("lamp", "plant", "person", "bottle"):
            column, row, depth = self.camera.project(x, self.ground - (0.75 if name == "bottle" else 0), z)
            if depth > 0.8:
                if name == "bottle":
                    self.furnish("table", x, z)
                    depth -= 0.05
                size = 1.6 if name == "bottle" else 1.0
                place(
                    stage.canvas,
                    stage.thing(name),
                    Pose(column, row, self.camera.focal / depth * size, depth),
                )
            return
        number = stage.canvas.add_instance(name)
        surface, other = self.palette.surface(name), self.palette.surface(name)
        cosine, sine = np.cos(turn), np.sin(turn)

        def piece(
            ax: float, ay: float, az: float, bx: float, by: float, bz: float, second: bool = False
        ) -> None:
            """A box of the piece, in its own axes (x across, y up, z towards the back)."""
            mx, mz, hx, hz = (ax + bx) / 2, (az + bz) / 2, abs(bx - ax) / 2, abs(bz - az) / 2
            cx, cz = x + mx * cosine + mz * sine, z - mx * sine + mz * cosine
            self.box((cx - hx, ay, cz - hz), (cx + hx, by, cz + hz), name, number=number,
                     surface=other if second else surface, turn=turn)  # fmt: skip

        if name == "table":
            w, d, h = rng.uniform(0.5, 0.9), rng.uniform(0.35, 0.5), rng.uniform(0.65, 0.8)
            piece(-w, h - 0.08, -d, w, h, d)
            for sx in (-1, 1):
                for sz in (-1, 1):
                    piece(sx * (w - 0.1), 0, sz * (d - 0.1), sx * w, h - 0.08, sz * d)
        elif name == "chair":
            piece(-0.25, 0.4, -0.25, 0.25, 0.5, 0.25)
            piece(-0.25, 0.5, 0.18, 0.25, 0.98, 0.26, True)
            for sx in (-1, 1):
                for sz in (-1, 1):
                    piece(sx * 0.18, 0, sz * 0.18, sx * 0.25, 0.4, sz * 0.25)
        elif name == "sofa":
            w = rng.uniform(0.8, 1.1)
            piece(-w, 0.08, -0.4, w, 0.42, 0.4)
            piece(-w, 0.42, 0.2, w, 0.85, 0.42, True)
            piece(-w - 0.16, 0.05, -0.4, -w, 0.62, 0.42)
            piece(w, 0.05, -0.4, w + 0.16, 0.62, 0.42)
        elif name == "bed":
            w = rng.uniform(0.6, 0.95)
            piece(-w, 0.2, -1.0, w, 0.55, 1.0)
            piece(-w, 0.0, 1.0, w, 1.0, 1.1, True)
            piece(-0.7 * w, 0.55, 0.55, 0.7 * w, 0.68, 0.95, True)
        elif name == "monitor":
            w = rng.uniform(0.4, 0.65)
            piece(-0.5, 0, -0.2, 0.5, 0.6, 0.2, True)
            piece(-w, 0.7, -0.03, w, 0.7 + 1.2 * w, 0.03)
            piece(-0.08, 0.6, -0.03, 0.08, 0.7, 0.03)
        else:  # cabinet, bookshelf
            tall = name == "bookshelf" or rng.random() < 0.4
            w, h = rng.uniform(0.4, 0.75), rng.uniform(1.5, 2.1) if tall else rng.uniform(0.7, 1.0)
            piece(-w, 0, -0.22, w, h, 0.22)


def draw(stage: Stage, layout: str) -> None:
    """Draw one room."""
    rng = stage.rng
    room = Room(stage)
    room.shell()
    if stage.chance(0.35, "rug"):
        x, z = rng.uniform(-0.6, 0.6), rng.uniform(2.0, 3.0)
        room.box((x - 1, 0, z - 0.6), (x + 1, 0.02, z + 0.6), "rug", turn=float(rng.normal(0, 0.3)))
    for material, chance, low, high, width in (
        ("window", 0.6, 0.7, 2.0, 1.6), ("curtain", 0.4, 0.2, 2.2, 1.1), ("door", 0.5, 0.0, 2.0, 1.0),
        ("picture", 0.6, 0.8, 1.9, 1.3),
    ):  # fmt: skip
        if stage.chance(chance, material):
            room.hang(material, low, high, width * rng.uniform(0.8, 1.3))
    names = list(rng.permutation([*FURNITURE[layout], *FURNITURE[layout]])[: rng.integers(3, 7)])
    if stage.chance(0.1, "person"):
        names.append("person")
    if stage.chance(0.1, "bottle"):
        names.append("bottle")
    wanted = {"vegetation": "plant"}.get(stage.wanted or "", stage.wanted)
    if wanted in ("cabinet", "bookshelf", "table", "chair", "sofa", "bed", "lamp", "monitor", "plant"):
        names = [wanted, *[name for name in names if name != wanted][:4]]
    for index, name in enumerate(names):
        prominent = name == wanted and stage.wanted is not None
        z = rng.uniform(2.2, 3.0) if prominent else rng.uniform(1.9, room.back - 0.4)
        reach = (0.3 if prominent else 0.75) * z * 48 / room.camera.focal
        centre = z * np.tan(room.camera.yaw) * 0.8
        x = float(np.clip(centre + rng.uniform(-reach, reach), room.left + 0.4, room.right - 0.4))
        if index and rng.random() < 0.4 and name in ("cabinet", "bookshelf", "bed", "sofa"):
            z = room.back - 0.5
        room.furnish(str(name), x, z)
