"""Things that move people, and what stands beside roads: vehicles, boats, planes, posts, signs and lights."""

from __future__ import annotations

import itertools

import numpy as np

from transfer_atlas.datasets.miniature.figures import person
from transfer_atlas.datasets.miniature.shapes import Part, Thing, polygon, rectangle
from transfer_atlas.datasets.miniature.surfaces import Palette


def car(palette: Palette, view: str = "any") -> Thing:
    """A car from behind (or before) or from the side."""
    rng = palette.rng
    body, glass, wheel = palette.surface("car"), palette.surface("window_pane"), palette.dark()
    if view == "end" or (view == "any" and rng.random() < 0.5):
        width, height = rng.uniform(1.7, 1.95), rng.uniform(1.4, 1.7)
        half, waist = width / 2, 0.58 * height
        lamp = palette.flat(palette.colour((1, 0.3, 0.2)) * 0.5 + 0.5)
        parts = [
            rectangle(-half * 0.95, 0, -half * 0.62, 0.45, wheel),
            rectangle(half * 0.62, 0, half * 0.95, 0.45, wheel),
            polygon([(-half, 0.22), (half, 0.22), (half, waist), (-half, waist)], body),
            polygon(
                [(-half * 0.93, waist), (half * 0.93, waist), (half * 0.68, height), (-half * 0.68, height)],
                body,
            ),
            polygon(
                [
                    (-half * 0.8, waist + 0.05),
                    (half * 0.8, waist + 0.05),
                    (half * 0.6, height * 0.93),
                    (-half * 0.6, height * 0.93),
                ],
                glass,
            ),
            rectangle(-half * 0.95, waist * 0.72, -half * 0.6, waist * 0.98, lamp),
            rectangle(half * 0.6, waist * 0.72, half * 0.95, waist * 0.98, lamp),
            rectangle(-half * 0.3, 0.35, half * 0.3, 0.52, palette.flat(np.full(3, 0.85))),
        ]
        return Thing("car", parts)
    length, height = rng.uniform(3.8, 4.6), rng.uniform(1.35, 1.65)
    half, waist = length / 2, 0.58 * height
    front, back = rng.uniform(0.3, 0.55), rng.uniform(0.6, 0.95)
    parts = [
        polygon(
            [(-half, 0.3), (half, 0.25), (half, waist * 0.85), (half * 0.6, waist), (-half, waist * 1.05)],
            body,
        ),
        polygon(
            [
                (-half * back, waist),
                (half * (front + 0.2), waist),
                (half * front * 0.6, height),
                (-half * back * 0.75, height),
            ],
            body,
        ),
        polygon(
            [
                (-half * back * 0.9, waist),
                (-0.05, waist),
                (-0.05, height * 0.93),
                (-half * back * 0.7, height * 0.93),
            ],
            glass,
        ),
        polygon(
            [
                (0.08, waist),
                (half * (front + 0.1), waist),
                (half * front * 0.55, height * 0.93),
                (0.08, height * 0.93),
            ],
            glass,
        ),
        Part("ellipse", (-half * 0.62, 0.33, 0.34, 0.34), wheel),
        Part("ellipse", (half * 0.62, 0.33, 0.34, 0.34), wheel),
        Part("ellipse", (-half * 0.62, 0.33, 0.16, 0.16), palette.flat(np.full(3, 0.7))),
        Part("ellipse", (half * 0.62, 0.33, 0.16, 0.16), palette.flat(np.full(3, 0.7))),
    ]
    return Thing("car", parts)


def truck(palette: Palette, view: str = "any") -> Thing:
    """A lorry: a box with planks or a tarpaulin, a cab and wheels."""
    rng = palette.rng
    load, cab, wheel = palette.surface("truck"), palette.surface("car"), palette.dark()
    glass = palette.surface("window_pane")
    if view == "end" or (view == "any" and rng.random() < 0.5):
        height = rng.uniform(3.0, 3.6)
        parts = [
            rectangle(-1.1, 0, -0.6, 0.8, wheel),
            rectangle(0.6, 0, 1.1, 0.8, wheel),
            rectangle(-1.2, 0.55, 1.2, height, load),
            rectangle(-1.2, 0.5, 1.2, 0.72, cab),
        ]
        return Thing("truck", parts)
    parts = [
        rectangle(-3.4, 0.8, 1.6, rng.uniform(2.9, 3.5), load),
        polygon([(1.75, 0.45), (3.4, 0.45), (3.4, 1.5), (3.1, 2.5), (1.75, 2.5)], cab),
        polygon([(2.3, 1.5), (3.3, 1.5), (3.05, 2.3), (2.3, 2.3)], glass),
        rectangle(-3.4, 0.55, 1.8, 0.82, wheel),
    ]
    parts += [Part("ellipse", (x, 0.5, 0.5, 0.5), wheel) for x in (-2.6, -1.4, 2.5)]
    return Thing("truck", parts)


def bus(palette: Palette, view: str = "any") -> Thing:
    """A bus: one long body with a row of windows."""
    rng = palette.rng
    body, glass, wheel = palette.surface("bus"), palette.surface("window_pane"), palette.dark()
    if view == "end" or (view == "any" and rng.random() < 0.5):
        parts = [
            rectangle(-1.0, 0, -0.6, 0.7, wheel),
            rectangle(0.6, 0, 1.0, 0.7, wheel),
            rectangle(-1.25, 0.4, 1.25, 3.0, body),
            rectangle(-1.05, 1.5, 1.05, 2.75, glass),
        ]
        return Thing("bus", parts)
    half = rng.uniform(3.6, 5.0)
    parts = [rectangle(-half, 0.4, half, 2.9, body)]
    edges = np.linspace(-half + 0.2, half - 0.2, 7)
    parts += [rectangle(a + 0.08, 1.5, b - 0.08, 2.5, glass) for a, b in itertools.pairwise(edges)]
    parts += [Part("ellipse", (x, 0.5, 0.5, 0.5), wheel) for x in (-0.65 * half, 0.65 * half)]
    return Thing("bus", parts)


def _bicycle_parts(palette: Palette, material: str | None = None) -> list[Part]:
    frame, tyre, gap = palette.surface("bicycle"), palette.dark(), 0.055
    # Wheels are rings, so that the world shows through them.
    parts = [Part("ring", (x, 0.38, 0.38, 0.38, 0.72), tyre, material) for x in (-0.52, 0.52)]
    joints = {
        "rear": (-0.52, 0.35),
        "front": (0.52, 0.35),
        "seat": (-0.2, 0.9),
        "bar": (0.38, 0.95),
        "crank": (0, 0.35),
    }
    for a, b in (
        ("rear", "seat"),
        ("rear", "crank"),
        ("crank", "bar"),
        ("seat", "crank"),
        ("bar", "front"),
        ("seat", "bar"),
    ):
        parts.append(Part("capsule", (*joints[a], *joints[b], gap, gap), frame, material))
    return parts


def bicycle(palette: Palette) -> Thing:
    """A bicycle from the side."""
    return Thing("bicycle", _bicycle_parts(palette))


def rider(palette: Palette) -> Thing:
    """Somebody on a bicycle; the vehicle is annotated as bicycle, the person as rider."""
    human = person(palette, material="rider", activity="ride")
    wheels = _bicycle_parts(palette, "bicycle")
    keypoints = {
        n: (x, y, frozenset(p + len(wheels) for p in parts)) for n, (x, y, parts) in human.keypoints.items()
    }
    return Thing("rider", wheels + human.parts, keypoints)


def pole(palette: Palette) -> Thing:
    """A lamp post."""
    surface, height = palette.surface("pole"), palette.rng.uniform(4, 7)
    arm = palette.rng.choice([-1.0, 1.0]) * 1.2
    return Thing(
        "pole",
        [
            Part("capsule", (0, 0, 0, height, 0.16, 0.11), surface),
            Part("capsule", (0, height, arm, height + 0.1, 0.1, 0.1), surface),
        ],
    )


def traffic_sign(palette: Palette) -> Thing:
    """A plate with a rim and a mark on a post."""
    rng = palette.rng
    plate, rim, post = palette.flat(palette.colour()), palette.flat(palette.colour()), palette.surface("pole")
    height, r = rng.uniform(2.2, 3.2), rng.uniform(0.4, 0.6)
    kind = rng.integers(3)
    if kind == 0:
        shapes = [
            Part("ellipse", (0, height, r, r), rim),
            Part("ellipse", (0, height, 0.68 * r, 0.68 * r), plate),
        ]
    elif kind == 1:
        shapes = [
            polygon(
                [
                    (-s * r * 1.1, height - 0.7 * s * r),
                    (s * r * 1.1, height - 0.7 * s * r),
                    (0, height + s * r),
                ],
                surface,
            )
            for s, surface in ((1.1, rim), (0.6, plate))
        ]
    else:
        shapes = [
            rectangle(-s * r, height - s * r, s * r, height + s * r, surface)
            for s, surface in ((1, rim), (0.7, plate))
        ]
    mark = rectangle(-0.4 * r, height - 0.12 * r, 0.4 * r, height + 0.12 * r, palette.dark())
    return Thing("traffic_sign", [Part("capsule", (0, 0, 0, height, 0.1, 0.09), post, "pole"), *shapes, mark])


def traffic_light(palette: Palette) -> Thing:
    """Three lamps in a dark box on a post."""
    height = palette.rng.uniform(2.6, 3.6)
    lit = palette.rng.integers(3)
    lamps = [
        Part(
            "ellipse",
            (0, height + 0.25 + 0.36 * i, 0.16, 0.16),
            palette.flat(palette.colour() * (1.3 if i == lit else 0.4)),
        )
        for i in range(3)
    ]
    return Thing(
        "traffic_light",
        [
            Part("capsule", (0, 0, 0, height, 0.11, 0.1), palette.surface("pole"), "pole"),
            rectangle(-0.32, height - 0.05, 0.32, height + 1.25, palette.surface("traffic_light")),
            *lamps,
        ],
    )


def boat(palette: Palette) -> Thing:
    """A hull with a cabin or a sail."""
    rng = palette.rng
    hull, cabin = palette.surface("boat"), palette.surface("boat")
    parts = [polygon([(-2.2, 1.0), (2.5, 1.2), (1.8, 0.0), (-1.8, 0.0)], hull)]
    if rng.random() < 0.5:
        parts += [
            Part("capsule", (0, 1, 0, 5, 0.09, 0.07), palette.dark()),
            polygon([(0.15, 1.4), (1.9, 1.5), (0.15, 4.8)], cabin),
            polygon([(-0.15, 1.4), (-1.4, 1.5), (-0.15, 4.2)], cabin),
        ]
    else:
        parts += [
            rectangle(-1.3, 1.0, 0.7, 2.2, cabin),
            rectangle(-1.0, 1.5, 0.4, 1.95, palette.surface("window_pane")),
        ]
    return Thing("boat", parts)


def plane(palette: Palette) -> Thing:
    """An aeroplane in flight, from the side."""
    body, wing = palette.surface("plane"), palette.surface("plane")
    parts = [
        Part("capsule", (-3.0, 1.3, 2.8, 1.2, 0.35, 0.55), body),
        polygon([(-3.2, 1.4), (-2.3, 1.4), (-3.0, 2.9), (-3.6, 2.9)], wing),
        polygon([(-0.6, 1.2), (1.0, 1.2), (-1.2, 0.0), (-1.9, 0.0)], wing),
        polygon([(-0.2, 1.5), (0.8, 1.5), (-0.6, 2.2), (-1.0, 2.2)], wing),
    ]
    parts += [Part("ellipse", (x, 1.45, 0.13, 0.13), palette.dark()) for x in (-1.8, -0.9, 0, 0.9, 1.8)]
    return Thing("plane", parts)
