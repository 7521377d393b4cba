"""The head of segmentation and depth: one linear layer at each pixel of the joined representation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.models.projection import Projection


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
    return F.interpolate(maps.float(), size=tuple(size), mode="bilinear", align_corners=False)
