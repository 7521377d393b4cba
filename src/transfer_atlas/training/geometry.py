"""The three augmentations and no others (flip, rescale, crop; paper, section 4.1), and the evaluated size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from transfer_atlas.datasets.prepared import IGNORE_LABEL, IGNORE_LABEL_16_BITS, Objects
from transfer_atlas.datasets.reading import Sample

PADDING_MULTIPLE = 32  # the coarsest stride of the backbone
# Share of an object's box that a crop must show for it to be asked for. What shows less becomes a crowd: its rest is
# neither a good example of its class nor of the background.
VISIBLE_SHARE = 0.25


_MIRROR = torch.tensor([-1.0, 1.0, 1.0]).view(
    3, 1, 1
)  # what a mirrored normal's components are multiplied by


def fitting_scale(height: int, width: int, resolution: tuple[int, int]) -> float:
    """Factor that makes an image as large as fits inside `resolution`: one side matches it (section 4.1)."""
    return min(resolution[0] / height, resolution[1] / width)


@dataclass(frozen=True)
class Window:
    """A crop of a rescaled image: `scale`, then the corner (in rescaled pixels; negative where the crop
    reaches beyond the image), then whether it is mirrored.
    """

    scale: float
    top: int
    left: int
    mirrored: bool


@dataclass(frozen=True)
class Region:
    """The part of an image that a crop shows, and the part of the crop that it fills before it is mirrored.

    All are (start, stop): `rows` and `columns` of the image, `to_rows` and `to_columns` of the crop. Images, masks
    and coordinates are all moved by this one mapping of integers, so that they stay one to the last digit.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    to_rows: tuple[int, int]
    to_columns: tuple[int, int]


def visible_region(height: int, width: int, window: Window, crop: tuple[int, int]) -> Region:
    """The region of an image of `height` x `width` that a window shows; at least one pixel of it."""
    scaled = (max(1, round(height * window.scale)), max(1, round(width * window.scale)))
    y0, x0 = max(0, window.top), max(0, window.left)
    y1, x1 = min(scaled[0], window.top + crop[0]), min(scaled[1], window.left + crop[1])
    return Region(
        rows=(y0 * height // scaled[0], max(y0 * height // scaled[0] + 1, -(-y1 * height // scaled[0]))),
        columns=(x0 * width // scaled[1], max(x0 * width // scaled[1] + 1, -(-x1 * width // scaled[1]))),
        to_rows=(y0 - window.top, y1 - window.top),
        to_columns=(x0 - window.left, x1 - window.left),
    )


def random_window(
    height: int,
    width: int,
    *,
    resolution: tuple[int, int],
    crop: tuple[int, int],
    scale: tuple[float, float],
    generator: np.random.Generator,
    boxes: np.ndarray | None = None,
) -> Window:
    """Draw flip, rescaling (uniform in the logarithm) and position of a crop.

    boxes (N, 4): the crop then contains at least one of them whole (paper, section 4.1), drawn from those that fit
    into the crop at the drawn scale. Where none does, one is drawn from all, and the scale is lowered until it fits.
    """
    factor = fitting_scale(height, width, resolution)
    factor *= float(np.exp(generator.uniform(np.log(scale[0]), np.log(scale[1]))))
    box = None
    if boxes is not None and len(boxes):
        factor, box = _whole_box(height, width, factor, crop, boxes, generator)
    corner = []
    for axis, (side, size) in enumerate(zip((height, width), crop, strict=True)):
        space = max(1, round(side * factor)) - size
        first, last = min(0, space), max(0, space)
        if box is not None:
            first, last = max(first, box[axis][1] - size), min(last, box[axis][0])
        corner.append(int(generator.integers(first, last, endpoint=True)))
    return Window(factor, corner[0], corner[1], bool(generator.random() < 0.5))


def _whole_box(
    height: int,
    width: int,
    factor: float,
    crop: tuple[int, int],
    boxes: np.ndarray,
    generator: np.random.Generator,
) -> tuple[float, tuple[tuple[int, int], tuple[int, int]]]:
    """The scale, lowered if it must be, and the (start, stop) in rescaled rows and columns of the box to contain."""
    spans = _spans(height, width, factor, boxes)
    fitting = np.flatnonzero((spans[..., 1] - spans[..., 0] <= crop).all(axis=1))
    chosen = int(generator.choice(fitting if len(fitting) else len(boxes)))
    if not len(fitting):
        sides = boxes[chosen, [3, 2]] - boxes[chosen, [1, 0]]
        # 2.5: both ends are rounded outwards to pixels, and the rescaled image's side to the nearest pixel
        factor = float(min((size - 2.5) / side for size, side in zip(crop, sides.tolist(), strict=True)))
        spans = _spans(height, width, factor, boxes)
    (top, bottom), (left, right) = spans[chosen].tolist()
    return factor, ((top, bottom), (left, right))


def _spans(height: int, width: int, factor: float, boxes: np.ndarray) -> np.ndarray:
    """(N, 2, 2) whole pixels of the rescaled image that each box touches: rows then columns, start then stop."""
    ratio = np.array([max(1, round(side * factor)) / side for side in (height, width)])
    corners = boxes.astype(np.float64)[:, [[1, 3], [0, 2]]] * ratio[:, None]
    margin = np.array([1e-6, -1e-6])  # so that what is whole but for rounding errors stays so
    ends = corners + margin
    return np.stack([np.floor(ends[..., 0]), np.ceil(ends[..., 1])], axis=-1).astype(np.int64)


def cut(
    image: Tensor,
    window: Window,
    crop: tuple[int, int],
    *,
    fill: Tensor | int,
    nearest: bool,
    into: Tensor | None = None,
) -> Tensor:
    """Apply a window to (C, H, W): only the visible region is resized. Returns (C, *crop), same dtype.

    fill: what stands beyond the image, a scalar or (C, 1, 1). into (C, *crop): where the result is to be written.
    """
    place = visible_region(*image.shape[1:], window, crop)
    region = image[:, slice(*place.rows), slice(*place.columns)]
    size = [place.to_rows[1] - place.to_rows[0], place.to_columns[1] - place.to_columns[0]]
    if list(region.shape[1:]) != size:
        mode = InterpolationMode.NEAREST_EXACT if nearest else InterpolationMode.BILINEAR
        region = transforms.resize(region, size, interpolation=mode, antialias=not nearest)
    if window.mirrored:
        region = region.flip(2)
    if region.shape[1:] == crop:
        return region if into is None else into.copy_(region)
    canvas = torch.empty((image.shape[0], *crop), dtype=image.dtype) if into is None else into
    top, left = place.to_rows[0], place.to_columns[0]
    if window.mirrored:
        left = crop[1] - place.to_columns[1]
    bottom, right = top + size[0], left + size[1]
    for border in (
        canvas[:, :top],
        canvas[:, bottom:],
        canvas[:, top:bottom, :left],
        canvas[:, top:bottom, right:],
    ):
        border[:] = fill
    canvas[:, top:bottom, left:right] = region
    return canvas


def move_objects(
    objects: Objects, region: Region, crop: tuple[int, int], *, mirrored: bool, flips: Sequence[int] = ()
) -> Objects:
    """Objects in pixels of the crop.

    Boxes are clipped to the crop. Objects out of sight are dropped; those of which less than VISIBLE_SHARE of the box
    is in sight become crowds. Keypoints out of sight are no longer annotated.
    flips (K,): each keypoint's mirror image, needed to mirror keypoints.
    """
    boxes = _move(objects.boxes.reshape(-1, 2, 2), region).reshape(-1, 4)
    low = np.array([region.to_columns[0], region.to_rows[0]] * 2)
    high = np.array([region.to_columns[1], region.to_rows[1]] * 2)
    clipped = boxes.clip(low, high)
    seen = _areas(clipped)
    share = seen / np.maximum(_areas(boxes), 1e-12)
    keypoints = None
    if objects.keypoints is not None:
        moved = _move(objects.keypoints[..., :2], region)
        inside = ((moved >= low[:2]) & (moved < high[:2])).all(axis=-1, keepdims=True)
        keypoints = np.concatenate([moved, objects.keypoints[..., 2:]], axis=-1)
    if mirrored:
        clipped = np.stack(
            [crop[1] - clipped[:, 2], clipped[:, 1], crop[1] - clipped[:, 0], clipped[:, 3]], axis=1
        )
        if keypoints is not None:
            keypoints[..., 0] = crop[1] - keypoints[..., 0]
            keypoints, inside = keypoints[:, list(flips)], inside[:, list(flips)]
    kept = seen > 0
    zoom = _areas(boxes) / np.maximum(_areas(objects.boxes), 1e-12)
    return Objects(
        boxes=clipped[kept].astype(np.float32),
        labels=objects.labels[kept],
        crowd=(objects.crowd | (share < VISIBLE_SHARE))[kept],
        area=(objects.area * zoom * share)[kept].astype(np.float32),
        keypoints=None if keypoints is None else (keypoints * inside)[kept].astype(np.float32),
    )


def _move(points: np.ndarray, region: Region) -> np.ndarray:
    """Points (..., 2) x, y in pixels of the image -> pixels of the crop before it is mirrored; float64."""
    begin = np.array([region.columns[0], region.rows[0]])
    ratio = np.array(
        [
            (to[1] - to[0]) / (of[1] - of[0])
            for of, to in ((region.columns, region.to_columns), (region.rows, region.to_rows))
        ]
    )
    return (points.astype(np.float64) - begin) * ratio + [region.to_columns[0], region.to_rows[0]]


def _areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def augment(
    sample: Sample,
    window: Window,
    crop: tuple[int, int],
    mean: tuple[float, float, float],
    flips: Sequence[int] = (),
    depth_factor: float = 1.0,
    into: Tensor | None = None,
) -> Sample:
    """The sample under a window. Beyond the image stands the dataset's mean colour, annotated as ignored, with
    invalid depth, and without objects.

    flips (K,): each keypoint's mirror image, for samples with keypoints. depth_factor: what depth is multiplied by;
    1 where rescaling stands for another camera, the inverse of the zoom where it stands for another distance.
    into (3, *crop): where the image is to be written, as its place in a batch.
    """
    beyond = torch.tensor(mean).round().to(torch.uint8).view(3, 1, 1)
    changed: dict[str, Any] = {
        "image": cut(sample.image, window, crop, fill=beyond, nearest=False, into=into)
    }
    if sample.mask is not None:
        ignored = IGNORE_LABEL if sample.mask.dtype == torch.uint8 else IGNORE_LABEL_16_BITS
        changed["mask"] = cut(sample.mask[None], window, crop, fill=ignored, nearest=True)[0]
    if sample.depth is not None:
        depth = cut(sample.depth[None], window, crop, fill=0, nearest=True)[0]
        changed["depth"] = depth if depth_factor == 1.0 else depth * depth_factor
    if sample.normals is not None:
        normals = cut(sample.normals, window, crop, fill=0, nearest=True)
        changed["normals"] = normals * _MIRROR if window.mirrored else normals
    if sample.objects is not None:
        region = visible_region(*sample.image.shape[1:], window, crop)
        changed["objects"] = move_objects(sample.objects, region, crop, mirrored=window.mirrored, flips=flips)
    return replace(sample, **changed)


def padded_size(extent: tuple[int, int]) -> tuple[int, int]:
    """The size of the input that an image of (height, width) `extent` gets: multiples of what the backbone takes."""
    height, width = (-(-side // PADDING_MULTIPLE) * PADDING_MULTIPLE for side in extent)
    return height, width


def complete_image(
    sample: Sample, resolution: tuple[int, int], mean: tuple[float, float, float]
) -> tuple[Tensor, tuple[int, int]]:
    """The complete image at the evaluated size in the top left corner of an input that is hardly larger.

    Returns the input (3, *padded_size(extent)) uint8 and the extent: the (height, width) that the image fills. Near
    what lies beyond, which it seldom saw in training, the network's answers are poor: so there is as little as can be.
    """
    size = tuple(sample.image.shape[1:])
    factor, extent = fitting_scale(*size, resolution), evaluated_extent(size, resolution)
    beyond = torch.tensor(mean).round().to(torch.uint8).view(3, 1, 1)
    return cut(
        sample.image, Window(factor, 0, 0, False), padded_size(extent), fill=beyond, nearest=False
    ), extent


def evaluated_extent(size: tuple[int, int], resolution: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that an image of (height, width) `size` fills of its input in evaluation."""
    factor = fitting_scale(*size, resolution)
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def complete_images(
    samples: Sequence[Sample], resolution: tuple[int, int], mean: tuple[float, float, float]
) -> Iterator[tuple[list[int], Tensor, list[tuple[int, int]]]]:
    """Complete images in batches of one size: their places in `samples`, inputs (B, 3, H, W) uint8, extents.

    An image's input does not depend on the others; datasets of one shape give one batch of one static size.
    """
    groups: dict[tuple[int, ...], list[tuple[int, Tensor, tuple[int, int]]]] = {}
    for place, sample in enumerate(samples):
        pixels, extent = complete_image(sample, resolution, mean)
        groups.setdefault(tuple(pixels.shape), []).append((place, pixels, extent))
    for group in groups.values():
        places, inputs, extents = zip(*group, strict=True)
        yield list(places), torch.stack(inputs), list(extents)
