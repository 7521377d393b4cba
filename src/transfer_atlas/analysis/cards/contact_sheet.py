"""The picture of a dataset card: a few images with their annotation drawn over them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from transfer_atlas.analysis.cards.card import TASK_TYPES, sampled
from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import PreparedDataset, Sample

if TYPE_CHECKING:
    from transfer_atlas.tasks.answers import Answer

COLUMNS, TILE, GAP = 6, 200, 4  # pictures in a row; pixels
NEAREST = 0.02  # of the farthest depth
INK, PAPER = (90, 90, 90), (255, 255, 255)


def contact_sheet(dataset: PreparedDataset | None) -> Image.Image:
    """Pictures of the training split: a row as they are, and for each annotated task type a row with it drawn.

    Colours and skeletons are the dataset's own. The images are evenly spread, the same whenever drawn; of a dataset
    that is not here, a picture that says so.
    """
    if dataset is None:
        sheet = Image.new("RGB", (COLUMNS * (TILE + GAP) - GAP, TILE // 2), (244, 244, 244))
        ImageDraw.Draw(sheet).text(
            (12, TILE // 4 - 6), "the prepared dataset is not here: no pictures", fill=INK
        )
        return sheet
    about = dataset.description
    kinds = [kind for kind in TASK_TYPES if getattr(about, kind) is not None]
    split = "train" if about.counts.get("train") else next(iter(about.counts))
    places = sampled(dataset.count(split), COLUMNS)
    rows: list[list[Image.Image]] = []
    for kind in kinds:
        samples = [dataset.read(split, [place], kind)[0] for place in places]
        pictures = [Image.fromarray(sample.image.permute(1, 2, 0).contiguous().numpy()) for sample in samples]
        tiles = [_fitted(picture) for picture in pictures]
        if not rows:
            rows.append(tiles)
        rows.append([_drawn(tile, sample, about) for tile, sample in zip(tiles, samples, strict=True)])
    return _sheet(rows)


def _drawn(tile: Image.Image, sample: Sample, about: DatasetDescription) -> Image.Image:
    """A sample's annotation over its picture in the size of a tile: lines and words are as wide on all pictures."""
    from transfer_atlas.tasks.answers import annotated_answer  # imports torch: not where nothing is drawn
    from transfer_atlas.tasks.drawing import draw

    answer = _scaled(annotated_answer(sample, about), tile.height, tile.width)
    return draw(np.asarray(tile), answer, _shown(about), _box_colours(about))


def _shown(about: DatasetDescription) -> DatasetDescription:
    """The description with the depth that colours are for: little is nearer than a fiftieth of the farthest."""
    if about.depth is None:
        return about
    nearest = max(about.depth.minimum, NEAREST * about.depth.maximum)
    return about.model_copy(update={"depth": about.depth.model_copy(update={"minimum": nearest})})


def _box_colours(about: DatasetDescription) -> list[tuple[int, int, int]] | None:
    """Colours of the classes of boxes: those that masks have for the classes of the same names."""
    if about.detection is None or about.segmentation is None:
        return None
    from transfer_atlas.tasks.drawing import colour_of

    named = dict(zip(about.segmentation.classes, about.segmentation.colours, strict=True))
    return [named.get(name, colour_of(label)) for label, name in enumerate(about.detection.classes)]


def _scaled(answer: Answer, height: int, width: int) -> Answer:
    """What is annotated, in pixels of a picture of another size, and without scores."""
    factors = np.array([width / answer.size[1], height / answer.size[0]])
    changed = {name: _nearest(getattr(answer, name), height, width) for name in ("mask", "depth", "normals")}
    if answer.boxes is not None:
        changed["boxes"] = answer.boxes * np.tile(factors, 2)
    if answer.keypoints is not None:
        changed["keypoints"] = answer.keypoints * np.array([*factors, 1.0])
    return replace(answer, size=(height, width), scores=None, **changed)


def _nearest(values: np.ndarray | None, height: int, width: int) -> np.ndarray | None:
    """An array (H, W) or (H, W, 3) in another size, by the pixel that holds the centre of each."""
    if values is None:
        return None
    rows = ((np.arange(height) + 0.5) * values.shape[0] / height).astype(np.int64)
    columns = ((np.arange(width) + 0.5) * values.shape[1] / width).astype(np.int64)
    return values[rows[:, None], columns]


def _sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Rows of tiles of one width; a row is as high as its highest picture."""
    heights = [max(tile.height for tile in row) for row in rows]
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * (TILE + GAP) - GAP, sum(heights) + GAP * (len(rows) - 1)), PAPER)
    top = 0
    for row, height in zip(rows, heights, strict=True):
        for number, tile in enumerate(row):
            sheet.paste(tile, (number * (TILE + GAP), top))
        top += height + GAP
    return sheet


def _fitted(picture: Image.Image) -> Image.Image:
    """A picture in the width of a tile, and no higher than twice that."""
    factor = min(TILE / picture.width, 2 * TILE / picture.height)
    size = (max(1, round(picture.width * factor)), max(1, round(picture.height * factor)))
    return picture.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)
