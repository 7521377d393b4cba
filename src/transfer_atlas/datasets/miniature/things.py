"""The catalogue of things: vehicles, street furniture, plants, sea life and household objects built from shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from transfer_atlas.datasets.miniature.figures import person, quadruped
from transfer_atlas.datasets.miniature.shapes import Part, Thing
from transfer_atlas.datasets.miniature.surfaces import Palette, Surface


def _rectangle(
    left: float, bottom: float, right: float, top: float, surface: Surface, material: str | None = None
) -> Part:
    return Part("polygon", (left, bottom, right, bottom, right, top, left, top), surface, material)


def _bent(points: list[tuple[float, float]], surface: Surface) -> Part:
    return Part("polygon", tuple(float(c) for point in points for c in point), surface)


def car(palette: Palette, view: str = "any") -> Thing:
    """A car from behind (or before) or from the side."""
    rng = palette.rng
    body, glass, wheel = palette.surface("car"), palette.surface("window_pane"), palette.dark()
    if view == "end" or (view == "any" and rng.random() < 0.5):
        width, height = rng.uniform(1.7, 1.95), rng.uniform(1.4, 1.7)
        half, waist = width / 2, 0.58 * height
        lamp = palette.flat(palette.colour((1, 0.3, 0.2)) * 0.5 + 0.5)
        parts = [
            _rectangle(-half * 0.95, 0, -half * 0.62, 0.45, wheel),
            _rectangle(half * 0.62, 0, half * 0.95, 0.45, wheel),
            _bent([(-half, 0.22), (half, 0.22), (half, waist), (-half, waist)], body),
            _bent(
                [(-half * 0.93, waist), (half * 0.93, waist), (half * 0.68, height), (-half * 0.68, height)],
                body,
            ),
            _bent(
                [
                    (-half * 0.8, waist + 0.05),
                    (half * 0.8, waist + 0.05),
                    (half * 0.6, height * 0.93),
                    (-half * 0.6, height * 0.93),
                ],
                glass,
            ),
            _rectangle(-half * 0.95, waist * 0.72, -half * 0.6, waist * 0.98, lamp),
            _rectangle(half * 0.6, waist * 0.72, half * 0.95, waist * 0.98, lamp),
            _rectangle(-half * 0.3, 0.35, half * 0.3, 0.52, palette.flat(np.full(3, 0.85))),
        ]
        return Thing("car", parts)
    length, height = rng.uniform(3.8, 4.6), rng.uniform(1.35, 1.65)
    half, waist = length / 2, 0.58 * height
    front, back = rng.uniform(0.3, 0.55), rng.uniform(0.6, 0.95)
    parts = [
        _bent(
            [(-half, 0.3), (half, 0.25), (half, waist * 0.85), (half * 0.6, waist), (-half, waist * 1.05)],
            body,
        ),
        _bent(
            [
                (-half * back, waist),
                (half * (front + 0.2), waist),
                (half * front * 0.6, height),
                (-half * back * 0.75, height),
            ],
            body,
        ),
        _bent(
            [
                (-half * back * 0.9, waist),
                (-0.05, waist),
                (-0.05, height * 0.93),
                (-half * back * 0.7, height * 0.93),
            ],
            glass,
        ),
        _bent(
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
            _rectangle(-1.1, 0, -0.6, 0.8, wheel),
            _rectangle(0.6, 0, 1.1, 0.8, wheel),
            _rectangle(-1.2, 0.55, 1.2, height, load),
            _rectangle(-1.2, 0.5, 1.2, 0.72, cab),
        ]
        return Thing("truck", parts)
    parts = [
        _rectangle(-3.4, 0.8, 1.6, rng.uniform(2.9, 3.5), load),
        _bent([(1.75, 0.45), (3.4, 0.45), (3.4, 1.5), (3.1, 2.5), (1.75, 2.5)], cab),
        _bent([(2.3, 1.5), (3.3, 1.5), (3.05, 2.3), (2.3, 2.3)], glass),
        _rectangle(-3.4, 0.55, 1.8, 0.82, wheel),
    ]
    parts += [Part("ellipse", (x, 0.5, 0.5, 0.5), wheel) for x in (-2.6, -1.4, 2.5)]
    return Thing("truck", parts)


def bus(palette: Palette, view: str = "any") -> Thing:
    """A bus: one long body with a row of windows."""
    rng = palette.rng
    body, glass, wheel = palette.surface("bus"), palette.surface("window_pane"), palette.dark()
    if view == "end" or (view == "any" and rng.random() < 0.5):
        parts = [
            _rectangle(-1.0, 0, -0.6, 0.7, wheel),
            _rectangle(0.6, 0, 1.0, 0.7, wheel),
            _rectangle(-1.25, 0.4, 1.25, 3.0, body),
            _rectangle(-1.05, 1.5, 1.05, 2.75, glass),
        ]
        return Thing("bus", parts)
    half = rng.uniform(3.6, 5.0)
    parts = [_rectangle(-half, 0.4, half, 2.9, body)]
    edges = np.linspace(-half + 0.2, half - 0.2, 7)
    parts += [_rectangle(a + 0.08, 1.5, b - 0.08, 2.5, glass) for a, b in zip(edges, edges[1:], strict=False)]
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
            _bent(
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
            _rectangle(-s * r, height - s * r, s * r, height + s * r, surface)
            for s, surface in ((1, rim), (0.7, plate))
        ]
    mark = _rectangle(-0.4 * r, height - 0.12 * r, 0.4 * r, height + 0.12 * r, palette.dark())
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
            _rectangle(-0.32, height - 0.05, 0.32, height + 1.25, palette.surface("traffic_light")),
            *lamps,
        ],
    )


def boat(palette: Palette) -> Thing:
    """A hull with a cabin or a sail."""
    rng = palette.rng
    hull, cabin = palette.surface("boat"), palette.surface("boat")
    parts = [_bent([(-2.2, 1.0), (2.5, 1.2), (1.8, 0.0), (-1.8, 0.0)], hull)]
    if rng.random() < 0.5:
        parts += [
            Part("capsule", (0, 1, 0, 5, 0.09, 0.07), palette.dark()),
            _bent([(0.15, 1.4), (1.9, 1.5), (0.15, 4.8)], cabin),
            _bent([(-0.15, 1.4), (-1.4, 1.5), (-0.15, 4.2)], cabin),
        ]
    else:
        parts += [
            _rectangle(-1.3, 1.0, 0.7, 2.2, cabin),
            _rectangle(-1.0, 1.5, 0.4, 1.95, palette.surface("window_pane")),
        ]
    return Thing("boat", parts)


def plane(palette: Palette) -> Thing:
    """An aeroplane in flight, from the side."""
    body, wing = palette.surface("plane"), palette.surface("plane")
    parts = [
        Part("capsule", (-3.0, 1.3, 2.8, 1.2, 0.35, 0.55), body),
        _bent([(-3.2, 1.4), (-2.3, 1.4), (-3.0, 2.9), (-3.6, 2.9)], wing),
        _bent([(-0.6, 1.2), (1.0, 1.2), (-1.2, 0.0), (-1.9, 0.0)], wing),
        _bent([(-0.2, 1.5), (0.8, 1.5), (-0.6, 2.2), (-1.0, 2.2)], wing),
    ]
    parts += [Part("ellipse", (x, 1.45, 0.13, 0.13), palette.dark()) for x in (-1.8, -0.9, 0, 0.9, 1.8)]
    return Thing("plane", parts)


def bird(palette: Palette) -> Thing:
    """A bird on its legs; a third of a metre tall."""
    plumage, wing = palette.surface("bird"), palette.surface("bird")
    beak = palette.flat(palette.colour((0.9, 0.6, 0.1)))
    parts = [
        Part("capsule", (0.02, 0, 0.0, 0.14, 0.012, 0.014), beak),
        Part("capsule", (-0.05, 0, -0.03, 0.14, 0.012, 0.014), beak),
        _bent([(-0.12, 0.16), (-0.3, 0.06), (-0.32, 0.13), (-0.1, 0.24)], wing),
        Part("ellipse", (0, 0.2, 0.15, 0.1), plumage),
        Part("ellipse", (-0.04, 0.21, 0.11, 0.06), wing),
        Part("ellipse", (0.13, 0.32, 0.065, 0.065), plumage),
        _bent([(0.18, 0.35), (0.18, 0.29), (0.27, 0.31)], beak),
        Part("ellipse", (0.15, 0.335, 0.015, 0.015), palette.dark()),
    ]
    return Thing("bird", parts)


def fish(palette: Palette) -> Thing:
    """A fish with a tail and fins; half a metre long."""
    scales, fin = palette.surface("fish"), palette.surface("fish")
    slim = palette.rng.uniform(0.6, 1.3)
    parts = [
        _bent([(-0.17, 0.15), (-0.32, 0.15 + 0.13 * slim), (-0.27, 0.15), (-0.32, 0.15 - 0.13 * slim)], fin),
        _bent([(-0.08, 0.15 + 0.08 * slim), (0.1, 0.15 + 0.08 * slim), (-0.06, 0.15 + 0.2 * slim)], fin),
        Part("ellipse", (0, 0.15, 0.23, 0.11 * slim), scales),
        _bent([(0.02, 0.13), (-0.08, 0.06), (0.06, 0.1)], fin),
        Part("ellipse", (0.14, 0.17, 0.022, 0.022), palette.dark()),
    ]
    return Thing("fish", parts)


def bottle(palette: Palette) -> Thing:
    """A bottle with a label; a third of a metre tall."""
    glass = palette.surface("bottle")
    parts = [
        _bent([(-0.05, 0), (0.05, 0), (0.05, 0.2), (0.022, 0.26), (-0.022, 0.26), (-0.05, 0.2)], glass),
        _rectangle(-0.022, 0.24, 0.022, 0.33, glass),
        _rectangle(-0.05, 0.06, 0.05, 0.15, palette.flat(palette.colour())),
        _rectangle(-0.024, 0.31, 0.024, 0.34, palette.dark()),
    ]
    return Thing("bottle", parts)


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
            _bent([(-0.3, 0.95), (0.3, 0.95), (0.18, 1.4), (-0.18, 1.4)], shade),
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
    pot = _bent([(-0.15, 0), (0.15, 0), (0.22, 0.35), (-0.22, 0.35)], palette.flat(palette.colour()))
    return Thing("vegetation", [*blades, pot])


def chair(palette: Palette) -> Thing:
    """A chair from the front, with open legs."""
    wood = palette.surface("chair")
    parts = [Part("capsule", (x, 0, x, 0.45, 0.035, 0.035), wood) for x in (-0.2, 0.2)]
    parts += [
        _rectangle(-0.25, 0.42, 0.25, 0.52, wood),
        _rectangle(-0.23, 0.6, 0.23, 0.95, palette.surface("chair")),
    ]
    parts += [Part("capsule", (x, 0.5, x, 0.95, 0.03, 0.03), wood) for x in (-0.22, 0.22)]
    return Thing("chair", parts)


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
        _bent([(-2.0, 0.0), (1.6, 0.0), (2.2, 1.5), (-2.2, 1.1)], hull),
        _rectangle(-1.2, 1.0, -0.1, 1.9, palette.surface("wreck")),
        Part("capsule", (0.7, 1.0, 1.0, 2.8, 0.12, 0.08), palette.surface("wreck")),
    ]
    return Thing("wreck", parts)


def robot(palette: Palette) -> Thing:
    """A remotely operated vehicle: a frame, a float, thrusters and a lamp."""
    frame = palette.surface("robot")
    parts = [
        _rectangle(-0.5, 0.1, 0.5, 0.4, frame),
        _rectangle(-0.55, 0.45, 0.55, 0.8, palette.flat(palette.colour())),
        _rectangle(-0.5, 0.38, 0.5, 0.47, palette.dark()),
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
        parts = [_rectangle(-0.2, 0, 0.2, 0.5, surface), Part("ellipse", (0, 0.5, 0.2, 0.07), palette.dark())]
    elif kind == 2:
        parts = [
            _bent(
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
