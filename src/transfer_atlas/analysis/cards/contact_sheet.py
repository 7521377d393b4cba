"""The picture of a dataset card: a few images with their annotation drawn over them."""

from __future__ import annotations

from PIL import Image, ImageDraw

from transfer_atlas.analysis.cards.card import TASK_TYPES, sampled
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.tasks.answers import annotated_answer
from transfer_atlas.tasks.drawing import draw

COLUMNS, TILE, GAP = 6, 160, 4  # pictures in a row; pixels
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
        pictures = [sample.image.permute(1, 2, 0).contiguous().numpy() for sample in samples]
        if not rows:
            rows.append([Image.fromarray(picture) for picture in pictures])
        rows.append(
            [
                draw(picture, annotated_answer(each, about), about)
                for picture, each in zip(pictures, samples, strict=True)
            ]
        )
    return _sheet(rows)


def _sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Rows of tiles of one width; a row is as high as its highest picture."""
    scaled = [[_fitted(tile) for tile in row] for row in rows]
    heights = [max(tile.height for tile in row) for row in scaled]
    columns = max(len(row) for row in scaled)
    sheet = Image.new("RGB", (columns * (TILE + GAP) - GAP, sum(heights) + GAP * (len(rows) - 1)), PAPER)
    top = 0
    for row, height in zip(scaled, heights, strict=True):
        for number, tile in enumerate(row):
            sheet.paste(tile, (number * (TILE + GAP), top))
        top += height + GAP
    return sheet


def _fitted(tile: Image.Image) -> Image.Image:
    """A picture in the width of a tile, and no higher than twice that."""
    factor = min(TILE / tile.width, 2 * TILE / tile.height)
    size = (max(1, round(tile.width * factor)), max(1, round(tile.height * factor)))
    return tile.resize(size, Image.Resampling.LANCZOS if factor < 1 else Image.Resampling.BICUBIC)
