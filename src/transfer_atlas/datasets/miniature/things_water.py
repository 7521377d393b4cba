"""Things of the water and its shores: birds, fish, plants, rocks, divers, wrecks, robots and rubbish."""

from __future__ import annotations

from transfer_atlas.datasets.miniature.figures import person
from transfer_atlas.datasets.miniature.shapes import Part, Thing, polygon, rectangle
from transfer_atlas.datasets.miniature.surfaces import Palette


def bird(palette: Palette) -> Thing:
    """A bird on its legs; a third of a metre tall."""
    plumage, wing = palette.surface("bird"), palette.surface("bird")
    beak = palette.flat(palette.colour((0.9, 0.6, 0.1)))
    parts = [
        Part("capsule", (0.02, 0, 0.0, 0.14, 0.012, 0.014), beak),
        Part("capsule", (-0.05, 0, -0.03, 0.14, 0.012, 0.014), beak),
        polygon([(-0.12, 0.16), (-0.3, 0.06), (-0.32, 0.13), (-0.1, 0.24)], wing),
        Part("ellipse", (0, 0.2, 0.15, 0.1), plumage),
        Part("ellipse", (-0.04, 0.21, 0.11, 0.06), wing),
        Part("ellipse", (0.13, 0.32, 0.065, 0.065), plumage),
        polygon([(0.18, 0.35), (0.18, 0.29), (0.27, 0.31)], beak),
        Part("ellipse", (0.15, 0.335, 0.015, 0.015), palette.dark()),
    ]
    return Thing("bird", parts)


def fish(palette: Palette) -> Thing:
    """A fish with a tail and fins; half a metre long."""
    scales, fin = palette.surface("fish"), palette.surface("fish")
    slim = palette.rng.uniform(0.6, 1.3)
    parts = [
        polygon(
            [(-0.17, 0.15), (-0.32, 0.15 + 0.13 * slim), (-0.27, 0.15), (-0.32, 0.15 - 0.13 * slim)], fin
        ),
        polygon([(-0.08, 0.15 + 0.08 * slim), (0.1, 0.15 + 0.08 * slim), (-0.06, 0.15 + 0.2 * slim)], fin),
        Part("ellipse", (0, 0.15, 0.23, 0.11 * slim), scales),
        polygon([(0.02, 0.13), (-0.08, 0.06), (0.06, 0.1)], fin),
        Part("ellipse", (0.14, 0.17, 0.022, 0.022), palette.dark()),
    ]
    return Thing("fish", parts)


def seaweed(palette: Palette) -> Thing:
    """Blades that wave up from the sea bed."""
    rng = palette.rng
    blade = palette.surface("seaweed")
    parts = []
    for _ in range(7):
        x, sway = rng.uniform(-0.4, 0.4), rng.uniform(-0.3, 0.3)
        middle, height = x + sway * 0.7, rng.uniform(0.6, 1.3)
        parts.append(Part("capsule", (x, 0, middle, 0.5 * height, 0.09, 0.08), blade))
        parts.append(Part("capsule", (middle, 0.5 * height, x + 0.2 * sway, height, 0.08, 0.03), blade))
    return Thing("seaweed", parts)


def _mound(palette: Palette, material: str, bumps: int) -> Thing:
    rng = palette.rng
    surface = palette.surface(material)
    parts = [
        Part(
            "ellipse",
            (rng.uniform(-0.6, 0.6), rng.uniform(0.1, 0.4), rng.uniform(0.35, 0.7), rng.uniform(0.25, 0.6)),
            surface,
        )
        for _ in range(bumps)
    ]
    return Thing(material, parts)


def rock(palette: Palette) -> Thing:
    """A boulder."""
    return _mound(palette, "rock", 3)


def coral(palette: Palette) -> Thing:
    """A coral head with knobs and fans."""
    rng = palette.rng
    mound = _mound(palette, "coral", 3)
    fans = [
        Part(
            "capsule",
            (x, 0.2, x + rng.uniform(-0.3, 0.3), rng.uniform(0.7, 1.1), 0.08, 0.16),
            mound.parts[0].surface,
        )
        for x in rng.uniform(-0.5, 0.5, 4)
    ]
    return Thing("coral", [*mound.parts, *fans])


def diver(palette: Palette) -> Thing:
    """A swimmer with a tank; to be placed lying in the water."""
    human = person(palette, material="diver", activity="swim")
    tank = palette.flat(palette.colour())
    return Thing("diver", [*human.parts, Part("capsule", (-0.12, 1.05, -0.12, 1.4, 0.09, 0.09), tank)])


def wreck(palette: Palette) -> Thing:
    """A tilted hull on the sea bed."""
    hull = palette.surface("wreck")
    parts = [
        polygon([(-2.0, 0.0), (1.6, 0.0), (2.2, 1.5), (-2.2, 1.1)], hull),
        rectangle(-1.2, 1.0, -0.1, 1.9, palette.surface("wreck")),
        Part("capsule", (0.7, 1.0, 1.0, 2.8, 0.12, 0.08), palette.surface("wreck")),
    ]
    return Thing("wreck", parts)


def robot(palette: Palette) -> Thing:
    """A remotely operated vehicle: a frame, a float, thrusters and a lamp."""
    frame = palette.surface("robot")
    parts = [
        rectangle(-0.5, 0.1, 0.5, 0.4, frame),
        rectangle(-0.55, 0.45, 0.55, 0.8, palette.flat(palette.colour())),
        rectangle(-0.5, 0.38, 0.5, 0.47, palette.dark()),
        *(Part("ellipse", (x, 0.25, 0.14, 0.14), palette.dark()) for x in (-0.3, 0.3)),
        Part("capsule", (0.5, 0.15, 0.75, 0.05, 0.05, 0.04), frame),
    ]
    return Thing("robot", parts)


def trash(palette: Palette) -> Thing:
    """Rubbish: a bottle, a can, a bag or a tyre."""
    rng = palette.rng
    surface = palette.surface("trash")
    kind = rng.integers(4)
    if kind == 0:
        scaled = [Part(p.kind, tuple(2 * n for n in p.numbers), p.surface) for p in bottle(palette).parts]
        return Thing(
            "trash", [Part(p.kind, p.numbers, surface if i < 2 else p.surface) for i, p in enumerate(scaled)]
        )
    if kind == 1:
        parts = [rectangle(-0.2, 0, 0.2, 0.5, surface), Part("ellipse", (0, 0.5, 0.2, 0.07), palette.dark())]
    elif kind == 2:
        parts = [
            polygon(
                [
                    (-0.3, 0),
                    (0.3, 0),
                    (0.35, 0.4),
                    (0.1, 0.5),
                    (0.2, 0.75),
                    (-0.2, 0.75),
                    (-0.1, 0.5),
                    (-0.35, 0.4),
                ],
                surface,
            )
        ]
    else:
        parts = [
            Part("ellipse", (0, 0.33, 0.33, 0.33), surface),
            Part("ellipse", (0, 0.33, 0.15, 0.15), palette.dark()),
        ]
    return Thing("trash", parts)


def bottle(palette: Palette) -> Thing:
    """A bottle with a label; a third of a metre tall."""
    glass = palette.surface("bottle")
    parts = [
        polygon([(-0.05, 0), (0.05, 0), (0.05, 0.2), (0.022, 0.26), (-0.022, 0.26), (-0.05, 0.2)], glass),
        rectangle(-0.022, 0.24, 0.022, 0.33, glass),
        rectangle(-0.05, 0.06, 0.05, 0.15, palette.flat(palette.colour())),
        rectangle(-0.024, 0.31, 0.024, 0.34, palette.dark()),
    ]
    return Thing("bottle", parts)
