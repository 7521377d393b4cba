"""The head of segmentation and depth: one linear layer at each pixel of the joined representation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transfer_atlas.models.backbone import STRIDE
from transfer_atlas.models.projection import Projection
from transfer_atlas.models.upsampling import resize

VALUES_AT_ONCE = 2**25  # logits at the size of an image that stand in memory: 128 MiB


class PixelwiseHead(nn.Module):
    """1 x 1 convolution of the joined representation to K maps: (channels + 1) * K parameters (Figs. 4a, 7a).

    branches [(B, C_i, h_i, w_i)], finest first -> maps (B, K, H/4, W/4). Upsampling to the pixels follows in
    loss and evaluation, where the size to upsample to is known.
    """

    reads_branches = True

    def __init__(self, widths: list[int], strides: list[int], outputs: int) -> None:
        super().__init__()
        self.classifier = Projection(widths, strides, outputs)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Maps (B, K, H/4, W/4)."""
        return self.classifier(branches)


def upsample(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Maps (B, K, h, w) in float32, bilinearly upsampled to (B, K, *size)."""
    return resize(maps.float(), size)


def to_own_size(maps: Tensor, extent: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Maps (K, h, w) of a padded input, of which an image fills `extent`, at the image's own size: (K, *size)."""
    height, width = maps.shape[1:]
    whole = upsample(maps[None], (height * STRIDE, width * STRIDE))
    return upsample(whole[:, :, : extent[0], : extent[1]], size)[0]


def predicted_classes(logits: Tensor, extent: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The class of the highest logit at each pixel: (*size) int64; logits (K, h, w), extent as in `to_own_size`.

    Some classes at a time: all logits of a large image at its own size would take gigabytes.
    """
    at_once = max(1, VALUES_AT_ONCE // max(size[0] * size[1], STRIDE**2 * logits[0].numel()))
    best, classes = None, torch.zeros(size, dtype=torch.int64, device=logits.device)
    for first in range(0, len(logits), at_once):
        highest, index = to_own_size(logits[first : first + at_once], extent, size).max(dim=0)
        if best is None:
            best, classes = highest, index
        else:
            higher = highest > best  # of equals the first class, as for all at once
            best, classes = torch.where(higher, highest, best), torch.where(higher, index + first, classes)
    return classes
