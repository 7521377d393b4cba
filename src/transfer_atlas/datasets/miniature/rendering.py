"""Rendering: from a dataset's name, split, index and seed to a record with all of its annotations."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.ndimage import find_objects

from transfer_atlas.datasets.adapters.modalities import as_colours
from transfer_atlas.datasets.miniature import (
    scenes_aerial,
    scenes_consumer,
    scenes_indoor,
    scenes_nature,
    scenes_street,
)
from transfer_atlas.datasets.miniature.appearance import develop
from transfer_atlas.datasets.miniature.canvas import UNITS, Canvas
from transfer_atlas.datasets.miniature.cities import city_of, in_city
from transfer_atlas.datasets.miniature.modalities import MODALITIES, shown
from transfer_atlas.datasets.miniature.stage import Stage
from transfer_atlas.datasets.miniature.surfaces import Palette
from transfer_atlas.datasets.miniature.worlds import (
    MiniatureSpecification,
    keypoint_sets,
    materials,
    specification,
)
from transfer_atlas.datasets.normals import normals_of_depth
from transfer_atlas.datasets.prepared import IGNORE_LABEL, Intrinsics, Objects, Record
from transfer_atlas.errors import ConfigurationError

SCENES = {
    "street": (scenes_street.draw, lambda layout: scenes_street.PROVIDES),
    "indoor": (scenes_indoor.draw, lambda layout: scenes_indoor.PROVIDES),
    "aerial": (scenes_aerial.draw, lambda layout: scenes_aerial.PROVIDES[layout]),
    "underwater": (scenes_nature.underwater, lambda layout: scenes_nature.PROVIDES_UNDERWATER),
    "close_up": (scenes_nature.close_up, lambda layout: scenes_nature.PROVIDES_CLOSE_UP),
    "consumer": (scenes_consumer.draw, lambda layout: scenes_consumer.PROVIDES[layout]),
}
ATTEMPTS = 4  # renderings tried until the wanted class is in sight
IN_SIGHT = 40  # pixels of an image of 96 x 96 that count as in sight
SMALLEST = 12  # objects with fewer visible pixels (of 96 x 96) are marked crowd: too small to ask for


def render(
    name: str,
    split: str,
    indices: Sequence[int],
    *,
    seed: int,
    image_size: int,
    normals: bool = False,
    cities: int | None = None,
    modalities: Sequence[str] | None = None,
) -> list[Record]:
    """Images of a split with their annotations; normals: also surface normals, derived from the depth.

    Image i depends on (name, split, i, seed, image_size, cities) and on nothing else. cities: sub-domains among which
    the images are divided; then ids begin with the city's: `city0_train_00012`. modalities: of `modalities.py`, one to
    three that the channels show in place of colours, of the same scenes.
    """
    given = specification(name)
    if split not in ("train", "val"):
        raise ConfigurationError(f"A miniature dataset has the splits train and val, not '{split}'.")
    if image_size < 16:
        raise ConfigurationError(f"image_size is {image_size}; the miniature world needs at least 16 pixels.")
    if cities is None:
        return [
            _render_one(given, split, int(index), seed, image_size, normals, modalities) for index in indices
        ]
    turns = len(_turns(given))
    of_city = [in_city(given, number, seed) for number in range(cities)]
    found = []
    for index in map(int, indices):
        number = city_of(index, turns, cities)
        record = _render_one(of_city[number], split, index, seed, image_size, normals, modalities)
        found.append(replace(record, id=f"city{number}_{record.id}"))
    return found


def _render_one(
    given: MiniatureSpecification,
    split: str,
    index: int,
    seed: int,
    size: int,
    normals: bool,
    modalities: Sequence[str] | None,
) -> Record:
    streams = (zlib.crc32(given.name.encode()), zlib.crc32(split.encode()), index)
    wanted_class = _wanted_class(given, index)
    for attempt in range(ATTEMPTS):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*streams, attempt)))
        canvas = Canvas(size, list(materials()))
        look = given.look
        palette = Palette(
            rng,
            materials(),
            saturation=look.saturation,
            contrast=look.contrast,
            texture_scale=look.texture_scale,
            tint_weight=look.tints,
        )
        stage = Stage(canvas, palette, rng, None, given.camera, look.shadows)
        if given.classification is not None:
            scenes_consumer.single(stage, given.classification[index % len(given.classification)])
            break
        wanted = _draw_scene(given, stage, wanted_class)
        if _in_sight(canvas, wanted):
            break
    image = develop(canvas, look, rng)
    if modalities is not None:
        noises = {
            each: np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(*streams, ATTEMPTS + at)))
            for at, each in enumerate(MODALITIES)
        }
        image = as_colours([shown(canvas, image, each, noises[each]) for each in modalities])
    record = _annotate(given, canvas, image, f"{split}_{index:05d}", split, index)
    return replace(record, normals=_normals(record, canvas)) if normals else record


def _wanted_class(given: MiniatureSpecification, index: int) -> tuple[str, ...]:
    """The materials of which image number `index` must show one, so that few images hold every class.

    Classes of segmentation and detection take turns, and the things that carry keypoints.
    """
    distinct = _turns(given)
    return distinct[index % len(distinct)] if distinct else ()


def _turns(given: MiniatureSpecification) -> list[tuple[str, ...]]:
    """The distinct classes, as their materials, that take turns in being shown."""
    turns = list((given.segmentation or {}).values()) + list((given.detection or {}).values())
    if given.keypoint_things:
        turns.append(given.keypoint_things)
    return list(dict.fromkeys(turns))


def _draw_scene(
    given: MiniatureSpecification, stage: Stage, wanted_class: tuple[str, ...]
) -> tuple[str, ...]:
    """Choose a layout that can show the wanted class and draw it; returns what must be in sight."""
    choices = [
        (scene, layout, weight, tuple(m for m in wanted_class if m in SCENES[scene][1](layout)))
        for scene, layouts in given.scenes.items()
        for layout, weight in layouts.items()
    ]
    able = [choice for choice in choices if choice[3]] or choices
    weights = np.array([choice[2] for choice in able])
    scene, layout, _, provided = able[stage.rng.choice(len(able), p=weights / weights.sum())]
    # The first material of a class stands for it mostly; the others would else be over-represented.
    if provided:
        stage.wanted = provided[0] if stage.rng.random() < 0.5 else str(stage.rng.choice(provided))
    SCENES[scene][0](stage, layout)
    return wanted_class if provided else ()


def _in_sight(canvas: Canvas, wanted: tuple[str, ...]) -> bool:
    if not wanted:
        return True
    codes = [canvas.codes[material] for material in wanted]
    return int(np.isin(canvas.material, codes).sum()) * (96 / canvas.size) ** 2 >= IN_SIGHT


def _annotate(
    given: MiniatureSpecification, canvas: Canvas, image: np.ndarray, identity: str, split: str, index: int
) -> Record:
    """Read the annotations of the dataset's task types off the canvas."""
    mask = objects = depth = label = None
    if given.segmentation is not None:
        mask = _mask(given, canvas)
    if given.detection is not None or given.keypoint_set is not None:
        objects = _objects(given, canvas)
    if given.depth is not None:
        low, high = given.depth
        valid = (canvas.depth >= low) & (canvas.depth <= high)
        depth = np.where(valid, canvas.depth, 0).astype(np.float32)
    if given.classification is not None:
        label = index % len(given.classification)
    return Record(id=identity, split=split, image=image, mask=mask, objects=objects, depth=depth, label=label)


def _normals(record: Record, canvas: Canvas) -> np.ndarray:
    """Normals of the depth by the camera of the scene; scenes without one look along z from afar."""
    focal, horizon = (UNITS, UNITS / 2) if canvas.camera is None else canvas.camera
    intrinsics = Intrinsics(focal=(focal / UNITS, focal / UNITS), centre=(0.5, horizon / UNITS))
    return normals_of_depth(record.depth, intrinsics)


def _mask(given: MiniatureSpecification, canvas: Canvas) -> np.ndarray:
    table = np.full(256, IGNORE_LABEL, np.uint8)
    for label, group in enumerate(given.segmentation.values()):
        for material in group:
            table[canvas.codes[material]] = label
    mask = table[canvas.material]
    if given.boundary:
        edge = np.zeros(mask.shape, bool)
        edge[:, 1:] |= mask[:, 1:] != mask[:, :-1]
        edge[1:] |= mask[1:] != mask[:-1]
        mask = np.where(edge, IGNORE_LABEL, mask).astype(np.uint8)
    return mask


def _objects(given: MiniatureSpecification, canvas: Canvas) -> Objects:
    """Boxes around what is visible of each annotated thing, and the keypoints of figures."""
    label_of = {m: label for label, group in enumerate((given.detection or {}).values()) for m in group}
    if given.detection is None:
        label_of = dict.fromkeys(given.keypoint_things, 0)
    names = keypoint_sets()[given.keypoint_set].names if given.keypoint_set else ()
    areas = np.bincount(canvas.instance.ravel(), minlength=len(canvas.instances) + 1)
    smallest = SMALLEST * (canvas.size / 96) ** 2
    rows: list[tuple] = []
    for number, where in enumerate(find_objects(canvas.instance, len(canvas.instances)), start=1):
        thing = canvas.instances[number - 1]
        if where is None or thing.material not in label_of:
            continue
        box = (where[1].start, where[0].start, where[1].stop, where[0].stop)
        points = (
            _keypoints(canvas, number, names)
            if thing.material in given.keypoint_things
            else np.zeros((len(names), 3))
        )
        rows.append((box, label_of[thing.material], areas[number] < smallest, areas[number], points))
    boxes, labels, crowd, area, points = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Objects(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels, np.int64),
        crowd=np.array(crowd, bool),
        area=np.array(area, np.float32),
        keypoints=np.array(points, np.float32).reshape(-1, len(names), 3) if names else None,
    )


def _keypoints(canvas: Canvas, number: int, names: tuple[str, ...]) -> np.ndarray:
    """x, y in pixels and visibility: 2 where the pixel shows the keypoint's own part, 1 hidden, 0 outside."""
    scale = canvas.size / 96
    points = np.zeros((len(names), 3))
    for row, name in enumerate(names):
        x, y, parts = canvas.instances[number - 1].keypoints[name]
        x, y = x * scale, y * scale
        if 0 <= x < canvas.size and 0 <= y < canvas.size:
            pixel = int(y), int(x)
            shown = canvas.instance[pixel] == number and int(canvas.part[pixel]) in parts
            points[row] = x, y, 2 if shown else 1
    return points
