"""Objects as centre points (CenterNet: Zhou, Wang and Kraehenbuehl, *Objects as Points*): what detection and
keypoints share of target encoding, prediction maps, losses and decoding.

Coordinates are x, y. A *cell* is one position of a prediction map, which covers STRIDE x STRIDE pixels of the input;
cell (i, j) begins at pixel (STRIDE i, STRIDE j), so that a point's cell is the integer part of its place in cells.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.datasets.reading import Sample
from transfer_atlas.models.backbone import STRIDE

SIZE_WEIGHT = 0.1  # of the loss of width and height, which is in cells (Objects as Points, section 4)
SIZE_UNIT = 8.0  # cells, 32 pixels: what COCO calls small ends there; every size map begins at it
STEEPEST = 2.5  # 97 cells
PRIOR = 0.1  # probability of a peak at first; keeps the many cells without one from swamping the first steps
MINIMUM_OVERLAP = 0.7  # that a box moved by a Gaussian's radius would still have (CornerNet, section 3.2)
FULL_WIDTH, FULL_CHANNELS = 256, 720  # channels between two 3 x 3 convolutions, for HRNetV2-W48


def hidden_width(channels: int) -> int:
    """Channels between the two convolutions of a prediction map, for a representation of `channels`.

    256 for HRNetV2-W48, as in Objects as Points; a smaller backbone gets fewer in proportion, so that the head does
    not dwarf the network it trains.
    """
    return min(FULL_WIDTH, max(16, FULL_WIDTH * channels // FULL_CHANNELS // 16 * 16))


class PredictionMaps(nn.Module):
    """For each map a 3x3 convolution, ReLU, and another 3x3 convolution (paper, sections 4.4 and 4.5).

    features (B, channels, h, w) -> {name: (B, outputs, h, w)}. Maps named `heat...` are logits; `size` is in cells.
    The first convolutions of all maps are computed as one.
    """

    def __init__(self, channels: int, hidden: int, outputs: dict[str, int]) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, hidden * len(outputs), 3, padding=1)
        self.last = nn.ModuleDict({name: nn.Conv2d(hidden, n, 3, padding=1) for name, n in outputs.items()})
        for name, convolution in self.last.items():
            nn.init.normal_(convolution.weight, std=0.001)
            heat = name.startswith("heat")
            nn.init.constant_(convolution.bias, math.log(PRIOR / (1 - PRIOR)) if heat else 0.0)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """All maps by name; in evaluation in float32, whatever the precision of the arithmetic.

        Peaks are cells that equal the highest around them: in bfloat16 neighbours tie, and one object would be found
        twice.
        """
        if self.training:
            return self._maps(features)
        with torch.autocast(features.device.type, enabled=False):
            return self._maps(features.float())

    def _maps(self, features: Tensor) -> dict[str, Tensor]:
        hidden = F.relu(self.first(features)).chunk(len(self.last), dim=1)
        maps = {name: last(part) for (name, last), part in zip(self.last.items(), hidden, strict=True)}
        return maps | {"size": size_in_cells(maps["size"])} if "size" in maps else maps


def size_in_cells(outputs: Tensor) -> Tensor:
    """Width and height in cells from the outputs of a map, which are their logarithm in units of SIZE_UNIT cells.

    In cells themselves, as Objects as Points has it, an object of 30 cells asks for an output of 30 and one of 3 for 3,
    and few steps leave all near the mean; here their outputs are 1.3 and -1. Above the logarithm STEEPEST it goes on as
    a straight line, so that nothing explodes.
    """
    outputs = outputs.float()
    return SIZE_UNIT * outputs.clamp(max=STEEPEST).exp() * (1 + (outputs - STEEPEST).clamp(min=0))


# Targets: small tables of fixed size on the host, maps drawn from them on the device


def tabulate(
    samples: Sequence[Sample], most: int
) -> tuple[dict[str, np.ndarray], list[np.ndarray], np.ndarray]:
    """Tables of a batch's objects in a fixed number of rows.

    Objects that are not asked for (`Objects.asked`) mark their boxes as ignored; so do the smallest of an image with
    more than `most` objects.

    Returns centre (B, most, 2) and size (B, most, 2) float32 in cells, label (B, most) int64, present (B, most) bool;
    which object stands in each row; and the ignored cells (B, H/4, W/4) bool.
    """
    count, (height, width) = len(samples), samples[0].image.shape[1:]
    table = {
        "centre": np.zeros((count, most, 2), np.float32),
        "size": np.zeros((count, most, 2), np.float32),
        "label": np.zeros((count, most), np.int64),
        "present": np.zeros((count, most), bool),
    }
    ignored = np.zeros((count, height // STRIDE, width // STRIDE), bool)
    rows = []
    for number, sample in enumerate(samples):
        boxes, asked = sample.objects.boxes / STRIDE, sample.objects.asked
        chosen = np.flatnonzero(asked)
        if len(chosen) > most:
            area = np.prod(boxes[chosen, 2:] - boxes[chosen, :2], axis=1)
            chosen = np.sort(chosen[np.argsort(-area, kind="stable")[:most]])
        places = np.s_[number, : len(chosen)]
        table["centre"][places] = (boxes[chosen, :2] + boxes[chosen, 2:]) / 2
        table["size"][places] = boxes[chosen, 2:] - boxes[chosen, :2]
        table["label"][places] = sample.objects.labels[chosen]
        table["present"][places] = True
        for left, top, right, bottom in np.delete(boxes, chosen, axis=0).tolist():
            ignored[number, int(top) : math.ceil(bottom), int(left) : math.ceil(right)] = True
        rows.append(chosen)
    return table, rows, ignored


def cells_of(points: Tensor, size: tuple[int, int]) -> Tensor:
    """Cells (..., 2) int64 of points (..., 2) in cells, inside maps of `size` (h, w)."""
    cells = points.floor().long()
    return torch.stack([cells[..., 0].clamp(0, size[1] - 1), cells[..., 1].clamp(0, size[0] - 1)], dim=-1)


def gaussian_radius(size: Tensor) -> Tensor:
    """Radius (...) in whole cells of the Gaussian for boxes of size (..., 2) in cells.

    The smallest of the three radii of the released code of CornerNet and Objects as Points, at a minimum overlap of
    0.7. It is 2.8 times what CornerNet's definition asks for (the code leaves out a division); the published
    results, and so ours, are with it.
    """
    side = size.ceil()
    total, product = side.sum(dim=-1), side.prod(dim=-1)
    b = 2 * MINIMUM_OVERLAP * total
    c = 4 * 4 * MINIMUM_OVERLAP * (1 - MINIMUM_OVERLAP) * product
    return (((b**2 + c).sqrt() - b) / 2).floor()


def draw_gaussians(cells: Tensor, radius: Tensor, present: Tensor, size: tuple[int, int]) -> Tensor:
    """Unnormalised Gaussians (B, N, h, w): 1 at the cells (B, N, 2), cut off at radius (B, N); 0 where not present.

    The standard deviation is a sixth of the diameter 2 radius + 1 (Objects as Points' released code).
    """
    deviation = ((2 * radius + 1) / 6)[..., None]

    def profile(centre: Tensor, length: int) -> Tensor:
        distance = torch.arange(length, device=centre.device) - centre[..., None]
        near = distance.abs() <= radius[..., None]
        return torch.exp(-(distance**2) / (2 * deviation**2)) * near

    columns, rows = profile(cells[..., 0], size[1]), profile(cells[..., 1], size[0]) * present[..., None]
    return rows[..., :, None] * columns[..., None, :]


def merge_by_class(drawn: Tensor, label: Tensor, classes: int) -> Tensor:
    """Heat maps (B, classes, h, w): at each cell the largest of what was drawn (B, N, h, w) for that class."""
    maps = drawn.new_zeros(drawn.shape[0], classes, *drawn.shape[2:])
    return maps.scatter_reduce(1, label[..., None, None].expand_as(drawn), drawn, "amax")


# Losses


def count_peaks(cells: Tensor, label: Tensor, present: Tensor) -> Tensor:
    """How many peaks objects of a batch make: two of one class in one cell are one.

    cells (B, N, 2), label (B, N), present (B, N). At least 1; without looking at the numbers from the host.
    """
    image = torch.arange(len(cells), device=cells.device)[:, None]
    most = 2**15  # above every label and every cell
    place = ((image * most + label) * most + cells[..., 1]) * most + cells[..., 0]
    order = torch.where(present, place, -1).flatten().sort().values
    first = torch.cat([order[:1] >= 0, (order[1:] != order[:-1]) & (order[1:] >= 0)])
    return first.sum().clamp(min=1)


def focal_loss(logits: Tensor, heat: Tensor, ignored: Tensor, peaks: Tensor) -> Tensor:
    """Penalty-reduced focal loss (CornerNet, equation 1; Objects as Points, equation 1), by the number of peaks.

    logits, heat (B, K, h, w): peaks are where heat is 1; ignored (B, h, w) bool: cells of which only peaks count;
    peaks: their number.
    """
    logits = logits.float()
    probability = logits.sigmoid()
    peak = heat == 1
    at_peak = (1 - probability) ** 2 * F.logsigmoid(logits)
    elsewhere = (1 - heat) ** 4 * probability**2 * F.logsigmoid(-logits) * ~ignored[:, None]
    return -torch.where(peak, at_peak, elsewhere).sum() / peaks


def gather_at(maps: Tensor, cells: Tensor) -> Tensor:
    """Values (B, N, C) of maps (B, C, h, w) at cells (B, N, 2)."""
    index = cells[..., 1] * maps.shape[3] + cells[..., 0]
    return maps.float().flatten(2).gather(2, index[:, None].expand(-1, maps.shape[1], -1)).transpose(1, 2)


def l1_loss_at(maps: Tensor, cells: Tensor, wanted: Tensor, counted: Tensor, count: Tensor) -> Tensor:
    """Absolute difference of maps (B, C, h, w) at cells (B, N, 2) from what is wanted (B, N, C), by a count of values.

    counted: (B, N, C) or (B, N, 1), which values count.
    """
    difference = (gather_at(maps, cells) - wanted).abs()
    return (difference * counted.expand_as(wanted)).sum() / count


def box_losses(
    outputs: dict[str, Tensor], targets: dict[str, Tensor], cells: Tensor, count: Tensor
) -> Tensor:
    """The losses of offset and size at the centres' cells (B, N, 2) (paper, L2 and L3), by the count of values."""
    present = targets["present"][..., None]
    offset = l1_loss_at(outputs["offset"], cells, targets["centre"] - cells, present, count)
    return offset + SIZE_WEIGHT * l1_loss_at(outputs["size"], cells, targets["size"], present, count)


# Decoding


def inside_extents(heat: Tensor, extents: Sequence[tuple[int, int]]) -> Tensor:
    """Heat (B, K, h, w) with zeros at cells beyond each image's (height, width) in pixels of the input."""
    limits = torch.tensor(extents, device=heat.device)[:, :, None]  # (B, 2, 1)
    rows = torch.arange(heat.shape[2], device=heat.device) * STRIDE < limits[:, 0]
    columns = torch.arange(heat.shape[3], device=heat.device) * STRIDE < limits[:, 1]
    return heat * (rows[:, None, :, None] & columns[:, None, None, :])


def find_peaks(heat: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """The highest local maxima of each map: scores (B, K, T) highest first, and their cells (B, K, T, 2).

    A local maximum is the largest of the 3 x 3 cells around it. T is `most`, or all cells if there are fewer;
    where there are fewer maxima, the rest has the score 0.
    """
    highest = F.max_pool2d(heat, 3, stride=1, padding=1)
    maxima = torch.where(highest == heat, heat, 0.0).flatten(2)
    scores, index = maxima.topk(min(most, maxima.shape[2]), dim=2)
    return scores, torch.stack([index % heat.shape[3], index // heat.shape[3]], dim=-1)


def find_objects(heat: Tensor, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """The highest peaks over all classes: scores (B, T), labels (B, T) int64, cells (B, T, 2).

    heat (B, K, h, w): probabilities.
    """
    scores, cells = find_peaks(heat, most)
    count = scores.shape[2]
    scores, index = scores.flatten(1).topk(min(most, scores.shape[1] * count), dim=1)
    cells = cells.flatten(1, 2).gather(1, index[..., None].expand(-1, -1, 2))
    return scores, index // count, cells


def boxes_at(outputs: dict[str, Tensor], cells: Tensor) -> Tensor:
    """Boxes (B, T, 4) x_min, y_min, x_max, y_max in pixels of the input, of objects centred in cells (B, T, 2)."""
    centre = cells + gather_at(outputs["offset"], cells)
    half = gather_at(outputs["size"], cells).clamp(min=0) / 2
    return torch.cat([centre - half, centre + half], dim=-1) * STRIDE
