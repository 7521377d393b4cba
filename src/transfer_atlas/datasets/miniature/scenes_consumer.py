"""Consumer photos: a subject or two before a setting that fits; and the centred single subjects of ILSVRC.

Layouts of consumer photos: people, sport, animals, sea, sky, vehicles, table, garden. Broad datasets add
street and indoor scenes to them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from transfer_atlas.datasets.miniature.canvas import UNITS
from transfer_atlas.datasets.miniature.stage import Stage

GENERAL = frozenset(
    [
        "sky",
        "terrain",
        "vegetation",
        "building",
        "water",
        "road",
        "wall_indoor",
        "floor",
        "sand",
        "rock",
        "person",
    ]
)
PROVIDES = {
    "people": frozenset({"person", "terrain", "building", "vegetation", "ball"}),
    "sport": frozenset({"person", "ball", "terrain", "bicycle"}),
    "animals": frozenset({"dog", "horse", "cow", "bird", "terrain", "vegetation", "fence"}),
    "sea": frozenset({"boat", "water", "sand", "sky", "bird", "rock", "person"}),
    "sky": frozenset({"plane", "sky", "bird", "rock"}),
    "vehicles": frozenset({"car", "truck", "bus", "bicycle", "road", "building", "pavement"}),
    "table": frozenset({"bottle", "table", "wall_indoor", "chair", "dog", "picture"}),
    "garden": frozenset({"bird", "vegetation", "terrain", "chair", "dog", "wall", "fence"}),
    "pose": frozenset({"person"}),
}
# Per layout: possible far surfaces, near surfaces, subjects, and the range of their heights in canvas units.
SETTINGS: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[float, float]]] = {
    "people": (
        ("sky", "building", "vegetation", "wall_indoor"),
        ("terrain", "pavement", "floor"),
        ("person",),
        (44, 84),
    ),
    "pose": (
        ("sky", "building", "vegetation", "wall_indoor", "rock"),
        ("terrain", "pavement", "floor", "sand"),
        ("person",),
        (66, 90),
    ),
    "sport": (
        ("vegetation", "building", "sky"),
        ("terrain", "court", "sand"),
        ("person", "person", "ball", "bicycle"),
        (34, 72),
    ),
    "animals": (
        ("sky", "vegetation", "rock"),
        ("terrain", "soil"),
        ("dog", "horse", "cow", "bird"),
        (30, 62),
    ),
    "sea": (("sky",), ("water",), ("boat", "boat", "bird"), (22, 58)),
    "sky": (("sky",), ("rock", "terrain", "vegetation"), ("plane", "bird"), (22, 50)),
    "vehicles": (
        ("building", "sky", "vegetation"),
        ("road", "pavement"),
        ("car", "truck", "bus", "bicycle"),
        (28, 56),
    ),
    "table": (("wall_indoor",), ("table",), ("bottle", "bottle", "plant", "dog"), (28, 60)),
    "garden": (
        ("wall", "fence", "vegetation", "building"),
        ("terrain", "soil", "pavement"),
        ("bird", "dog", "chair", "plant"),
        (26, 54),
    ),
}


def draw(stage: Stage, layout: str) -> None:
    """Draw one consumer photo: far surface, near surface, then subjects from far to near."""
    rng, canvas = stage.rng, stage.canvas
    fars, nears, subjects, heights = SETTINGS[layout]
    far = stage.wanted if stage.wanted in fars else str(rng.choice(fars))
    near = stage.wanted if stage.wanted in nears else str(rng.choice(nears))
    horizon = _setting(stage, far, near)
    extra = {"sea": ("sand", "rock")}.get(layout, ())
    if stage.chance(0.4, *extra) and extra:
        material = stage.wanted if stage.wanted in extra else str(rng.choice(extra))
        edge = rng.uniform(74, 84)
        if material == "rock":
            stage.ridge(horizon + 1, rng.uniform(8, 20), "rock", 40)
        else:
            where = canvas.window(0, edge, UNITS, UNITS)
            rgb = stage.palette.surface(material).rgb(canvas.x, canvas.y[where[0]])
            canvas.paint(where, np.ones(rgb.shape[:2], bool), rgb, material, 9.0)
    if layout in ("animals", "garden") and stage.chance(0.3, "fence", "wall") and far != stage.wanted:
        _strip(stage, "wall" if stage.wanted == "wall" else "fence", horizon)
    if layout in ("table", "people") and far == "wall_indoor" and stage.chance(0.5, "picture"):
        _panel(stage, "picture")
    if layout not in ("table", "pose", "sky") and stage.chance(0.35, "vegetation"):
        stage.show(
            stage.thing("tree"), rng.uniform(5, 90), horizon + rng.uniform(1, 6), rng.uniform(30, 55), 12.0
        )
    number = 1 if layout == "pose" and rng.random() < 0.8 else int(rng.integers(1, 4))
    chosen = [str(rng.choice(subjects)) for _ in range(number)]
    if stage.wanted is not None and stage.wanted not in (*fars, *nears, *extra, "fence", "wall", "picture"):
        chosen[-1] = stage.wanted
    sizes = np.sort(rng.uniform(*heights, number))
    slots = rng.permutation(number)
    for index, (name, size) in enumerate(zip(chosen, sizes, strict=True)):
        column = UNITS * (slots[index] + 0.5) / number + rng.normal(0, 6)
        closeness = float((size - heights[0]) / (heights[1] - heights[0] + 1e-6))
        row = horizon + (UNITS * 0.97 - horizon) * (0.25 + 0.75 * closeness)
        if layout in ("sky",) or (name == "bird" and layout == "sea"):
            row = rng.uniform(0.45, 0.9) * horizon + size / 4
        if name in ("ball", "bird", "bottle"):
            size = max(0.5 * size, 13.0)
        if layout == "pose":  # mostly whole figures
            row = max(row, min(1.04 * size, 93))
        if layout == "sport" and name == "person":
            row -= rng.uniform(0, 6)
        if stage.shadows and near not in ("water",):
            canvas.darken(column, row, 0.35 * size, 0.08 * size + 0.5, 0.4)
        stage.show(stage.thing(name), column, row, size, 8.0 - 4 * closeness - 0.01 * index)


def _setting(stage: Stage, far: str, near: str) -> float:
    """A far surface above a near one; returns the row where they meet."""
    rng, canvas, palette = stage.rng, stage.canvas, stage.palette
    horizon = stage.between("photo_horizon", 34, 66)
    if far == "sky":
        stage.backdrop()
        if rng.random() < 0.4:
            stage.ridge(horizon + 1, rng.uniform(4, 14), str(rng.choice(["rock", "vegetation"])), 60)
    else:
        canvas.fill(palette.surface(far, scale=1.2), far, 50.0)
    where = canvas.window(0, horizon, UNITS, UNITS)
    v = np.maximum(canvas.y[where[0]] - horizon, 0) ** 0.85 * 1.5
    rgb = palette.surface(near).rgb(canvas.x, v)
    canvas.paint(where, np.ones(rgb.shape[:2], bool), rgb, near, 20.0)
    return horizon


def _strip(stage: Stage, material: str, horizon: float) -> None:
    canvas, height = stage.canvas, stage.rng.uniform(12, 20)
    where = canvas.window(0, horizon - height, UNITS, horizon + 3)
    rgb = stage.palette.surface(material).rgb(canvas.x, canvas.y[where[0]])
    canvas.paint(where, np.ones(rgb.shape[:2], bool), rgb, material, 18.0)


def _panel(stage: Stage, material: str) -> None:
    canvas, rng = stage.canvas, stage.rng
    left, top = rng.uniform(5, 60), rng.uniform(3, 10)
    where = canvas.window(left, top, left + rng.uniform(20, 32), top + rng.uniform(16, 24))
    rgb = stage.palette.surface(material).rgb(canvas.x[:, where[1]], canvas.y[where[0]])
    canvas.paint(where, np.ones(rgb.shape[:2], bool), rgb, material, 45.0)


# ILSVRC's classes: things are one prominent subject, textures fill most of the image. As in ILSVRC'12, whose thousand
# classes hold nearly everything that consumer photos show, no thing of the consumer layouts is missing: a scuba diver
# and a ballplayer, a moving van and an ox, a picket fence and a bookcase are classes there.
SUBJECTS = (
    "car",
    "bus",
    "truck",
    "bicycle",
    "dog",
    "horse",
    "cow",
    "bird",
    "fish",
    "boat",
    "plane",
    "bottle",
    "chair",
    "tree",
    "plant",
    "lamp",
    "person",
    "diver",
    "ball",
    "traffic_light",
)
TEXTURES = (
    "brick_wall",
    "planks",
    "rock",
    "vegetation",
    "terrain",
    "water",
    "building",
    "coral",
    "roof",
    "fence",
    "sand",
    "bookshelf",
    "curtain",
)
ILSVRC_CLASSES = (*SUBJECTS, *TEXTURES)
BACKGROUNDS = (
    "sky",
    "terrain",
    "vegetation",
    "wall_indoor",
    "water",
    "sand",
    "floor",
    "building",
    "pavement",
    "rock",
)


def single(stage: Stage, label: str) -> None:
    """Draw one image of an ILSVRC class."""
    rng, canvas, palette = stage.rng, stage.canvas, stage.palette
    if label in TEXTURES:
        material = {"brick_wall": "wall", "planks": "floor"}.get(label, label)
        # Photographs of a material are taken at any angle; scenes show some of them so, from above most of all.
        turn = rng.uniform(-np.pi / 2, np.pi / 2)
        surface = palette.surface(material, scale=rng.uniform(0.8, 2.0))
        surface = replace(surface, cosine=float(np.cos(turn)), sine=float(np.sin(turn)))
        canvas.fill(surface, material, 50.0)
        if rng.random() < 0.5:  # a foreign strip, as photos are rarely of one thing
            other = str(rng.choice([b for b in BACKGROUNDS if b != material]))
            where = canvas.window(0, rng.uniform(66, 84), UNITS, UNITS)
            rgb = palette.surface(other).rgb(canvas.x, canvas.y[where[0]])
            canvas.paint(where, np.ones(rgb.shape[:2], bool), rgb, other, 40.0)
        return
    if rng.random() < 0.3:
        canvas.fill(palette.surface(str(rng.choice(BACKGROUNDS)), scale=1.2), "sky", 50.0)
        horizon = 48.0
    else:
        far, near = rng.choice(BACKGROUNDS, 2, replace=False)
        horizon = _setting(stage, str(far), str(near))
    if (
        rng.random() < 0.3
    ):  # something else stands behind, as it does in photos that are named after one thing
        behind = str(rng.choice([name for name in ("tree", "person", "chair", "plant") if name != label]))
        stage.show(
            stage.thing(behind), rng.uniform(5, 91), horizon + rng.uniform(2, 20), rng.uniform(20, 45), 12.0
        )
    size = rng.uniform(34, 76)
    angle = float(rng.normal(0, 0.15))
    row = 48 + size / 2 + rng.uniform(-8, 14)
    if stage.shadows and rng.random() < 0.5:
        canvas.darken(48, row, 0.35 * size, 0.08 * size + 0.5, 0.4)
    stage.show(stage.thing(label), rng.uniform(32, 64), row, size, 3.0, angle)
