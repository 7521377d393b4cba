"""The three augmentations and no others (flip, rescale, crop; paper, section 4.1), and the evaluated size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as transforms

from transfer_atlas.datasets.prepared import IGNORE_LABEL, IGNORE_LABEL_16_BITS
from transfer_atlas.datasets.reading import Sample

PADDING_MULTIPLE = 32  # the coarsest stride of the backbone


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


def random_window(
    height: int,
    width: int,
    *,
    resolution: tuple[int, int],
    crop: tuple[int, int],
    scale: tuple[float, float],
    generator: np.random.Generator,
) -> Window:
    """Draw flip, rescaling (uniform in the logarithm) and position of a crop."""
    factor = fitting_scale(height, width, resolution)
    factor *= float(np.exp(generator.uniform(np.log(scale[0]), np.log(scale[1]))))
    room = [max(1, round(side * factor)) - size for side, size in zip((height, width), crop, strict=True)]
    top, left = (int(generator.integers(min(0, space), max(0, space), endpoint=True)) for space in room)
    return Window(factor, top, left, bool(generator.random() < 0.5))


def cut(image: Tensor, window: Window, crop: tuple[int, int], *, fill: Tensor | int, nearest: bool) -> Tensor:
    """Apply a window to (C, H, W): only the visible region is resized. Returns (C, *crop), same dtype.

    fill: what stands beyond the image, a scalar or (C, 1, 1).
    """
    height, width = image.shape[1:]
    scaled = (max(1, round(height * window.scale)), max(1, round(width * window.scale)))
    y0, x0 = max(0, window.top), max(0, window.left)
    y1, x1 = min(scaled[0], window.top + crop[0]), min(scaled[1], window.left + crop[1])
    # the region in pixels of the original, at least one of them
    rows = (y0 * height // scaled[0], max(y0 * height // scaled[0] + 1, -(-y1 * height // scaled[0])))
    columns = (x0 * width // scaled[1], max(x0 * width // scaled[1] + 1, -(-x1 * width // scaled[1])))
    region = image[:, rows[0] : rows[1], columns[0] : columns[1]]
    if region.shape[1:] != (y1 - y0, x1 - x0):
        mode = InterpolationMode.NEAREST_EXACT if nearest else InterpolationMode.BILINEAR
        region = transforms.resize(region, [y1 - y0, x1 - x0], interpolation=mode, antialias=not nearest)
    if window.mirrored:
        region = region.flip(2)
    if region.shape[1:] == crop:
        return region
    canvas = torch.empty((image.shape[0], *crop), dtype=image.dtype)
    canvas[:] = fill
    top, left = y0 - window.top, x0 - window.left
    if window.mirrored:
        left = crop[1] - left - region.shape[2]
    canvas[:, top : top + region.shape[1], left : left + region.shape[2]] = region
    return canvas


def augment(
    sample: Sample, window: Window, crop: tuple[int, int], mean: tuple[float, float, float]
) -> Sample:
    """The sample under a window; beyond the image stands the dataset's mean colour, annotated as ignored."""
    beyond = torch.tensor(mean).round().to(torch.uint8).view(3, 1, 1)
    changed = {"image": cut(sample.image, window, crop, fill=beyond, nearest=False)}
    if sample.mask is not None:
        ignored = IGNORE_LABEL if sample.mask.dtype == torch.uint8 else IGNORE_LABEL_16_BITS
        changed["mask"] = cut(sample.mask[None], window, crop, fill=ignored, nearest=True)[0]
    return replace(sample, **changed)


def padded_size(resolution: tuple[int, int]) -> tuple[int, int]:
    """The static input size of evaluation: the resolution, rounded up to what the backbone takes."""
    height, width = (-(-side // PADDING_MULTIPLE) * PADDING_MULTIPLE for side in resolution)
    return height, width


def complete_image(
    sample: Sample, resolution: tuple[int, int], mean: tuple[float, float, float]
) -> tuple[Tensor, tuple[int, int]]:
    """The complete image at the evaluated size in the top left corner of a padded input.

    Returns the input (3, *padded_size) uint8 and the (height, width) that the image fills.
    """
    height, width = sample.image.shape[1:]
    factor = fitting_scale(height, width, resolution)
    extent = (max(1, round(height * factor)), max(1, round(width * factor)))
    size = padded_size(resolution)
    beyond = torch.tensor(mean).round().to(torch.uint8).view(3, 1, 1)
    return cut(sample.image, Window(factor, 0, 0, False), size, fill=beyond, nearest=False), extent
