"""Street scenes: roads in perspective between buildings, trees and fields, with traffic.

Layouts: city, residential, rural, highway, market (unpaved, crowded), campus (narrow, parked bicycles).
"""

from __future__ import annotations

import numpy as np

from transfer_atlas.datasets.miniature.canvas import Camera
from transfer_atlas.datasets.miniature.shapes import Thing
from transfer_atlas.datasets.miniature.stage import Stage

# Per layout: half width of the road, of the pavement; how often sides are built up, planted, fenced; ground beside;
# mean numbers of cars, heavy vehicles, people, riders, poles, signs, lights, animals.
LAYOUTS: dict[str, dict[str, object]] = {
    "city": dict(
        road=(3.2, 5.5),
        pavement=3.0,
        built=0.85,
        planted=0.25,
        fenced=0.15,
        beside="pavement",
        lanes=0.8,
        numbers=(2.5, 0.4, 2.0, 0.5, 1.5, 1.0, 0.7, 0.0),
    ),
    "residential": dict(
        road=(2.6, 4.0),
        pavement=1.8,
        built=0.55,
        planted=0.6,
        fenced=0.35,
        beside="terrain",
        lanes=0.3,
        numbers=(2.5, 0.15, 0.8, 0.4, 1.2, 0.6, 0.1, 0.1),
    ),
    "rural": dict(
        road=(2.4, 3.8),
        pavement=0.0,
        built=0.1,
        planted=0.75,
        fenced=0.3,
        beside="terrain",
        lanes=0.6,
        numbers=(1.2, 0.3, 0.1, 0.2, 1.0, 0.8, 0.0, 0.3),
    ),
    "highway": dict(
        road=(6.0, 10.0),
        pavement=0.0,
        built=0.05,
        planted=0.45,
        fenced=0.75,
        beside="terrain",
        lanes=1.0,
        numbers=(3.0, 1.2, 0.0, 0.0, 1.2, 1.2, 0.0, 0.0),
    ),
    "market": dict(
        road=(2.5, 5.0),
        pavement=0.0,
        built=0.7,
        planted=0.4,
        fenced=0.2,
        beside="soil",
        lanes=0.15,
        numbers=(1.3, 0.8, 2.6, 1.6, 1.2, 0.4, 0.1, 0.8),
    ),
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
    half = rng.uniform(*plan["road"])
    middle = stage.between("offset", -0.3, 0.6) * half
    curve = stage.between("curve", -0.004, 0.004)
    stage.backdrop(camera)
    if stage.chance(0.6, "vegetation"):
        stage.ridge(camera.horizon + 1, rng.uniform(4, 12), "vegetation", 200, rough=1.3)
    else:
        stage.ridge(camera.horizon + 1, rng.uniform(2, 8), "building", 200, rough=2)
    beside = stage.wanted if stage.wanted in ("terrain", "soil") else str(plan["beside"])
    pavement = plan["pavement"] or (2.5 if stage.wanted == "pavement" else 0.0)
    _ground(stage, camera, half, middle, curve, pavement, beside, plan["lanes"])
    for side in (-1, 1):
        _roadside(stage, camera, side, middle + side * (half + pavement), plan, curve)
    _traffic(stage, camera, half, middle, pavement, curve, plan["numbers"])


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
    # Perspective squeezes the ground; stretching textures along z keeps them visible near the bottom of the image.
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


def _roadside(
    stage: Stage, camera: Camera, side: int, edge: float, plan: dict[str, object], curve: float
) -> None:
    """Buildings, walls, fences and trees along one side, from near to far."""
    rng, palette = stage.rng, stage.palette
    ground = camera.height
    z = rng.uniform(-2, 6)
    built = max(float(plan["built"]), 0.6 if stage.wanted in ("building",) else 0.0)
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
    if stage.chance(float(plan["fenced"]), "wall", "fence"):
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
    planted = float(plan["planted"])
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
    numbers: tuple[float, ...],
) -> None:
    """Vehicles and people on and beside the road; a wanted thing stands near enough to be seen."""
    rng = stage.rng
    cars, heavy, people, riders, poles, signs, lights, animals = numbers

    def near(first: float, last: float, is_wanted: bool) -> float:
        return (
            rng.uniform(first, first + 0.25 * (last - first))
            if is_wanted
            else first + (last - first) * rng.random() ** 1.6
        )

    def along(z: float) -> float:
        return middle + curve * z * z

    for name, mean, first, last in (
        ("car", cars, 5.0, 24), ("truck", 0.5 * heavy, 8, 30), ("bus", 0.5 * heavy, 8, 30), ("rider", riders, 3.6, 16),
        ("bicycle", 0.4 * riders, 3.2, 12), ("person", people, 3.2, 17), ("animal", animals, 3, 12),
        ("pole", poles, 4, 20), ("traffic_sign", signs, 3.8, 14), ("traffic_light", lights, 3.8, 14),
    ):  # fmt: skip
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
