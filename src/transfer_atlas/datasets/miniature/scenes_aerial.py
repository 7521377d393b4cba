"""Aerial scenes: the world from straight above, turned any way, with no horizon.

Layouts: town (blocks of houses), harbour, airport, fields, sports.
"""

from __future__ import annotations

import itertools

import numpy as np

from transfer_atlas.datasets.miniature.canvas import UNITS
from transfer_atlas.datasets.miniature.shapes import Part, Pose, Thing, place
from transfer_atlas.datasets.miniature.stage import Stage

PROVIDES = {
    "town": frozenset(["road", "roof", "terrain", "vegetation", "vehicle", "soil", "pool"]),
    "harbour": frozenset(["water", "ship", "pavement", "roof", "vehicle", "tank", "road"]),
    "airport": frozenset(["pavement", "aircraft", "terrain", "roof", "vehicle", "tank"]),
    "fields": frozenset(["field", "terrain", "road", "vegetation", "soil", "large_vehicle", "water"]),
    "sports": frozenset(
        ["court", "pool", "terrain", "vegetation", "road", "large_vehicle", "vehicle", "roof", "tank"]
    ),
}
GROUND, FLAT, LOW, HIGH, CROWN = 100.0, 99.0, 98.0, 96.0, 95.0  # distances from the camera, by height


class Ground:
    """A map in a turned frame: coordinates (p, q) in canvas units around the middle of the image."""

    def __init__(self, stage: Stage) -> None:
        """A frame turned at random, with the sun somewhere."""
        self.stage, self.rng, self.palette = stage, stage.rng, stage.palette
        self.angle = float(self.rng.uniform(0, 2 * np.pi))
        self.scale = stage.between("zoom", 0.85, 1.25)
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        x, y = stage.canvas.x - UNITS / 2, stage.canvas.y - UNITS / 2
        self.p, self.q = (x * cosine + y * sine) / self.scale, (y * cosine - x * sine) / self.scale
        self.sun = float(self.rng.uniform(0, 2 * np.pi))

    def area(self, material: str, mask: np.ndarray, depth: float) -> None:
        """Cover the mask with a material whose texture follows the map."""
        everywhere = (slice(None), slice(None))
        rgb = self.palette.surface(material).rgb(self.p * self.scale, self.q * self.scale)
        self.stage.canvas.paint(everywhere, mask, rgb, material, depth)

    def window(self, p: float, q: float, reach: float) -> tuple[slice, slice] | None:
        """The pixels around a map position."""
        cosine, sine, reach = np.cos(self.angle), np.sin(self.angle), reach * self.scale
        x = UNITS / 2 + self.scale * (p * cosine - q * sine)
        y = UNITS / 2 + self.scale * (p * sine + q * cosine)
        return self.stage.canvas.window(x - reach, y - reach, x + reach, y + reach)

    def shadow(self, p: float, q: float, half_p: float, half_q: float, length: float) -> None:
        """The shadow that a block casts on the ground; it changes no annotation."""
        dp, dq = p + length * np.cos(self.sun), q + length * np.sin(self.sun)
        where = self.window(dp, dq, half_p + half_q)
        if where is not None:
            dark = (np.abs(self.p[where] - dp) < half_p) & (np.abs(self.q[where] - dq) < half_q)
            self.stage.canvas.image[where] *= np.where(dark, np.float32(0.55), np.float32(1))[..., None]

    def put(self, thing: Thing, p: float, q: float, turn: float, depth: float, size: float = 1.0) -> None:
        """Place a thing given in map units, with its ground point at (p, q)."""
        cosine, sine = np.cos(self.angle), np.sin(self.angle)
        x = UNITS / 2 + self.scale * (p * cosine - q * sine)
        y = UNITS / 2 + self.scale * (p * sine + q * cosine)
        place(self.stage.canvas, thing, Pose(x, y, self.scale * size, depth, turn - self.angle))


def _rectangle(half_x: float, half_y: float, surface: object, x: float = 0.0, y: float = 0.0) -> Part:
    return Part(
        "polygon",
        (x - half_x, y - half_y, x + half_x, y - half_y, x + half_x, y + half_y, x - half_x, y + half_y),
        surface,
    )


def _vehicle(ground: Ground, material: str = "vehicle") -> Thing:
    """A car or lorry from above: a body with two dark panes, or a cab and a load."""
    rng, palette = ground.rng, ground.palette
    body = palette.surface(material)
    if material == "large_vehicle":
        return Thing(
            material,
            [_rectangle(6.5, 2.3, body, -1.5), _rectangle(1.8, 2.1, palette.flat(palette.colour()), 7.3)],
        )
    half = rng.uniform(3.6, 4.4)
    pane = palette.dark()
    return Thing(
        material,
        [
            _rectangle(half, 1.9, body),
            _rectangle(0.7, 1.5, pane, 1.2),
            _rectangle(0.5, 1.5, pane, -0.6 * half),
        ],
    )


def _ship(ground: Ground) -> Thing:
    palette = ground.palette
    length = ground.rng.uniform(9, 17)
    width = 0.26 * length
    outline = (-length, -width, 0.5 * length, -width, length, 0.0, 0.5 * length, width, -length, width)
    hull = Part("polygon", outline, palette.surface("ship"))
    return Thing(
        "ship", [hull, _rectangle(0.25 * length, 0.6 * width, palette.flat(palette.colour()), -0.5 * length)]
    )


def _aircraft(ground: Ground) -> Thing:
    palette = ground.palette
    skin = palette.surface("aircraft")
    s = ground.rng.uniform(0.9, 1.4)
    wings = (3 * s, 0, -5 * s, 13 * s, -8 * s, 13 * s, -4 * s, 0, -8 * s, -13 * s, -5 * s, -13 * s)
    tail = (-9 * s, 0, -13 * s, 5 * s, -14 * s, 5 * s, -12.5 * s, 0, -14 * s, -5 * s, -13 * s, -5 * s)
    return Thing("aircraft", [Part("polygon", wings, skin), Part("polygon", tail, skin),
                              Part("capsule", (-12 * s, 0, 12 * s, 0, 1.8 * s, 2.4 * s), skin)])  # fmt: skip


def _round(ground: Ground, material: str, radius: float) -> Thing:
    palette = ground.palette
    if material == "tank":
        parts = [Part("ellipse", (0, 0, radius, radius), palette.surface("tank")),
                 Part("ellipse", (0, 0, 0.25 * radius, 0.25 * radius), palette.dark())]  # fmt: skip
        return Thing(material, parts)
    leaves, rng = palette.surface("vegetation"), ground.rng
    parts = [
        Part("ellipse", (*(radius * 0.5 * rng.uniform(-1, 1, 2)), radius * 0.8, radius * 0.8), leaves)
        for _ in range(3)
    ]
    return Thing(material, [Part("ellipse", (0, 0, radius, radius), leaves), *parts])


def _house(ground: Ground, p: float, q: float, half_p: float, half_q: float) -> None:
    """A block with a ridge: two slopes lit differently."""
    palette = ground.palette
    where = ground.window(p, q, half_p + half_q)
    if where is None:
        return
    ground.shadow(p, q, half_p, half_q, 3.5)
    across_p, across_q = ground.p[where], ground.q[where]
    inside = (np.abs(across_p - p) < half_p) & (np.abs(across_q - q) < half_q)
    along_p = half_p > half_q
    u, v = (across_p, across_q) if along_p else (across_q, across_p)
    rgb = palette.surface("roof").rgb(u * ground.scale, v * ground.scale)
    lit = (across_q > q) if along_p else (across_p > p)
    rgb = rgb * np.where(lit, np.float32(1.1), np.float32(0.8))[..., None]
    ground.stage.canvas.paint(where, inside, rgb, "roof", HIGH)


def _trees(ground: Ground, mean: float, wanted: bool) -> None:
    for _ in range(max(int(ground.rng.poisson(mean)), 3 if wanted else 0)):
        p, q = ground.rng.uniform(-50, 50, 2) * (0.6 if wanted else 1.0)
        radius = ground.rng.uniform(4, 9)
        if ground.window(p, q, radius + 4) is None:
            continue
        ground.shadow(p, q, radius * 0.8, radius * 0.8, 3)
        thing = _round(ground, "vegetation", radius)
        ground.put(thing, p, q, 0.0, CROWN)


def draw(stage: Stage, layout: str) -> None:
    """Draw one view from above."""
    rng = stage.rng
    ground = Ground(stage)
    base = {
        "town": "terrain",
        "harbour": "water",
        "airport": "terrain",
        "fields": "field",
        "sports": "terrain",
    }[layout]
    if layout == "town" and (stage.wanted == "soil" or rng.random() < 0.2):
        base = "soil"
    everywhere = np.ones_like(stage.canvas.part, bool)
    ground.area(base, everywhere, GROUND)
    {"town": _town, "harbour": _harbour, "airport": _airport, "fields": _fields, "sports": _sports}[layout](
        ground
    )


def _parked(ground: Ground, material: str, mean: float, p_range: float, q: float, turn: float) -> None:
    number = ground.stage.count(mean, material, near=3)
    for p in ground.rng.uniform(-p_range, p_range, number):
        line = q + float(ground.rng.normal(0, 1.5))
        if ground.window(float(p), line, 9) is not None:
            ground.put(_vehicle(ground, material), float(p), line, turn, LOW)


def _town(ground: Ground) -> None:
    rng, stage = ground.rng, ground.stage
    width, block = rng.uniform(5, 8), rng.uniform(42, 62)
    shift_p, shift_q = rng.uniform(-25, 25, 2)
    roads = (np.abs((ground.q - shift_q + 500 * block) % block - block / 2) < width) | (
        np.abs((ground.p - shift_p + 500 * block) % (1.3 * block) - 0.65 * block) < width
    )
    ground.area("road", roads, FLAT)
    for row in (-1, 0, 1):
        line = shift_q + row * block
        for side in (-1, 1):
            p = -70 + rng.uniform(0, 15)
            while p < 70:
                half_p, half_q = rng.uniform(7, 12), rng.uniform(6, 9)
                gap = abs((p - shift_p + 500 * 1.3 * block) % (1.3 * block) - 0.65 * block)
                if gap > width + half_p and rng.random() < 0.8:
                    _house(ground, p, line + side * rng.uniform(8, 11), half_p, half_q)
                elif stage.chance(0.05, "pool"):
                    q = line + side * 9
                    pool = (np.abs(ground.p - p) < 6) & (np.abs(ground.q - q) < 4)
                    ground.area("pool", pool, FLAT)
                p += 2 * half_p + rng.uniform(3, 10)
        road = shift_q + (row + 0.5) * block
        for side in (-1, 1):
            _parked(ground, "vehicle", 1.5, 50, road + side * 0.5 * width, 0.0 if side > 0 else np.pi)
    _trees(ground, 5, stage.wanted == "vegetation")


def _harbour(ground: Ground) -> None:
    rng, stage = ground.rng, ground.stage
    shore = rng.uniform(-15, 15)
    ground.area("pavement", ground.q > shore, FLAT)
    piers = rng.uniform(-40, 40, 2)
    for p in piers:
        ground.area("pavement", (np.abs(ground.p - p) < 3) & (ground.q > shore - 30), FLAT)
    if stage.chance(0.4, "road"):
        ground.area("road", np.abs(ground.q - shore - 22) < 6, FLAT)
    for _ in range(max(rng.poisson(3), 2 if stage.wanted == "ship" else 1)):
        p, q = float(rng.uniform(-40, 40)), float(shore - rng.uniform(10, 45))
        ground.put(_ship(ground), p, q, float(rng.choice([0, np.pi / 2]) + rng.normal(0, 0.2)), LOW)
    for p in rng.uniform(-50, 50, 2):
        if rng.random() < 0.6:
            _house(ground, p, shore + rng.uniform(14, 40), 12, 8)
    for _ in range(stage.count(0.8, "tank", near=2)):
        ground.put(
            _round(ground, "tank", rng.uniform(5, 9)),
            rng.uniform(-40, 40),
            shore + rng.uniform(10, 35),
            0.0,
            HIGH,
        )
    _parked(ground, "vehicle", 2, 45, shore + 6, 0.0)


def _airport(ground: Ground) -> None:
    rng, stage = ground.rng, ground.stage
    edge = rng.uniform(-25, 0)
    ground.area("pavement", ground.q > edge, FLAT)
    for p in np.arange(-45, 46, 32) + rng.uniform(-8, 8):
        if rng.random() < 0.75 or stage.wanted == "aircraft":
            ground.put(
                _aircraft(ground), float(p), edge + rng.uniform(18, 26), rng.choice([-1, 1]) * np.pi / 2, LOW
            )
    if stage.chance(0.5, "roof"):
        _house(ground, rng.uniform(-20, 20), edge + 48 * rng.uniform(0.8, 1.1), 30, 9)
    for _ in range(stage.count(0.8, "tank", near=2)):
        ground.put(
            _round(ground, "tank", rng.uniform(5, 9)),
            rng.uniform(-40, 40),
            edge - rng.uniform(8, 20),
            0.0,
            HIGH,
        )
    _parked(ground, "vehicle", 2, 45, edge + 4, 0.0)


def _fields(ground: Ground) -> None:
    rng, stage = ground.rng, ground.stage
    cuts = [-80.0, *sorted(rng.uniform(-45, 45, 2)), 80.0]
    for low, high in itertools.pairwise(cuts):
        wanted = stage.wanted if stage.wanted in ("terrain", "soil", "water") and low == cuts[1] else None
        material = wanted or str(rng.choice(["field", "field", "terrain", "soil", "water"]))
        ground.area(material, (ground.q > low) & (ground.q < high), FLAT + 0.5)
    if stage.chance(0.6, "road", "large_vehicle"):
        line = rng.uniform(-25, 25)
        ground.area("road", np.abs(ground.p - line) < 5, FLAT)
        for q in rng.uniform(-40, 40, stage.count(1, "large_vehicle", near=2)):
            ground.put(_vehicle(ground, "large_vehicle"), line, q, np.pi / 2, LOW)
    _trees(ground, 5, stage.wanted == "vegetation")


def _sports(ground: Ground) -> None:
    rng, stage = ground.rng, ground.stage
    for p in (-24, 24):
        for q in (-24, 24):
            kind = rng.random()
            centre_p, centre_q = p + rng.normal(0, 3), q + rng.normal(0, 3)
            if kind < 0.45 or (stage.wanted == "court" and (p, q) == (24, 24)):
                half_p, half_q = rng.uniform(12, 18), rng.uniform(8, 11)
                dp, dq = np.abs(ground.p - centre_p), np.abs(ground.q - centre_q)
                ground.area("court", (dp < half_p) & (dq < half_q), FLAT)
                lines = (np.maximum(dp - half_p, dq - half_q) < -1.2) & (
                    (np.maximum(dp - half_p, dq - half_q) > -2.4)
                    | (dp < 0.8)
                    | ((dp < half_p * 0.5) & (dp > half_p * 0.42))
                )
                stage.canvas.image[lines] = 0.3 * stage.canvas.image[lines] + 0.65
            elif kind < 0.65 or (stage.wanted == "pool" and (p, q) == (-24, -24)):
                ground.area(
                    "pool", (np.abs(ground.p - centre_p) < 12) & (np.abs(ground.q - centre_q) < 7), FLAT
                )
            elif kind < 0.85:
                _house(ground, centre_p, centre_q, 13, 9)
    ground.area("road", np.abs(ground.q - rng.normal(0, 4)) < 5, FLAT - 0.1)
    _parked(ground, "vehicle", 2, 45, 0, 0.0)
    _parked(ground, "large_vehicle", 0.7, 45, 0, 0.0)
    for _ in range(stage.count(0.3, "tank", near=2)):
        ground.put(
            _round(ground, "tank", rng.uniform(6, 9)), rng.uniform(-35, 35), rng.uniform(-35, 35), 0.0, HIGH
        )
    _trees(ground, 4, stage.wanted == "vegetation")
