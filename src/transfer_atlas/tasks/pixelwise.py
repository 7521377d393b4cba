"""The head of segmentation and depth: one linear layer at each pixel of the joined representation."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.models.backbone import STRIDE


class PixelwiseHead(nn.Module):
    """1 x 1 convolution of the joined representation to K maps: (channels + 1) * K parameters (Figs. 4a, 7a).

    branches [(B, C_i, h_i, w_i)], finest first -> maps (B, K, H/4, W/4). Upsampling to the pixels follows in
    loss and evaluation, where the size to upsample to is known.

    A 1 x 1 convolution and bilinear upsampling are both linear and may change places: each branch goes through
    its part of the layer at its own resolution and K channels are upsampled, instead of all channels before one
    convolution. The function and its parameters are the same; the joined representation never stands in memory.
    """

    reads_branches = True

    def __init__(self, widths: list[int], strides: list[int], outputs: int) -> None:
        super().__init__()
        self.widths = widths
        # 1 but for backbones without a map at stride 4, such as transformers
        self.enlarge = strides[0] // STRIDE
        self.classifier = nn.Conv2d(sum(widths), outputs, kernel_size=1)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Maps (B, K, H/4, W/4)."""
        weights = self.classifier.weight.split(self.widths, dim=1)  # (K, C_i, 1, 1) each
        maps = F.conv2d(branches[0], weights[0], self.classifier.bias)
        if self.enlarge > 1:
            maps = F.interpolate(maps, scale_factor=self.enlarge, mode="bilinear", align_corners=False)
        for branch, weight in zip(branches[1:], weights[1:], strict=True):
            part = F.conv2d(branch, weight)
            maps = maps + F.interpolate(part, size=maps.shape[2:], mode="bilinear", align_corners=False)
        return maps


def upsample(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Maps (B, K, h, w) in float32, bilinearly upsampled to (B, K, *size)."""
    return F.interpolate(maps.float(), size=tuple(size), mode="bilinear", align_corners=False)
