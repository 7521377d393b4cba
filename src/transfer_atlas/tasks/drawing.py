"""Answers drawn over pictures, in the dataset's own colours and skeleton; and where they differ from the annotation."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.tasks.answers import Answer

COVER = 0.55  # share of the colour of a class over the picture
UNKNOWN = (128, 128, 128)
WRONG, RIGHT = (214, 39, 40), (230, 230, 230)


def colour_of(number: int) -> tuple[int, int, int]:
    """Distinct colours for classes and objects: hues a golden section apart."""
    red, green, blue = colorsys.hsv_to_rgb((0.05 + number * 0.618034) % 1.0, 0.85, 0.95)
    return round(255 * red), round(255 * green), round(255 * blue)


def draw(
    picture: np.ndarray,
    answer: Answer,
    description: DatasetDescription,
    box_colours: Sequence[tuple[int, int, int]] | None = None,
) -> Image.Image:
    """An answer over the picture (H, W, 3) uint8 of which it is.

    box_colours: of each class of boxes; by default distinct ones. Boxes without scores are drawn without them.
    """
    if answer.mask is not None:
        return _cover(picture, colours_of_mask(answer.mask, description.segmentation.colours))
    if answer.depth is not None:
        return Image.fromarray(colours_of_depth(answer.depth, description))
    if answer.normals is not None:
        return Image.fromarray(colours_of_normals(answer.normals))
    image = Image.fromarray(picture)
    canvas = ImageDraw.Draw(image)
    if answer.probabilities is not None:
        best = int(answer.probabilities.argmax())
        name = description.classification.classes[best]
        _label(canvas, (2, 2), f"{name} {answer.probabilities[best]:.2f}", colour_of(best))
        return image
    for number in reversed(range(len(answer.boxes))):  # the best on top
        _object(canvas, answer, number, description, box_colours)
    return image


def draw_error(answer: Answer, annotated: Answer, description: DatasetDescription) -> Image.Image | None:
    """Where a mask, a depth map or normals are wrong; None for other answers. Grey is not annotated."""
    if answer.mask is not None:
        shown = np.where((answer.mask != annotated.mask)[..., None], WRONG, RIGHT)
        known = annotated.mask < len(description.segmentation.classes)
        return Image.fromarray(np.where(known[..., None], shown, UNKNOWN).astype(np.uint8))
    if answer.depth is not None:
        known = annotated.depth > 0
        truth = np.where(known, annotated.depth, 1.0)
        relative = np.clip(np.abs(answer.depth - truth) / truth, 0, 1)
        shown = _coloured("magma", relative)
        return Image.fromarray(np.where(known[..., None], shown, UNKNOWN).astype(np.uint8))
    if answer.normals is not None:
        known = (annotated.normals != 0).any(axis=-1)
        cosine = (answer.normals * annotated.normals).sum(axis=-1).clip(-1, 1)
        shown = _coloured("magma", np.arccos(cosine) / np.pi)
        return Image.fromarray(np.where(known[..., None], shown, UNKNOWN).astype(np.uint8))
    return None


def colours_of_mask(mask: np.ndarray, colours: list[tuple[int, int, int]]) -> np.ndarray:
    """The colours (H, W, 3) uint8 of the classes of a mask; grey where there is none."""
    table = np.array([*colours, UNKNOWN], np.uint8)
    return table[np.minimum(mask, len(colours))]


def _coloured(name: str, values: np.ndarray) -> np.ndarray:
    """Values from 0 to 1 as the colours of a map of Matplotlib's: (H, W) to (H, W, 3) uint8."""
    from matplotlib import colormaps  # late: most runs draw nothing of the kind, and all import this module

    return (255 * colormaps[name](values)[..., :3]).astype(np.uint8)


def colours_of_depth(depth: np.ndarray, description: DatasetDescription) -> np.ndarray:
    """Near is bright, by the logarithm of the dataset's range; unknown is grey: (H, W, 3) uint8."""
    low, high = max(description.depth.minimum, 1e-3 * description.depth.maximum), description.depth.maximum
    known = depth > 0
    share = (np.log(np.where(known, depth, high)) - np.log(low)) / (np.log(high) - np.log(low))
    shown = _coloured("inferno", 1 - np.clip(share, 0, 1))
    return np.where(known[..., None], shown, UNKNOWN).astype(np.uint8)


def colours_of_normals(normals: np.ndarray) -> np.ndarray:
    """Right is red, up is green, towards the camera is blue, as the field draws them: (H, W, 3) uint8."""
    known = (normals != 0).any(axis=-1, keepdims=True)
    shown = np.rint((normals * (1, -1, -1) + 1) * 127.5)
    return np.where(known, shown, UNKNOWN).clip(0, 255).astype(np.uint8)


def _cover(picture: np.ndarray, colours: np.ndarray) -> Image.Image:
    return Image.blend(Image.fromarray(picture), Image.fromarray(colours), COVER)


def _object(
    canvas: ImageDraw.ImageDraw,
    answer: Answer,
    number: int,
    description: DatasetDescription,
    box_colours: Sequence[tuple[int, int, int]] | None,
) -> None:
    """A box with its class, and score if it has one, or a skeleton."""
    width = max(1, round(max(answer.size) / 200))
    if answer.keypoints is not None:
        colour, points = colour_of(number), answer.keypoints[number]
        for one, other in description.keypoints.skeleton:
            if points[one, 2] > 0 and points[other, 2] > 0:
                canvas.line(
                    [*points[one, :2].tolist(), *points[other, :2].tolist()], fill=colour, width=width
                )
        for x, y, known in points.tolist():
            if known > 0:
                canvas.ellipse([x - width, y - width, x + width, y + width], fill=colour)
        return
    label = int(answer.labels[number])
    left, top, right, bottom = answer.boxes[number].tolist()
    colour = colour_of(label) if box_colours is None else tuple(box_colours[label])
    canvas.rectangle([left, top, max(left, right), max(top, bottom)], outline=colour, width=width)
    name = description.detection.classes[label]
    text = name if answer.scores is None else f"{name} {answer.scores[number]:.2f}"
    _label(canvas, (left, top), text, colour)


def _label(
    canvas: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: tuple[int, int, int]
) -> None:
    box = canvas.textbbox(place, text)
    canvas.rectangle(box, fill=colour)
    canvas.text(place, text, fill=(0, 0, 0))


def side_by_side(tiles: list[Image.Image], longest: int = 256) -> Image.Image:
    """Pictures of one size beside one another, each made no larger than `longest`."""
    height, width = tiles[0].height, tiles[0].width
    factor = min(1.0, longest / max(height, width))
    size = max(1, round(width * factor)), max(1, round(height * factor))
    row = Image.new("RGB", (size[0] * len(tiles) + 4 * (len(tiles) - 1), size[1]), (255, 255, 255))
    for number, tile in enumerate(tiles):
        row.paste(tile.resize(size, Image.Resampling.BILINEAR), (number * (size[0] + 4), 0))
    return row
