"""Street scenes: roads in perspective between buildings, trees and fields, with traffic.

Layouts: city, residential, rural, highway, market (unpaved, crowded), campus (narrow, parked bicycles).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from transfer_atlas.datasets.miniature.canvas import Camera
from transfer_atlas.datasets.miniature.shapes import Thing
from transfer_atlas.datasets.miniature.stage import Stage


@dataclass(frozen=True)
class Plan:
    """What a layout is made of: widths in metres, shares of the roadside, and mean numbers of things."""

    road: tuple[float, float]  # half width
    pavement: tuple[float, float]
    built: float
    planted: float
    fenced: float
    beside: str  # ground beyond road and pavement
    lanes: float  # share of roads with markings
    numbers: dict[str, float]


LAYOUTS = {
    "city": Plan(
        (2.6, 4.6),
        (2.5, 4.5),
        0.85,
        0.3,
        0.2,
        "pavement",
        0.8,
        {
            "car": 2.5,
            "truck": 0.2,
            "bus": 0.3,
            "person": 2.5,
            "rider": 0.6,
            "bicycle": 0.3,
            "pole": 1.5,
            "traffic_sign": 1.0,
            "traffic_light": 0.8,
        },
    ),
    "residential": Plan(
        (2.2, 3.4),
        (1.5, 2.8),
        0.55,
        0.7,
        0.35,
        "terrain",
        0.3,
        {
            "car": 2.5,
            "truck": 0.15,
            "person": 1.0,
            "rider": 0.5,
            "bicycle": 0.2,
            "pole": 1.2,
            "traffic_sign": 0.6,
            "traffic_light": 0.1,
            "animal": 0.1,
        },
    ),
    "rural": Plan(
        (2.0, 3.2),
        (0.0, 0.0),
        0.1,
        0.85,
        0.35,
        "terrain",
        0.6,
        {
            "car": 1.2,
            "truck": 0.3,
            "person": 0.2,
            "rider": 0.3,
            "pole": 1.0,
            "traffic_sign": 0.8,
            "animal": 0.4,
        },
    ),
    "highway": Plan(
        (4.5, 8.0),
        (0.0, 0.0),
        0.08,
        0.5,
        0.75,
        "terrain",
        1.0,
        {"car": 3.0, "truck": 0.8, "bus": 0.4, "pole": 1.2, "traffic_sign": 1.2},
    ),
    "market": Plan(
        (2.2, 4.0),
        (0.0, 0.0),
        0.7,
        0.5,
        0.25,
        "soil",
        0.15,
        {
            "car": 1.2,
            "truck": 0.4,
            "bus": 0.4,
            "person": 3.0,
            "rider": 1.8,
            "bicycle": 0.6,
            "pole": 1.2,
            "traffic_sign": 0.4,
            "traffic_light": 0.1,
            "animal": 0.9,
        },
    ),
}
DISTANCES = {  # in metres from the camera, in the order of painting
    "car": (4.5, 16),
    "truck": (7, 22),
    "bus": (7, 22),
    "rider": (3.0, 11),
    "bicycle": (2.6, 8),
    "person": (2.6, 10),
    "animal": (2.4, 9),
    "pole": (3.5, 14),
    "traffic_sign": (3.2, 9),
    "traffic_light": (3.2, 9),
}
PROVIDES = frozenset(
    [
        "sky",
        "road",
        "lane_marking",
        "pavement",
        "terrain",
        "soil",
        "building",
        "wall",
        "fence",
        "vegetation",
        "trunk",
        "car",
        "truck",
        "bus",
        "person",
        "rider",
        "bicycle",
        "pole",
        "traffic_sign",
        "traffic_light",
        "animal",
    ]
)


def draw(stage: Stage, layout: str) -> None:
    """Draw one street."""
    rng, canvas = stage.rng, stage.canvas
    plan = LAYOUTS[layout]
    camera = Camera(
        canvas,
        stage.between("focal", 55, 85),
        stage.between("horizon", 40, 60),
        stage.between("height", 1.3, 2.2),
        stage.between("yaw", -0.12, 0.12),
    )
    half = rng.uniform(*plan.road)
    middle = stage.between("offset", -0.3, 0.6) * half
    curve = stage.between("curve", -0.004, 0.004)
    stage.backdrop(camera)
    if stage.chance(0.6, "vegetation"):
        stage.ridge(camera.horizon + 1, rng.uniform(4, 12), "vegetation", 200, rough=1.3)
    else:
        stage.ridge(camera.horizon + 1, rng.uniform(2, 8), "building", 200, rough=2)
    beside = stage.wanted if stage.wanted in ("terrain", "soil") else plan.beside
    pavement = rng.uniform(*plan.pavement) or (2.5 if stage.wanted == "pavement" else 0.0)
    _ground(stage, camera, half, middle, curve, pavement, beside, plan.lanes)
    for side in (-1, 1):
        _roadside(stage, camera, side, middle + side * (half + pavement), plan, curve)
    _traffic(stage, camera, half, middle, pavement, curve, plan.numbers)


def _ground(
    stage: Stage,
    camera: Camera,
    half: float,
    middle: float,
    curve: float,
    pavement: float,
    beside: str,
    lanes: float,
) -> None:
    """The ground plane: road with markings, pavement, and what lies beyond."""
    rng, palette = stage.rng, stage.palette
    where, x, z, depth = camera.ground()
    if depth.size == 0:
        return
    x = x - middle - curve * z * z
    density, footprint = 11.0, depth * (11.0 / camera.focal)
    distance = np.abs(x)
    crossing = rng.uniform(9, 25) if stage.rng.random() < 0.3 else 1e9
    on_road = (distance < half) | (np.abs(z - crossing) < half)
    # Perspective squeezes the ground; textures stretched along z stay visible up close.
    u, v = x * density, z * density * 0.45
    for material, mask in (
        (beside, np.ones_like(on_road)),
        ("pavement", distance < half + pavement),
        ("road", on_road),
    ):
        rgb = palette.surface(material).rgb(u, v, footprint * 0.8)
        stage.canvas.paint(where, mask, rgb, material, depth)
    if stage.chance(lanes, "lane_marking"):
        lane = half if rng.random() < 0.4 else rng.uniform(0.45, 0.55) * half
        period, filled = rng.uniform(4, 8), rng.uniform(0.45, 1.0)
        stripe = np.abs((x + lane / 2) % lane - lane / 2) < np.maximum(0.13, 0.6 * depth / camera.focal)
        painted = on_road & stripe & ((z / period) % 1 < filled) & (distance < half * 0.97) & (depth < 40)
        if stage.wanted == "lane_marking" and rng.random() < 0.5:  # a zebra crossing
            zebra_at = rng.uniform(5, 8)
            painted |= (distance < half) & (np.abs(z - zebra_at) < 1.2) & ((x / 1.0) % 1 < 0.5)
        rgb = palette.surface("lane_marking").rgb(u, v)
        stage.canvas.paint(where, painted, rgb, "lane_marking", depth)


def _roadside(stage: Stage, camera: Camera, side: int, edge: float, plan: Plan, curve: float) -> None:
    """Buildings, walls, fences and trees along one side, from near to far."""
    rng, palette = stage.rng, stage.palette
    ground = camera.height
    z = rng.uniform(-2, 6)
    built = max(plan.built, 0.6 if stage.wanted in ("building",) else 0.0)
    set_back = rng.uniform(0.2, 2.0)
    while z < 60:
        length = rng.uniform(6, 15)
        inner = edge + side * set_back + curve * z * z
        shades = (float(rng.uniform(0.65, 1.1)), float(rng.uniform(0.8, 1.1)), 1.1)
        if rng.random() < built:
            height, depth_x = rng.uniform(4, 16), rng.uniform(6, 12)
            low, high = sorted((inner, inner + side * depth_x))
            texture = "brick" if rng.random() < 0.25 else None
            surface = palette.surface("building", texture=texture, scale=0.5 if texture else 1.0)
            camera.box(
                (low, ground - height, z),
                (high, ground, z + length),
                surface,
                "building",
                density=2.6,
                shades=shades,
            )
        z += length + (rng.uniform(0, 6) if rng.random() < 0.5 else 0)
    chosen = (
        stage.wanted if stage.wanted in ("wall", "fence") else str(rng.choice(["wall", "fence", "fence"]))
    )
    if stage.chance(plan.fenced, "wall", "fence"):
        height, line = rng.uniform(0.8, 1.7), edge + side * 0.15
        low, high = sorted((line, line + side * 0.25))
        start = rng.uniform(2, 6) if rng.random() < 0.7 else rng.uniform(6, 14)
        camera.box(
            (low, ground - height, start),
            (high, ground, start + rng.uniform(10, 40)),
            palette.surface(chosen),
            chosen,
            density=8,
        )
    planted = plan.planted
    for distance in rng.uniform(5, 40, stage.count(4 * planted, "vegetation", "trunk")):
        x = edge + side * rng.uniform(0.3, 4) + curve * distance**2
        if not stage.sees(camera, x, distance):
            continue
        stage.stand(
            camera, stage.thing("tree" if rng.random() < 0.75 else "bush"), x, distance, counted=False
        )


def _traffic(
    stage: Stage,
    camera: Camera,
    half: float,
    middle: float,
    pavement: float,
    curve: float,
    numbers: dict[str, float],
) -> None:
    """Vehicles and people on and beside the road; a wanted thing stands near enough to be seen."""
    rng = stage.rng

    def near(first: float, last: float, is_wanted: bool) -> float:
        return (
            rng.uniform(first, first + 0.25 * (last - first))
            if is_wanted
            else first + (last - first) * rng.random() ** 1.6
        )

    def along(z: float) -> float:
        return middle + curve * z * z

    for name, (first, last) in DISTANCES.items():
        mean = numbers.get(name, 0.0)
        wanted = stage.wanted == name
        for index in range(stage.count(mean, name)):
            z = near(first, last, wanted and index == 0)
            reach = 0.5 * z * 48 / camera.focal  # keep the middle inside the view
            side = rng.choice([-1.0, 1.0])
            if name in ("car", "truck", "bus", "rider"):
                x = along(z) + side * half * rng.uniform(0.3, 0.6)
            elif name in ("person", "bicycle", "animal"):
                x = along(z) + side * (half + rng.uniform(-0.8, 0.5 + pavement))
            else:
                x = along(z) + side * (half + rng.uniform(0.2, 0.6))
            if wanted and index == 0:
                centre = z * np.tan(camera.yaw)
                x = float(np.clip(x, centre - reach, centre + reach))
            if not stage.sees(camera, x, z, 5.5 if name in ("truck", "bus") else 2.5):
                continue
            if name == "animal":
                thing = stage.thing(str(rng.choice(["dog", "cow", "horse"])))
                thing = Thing("animal", thing.parts, thing.keypoints)
            else:
                thing = stage.thing(name)
            stage.stand(camera, thing, x, z)
