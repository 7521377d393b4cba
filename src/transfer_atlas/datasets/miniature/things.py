"""Household things and plants, and the catalogue of all things by name."""

from __future__ import annotations

from collections.abc import Callable

from transfer_atlas.datasets.miniature.figures import person, quadruped
from transfer_atlas.datasets.miniature.shapes import Part, Thing, polygon, rectangle
from transfer_atlas.datasets.miniature.surfaces import Palette
from transfer_atlas.datasets.miniature.things_traffic import (
    bicycle,
    boat,
    bus,
    car,
    plane,
    pole,
    rider,
    traffic_light,
    traffic_sign,
    truck,
)
from transfer_atlas.datasets.miniature.things_water import (
    bird,
    bottle,
    coral,
    diver,
    fish,
    robot,
    rock,
    seaweed,
    trash,
    wreck,
)


def tree(palette: Palette) -> Thing:
    """A trunk under a crown of leaves."""
    rng = palette.rng
    leaves, bark = palette.surface("vegetation"), palette.surface("trunk")
    height, spread = rng.uniform(4.5, 8), rng.uniform(1.3, 2.3)
    crown = [
        Part("ellipse", (x * spread, height * y, spread * r, 0.25 * height * r), leaves)
        for x, y, r in ((0, 0.72, 1.0), (-0.5, 0.6, 0.7), (0.5, 0.62, 0.7), (0.1, 0.85, 0.6))
    ]
    return Thing("vegetation", [Part("capsule", (0, 0, 0, 0.6 * height, 0.28, 0.2), bark, "trunk"), *crown])


def bush(palette: Palette) -> Thing:
    """A low mound of leaves."""
    rng = palette.rng
    leaves = palette.surface("vegetation")
    bumps = [(rng.uniform(-0.7, 0.7), rng.uniform(0.3, 0.8), rng.uniform(0.45, 0.8)) for _ in range(4)]
    return Thing("vegetation", [Part("ellipse", (x, y, r, r * 0.9), leaves) for x, y, r in bumps])


def ball(palette: Palette) -> Thing:
    """A ball a quarter of a metre wide."""
    return Thing("ball", [Part("ellipse", (0, 0.13, 0.13, 0.13), palette.surface("ball"))])


def lamp(palette: Palette) -> Thing:
    """A lamp with a shade on a stem."""
    shade = palette.surface("lamp")
    return Thing(
        "lamp",
        [
            Part("ellipse", (0, 0.04, 0.18, 0.05), palette.dark()),
            Part("capsule", (0, 0, 0, 1.1, 0.03, 0.03), palette.dark()),
            polygon([(-0.3, 0.95), (0.3, 0.95), (0.18, 1.4), (-0.18, 1.4)], shade),
        ],
    )


def plant(palette: Palette) -> Thing:
    """Leaves in a pot; about a metre tall."""
    rng = palette.rng
    leaves = palette.surface("vegetation")
    blades = [
        Part("capsule", (0, 0.3, rng.uniform(-0.4, 0.4), rng.uniform(0.6, 1.1), 0.05, 0.12), leaves)
        for _ in range(7)
    ]
    pot = polygon([(-0.15, 0), (0.15, 0), (0.22, 0.35), (-0.22, 0.35)], palette.flat(palette.colour()))
    return Thing("vegetation", [*blades, pot])


def chair(palette: Palette) -> Thing:
    """A chair from the front, with open legs."""
    wood = palette.surface("chair")
    parts = [Part("capsule", (x, 0, x, 0.45, 0.035, 0.035), wood) for x in (-0.2, 0.2)]
    parts += [
        rectangle(-0.25, 0.42, 0.25, 0.52, wood),
        rectangle(-0.23, 0.6, 0.23, 0.95, palette.surface("chair")),
    ]
    parts += [Part("capsule", (x, 0.5, x, 0.95, 0.03, 0.03), wood) for x in (-0.22, 0.22)]
    return Thing("chair", parts)


CATALOGUE: dict[str, Callable[[Palette], Thing]] = {
    "car": car,
    "truck": truck,
    "bus": bus,
    "bicycle": bicycle,
    "rider": rider,
    "person": person,
    "dog": lambda palette: quadruped(palette, "dog", seated=bool(palette.rng.random() < 0.25)),
    "horse": lambda palette: quadruped(palette, "horse"),
    "cow": lambda palette: quadruped(palette, "cow"),
    "tree": tree,
    "bush": bush,
    "pole": pole,
    "traffic_sign": traffic_sign,
    "traffic_light": traffic_light,
    "boat": boat,
    "plane": plane,
    "bird": bird,
    "fish": fish,
    "bottle": bottle,
    "ball": ball,
    "lamp": lamp,
    "plant": plant,
    "chair": chair,
    "seaweed": seaweed,
    "rock": rock,
    "coral": coral,
    "diver": diver,
    "wreck": wreck,
    "robot": robot,
    "trash": trash,
}
