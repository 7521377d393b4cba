"""Full-resolution residual networks A and B (Pohlen et al. 2017, Table 1): a stream of pooled features beside one of
residuals at the resolution of the image.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.models.architectures.maps import STRIDE, at_stride

BASE, RESIDUAL = 48, 32  # channels of the residual units, and of the residual stream
# channels and number of full-resolution residual units behind each pooling, then behind each unpooling
ENCODERS = {
    "a": ((96, 3), (192, 4), (384, 2), (384, 2)),
    "b": ((96, 3), (192, 4), (384, 2), (384, 2), (384, 2)),
}
DECODERS = {"a": ((192, 2), (192, 2), (96, 2)), "b": ((192, 2), (192, 2), (192, 2), (96, 2))}


class ResidualUnit(nn.Module):
    """x + BN(conv(ReLU(BN(conv(x))))), 3 x 3."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape."""
        return maps + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)))))


class FullResolutionUnit(nn.Module):
    """Pooled features y (B, C, h, w) and residuals z (B, 32, h s, w s) -> both anew (section 3.2, equations 6 to 8)."""

    def __init__(self, inputs: int, outputs: int, residual: int, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.conv1 = nn.Conv2d(inputs + residual, outputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.back = nn.Conv2d(outputs, residual, 1)

    def forward(self, pooled: Tensor, residuals: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled features and residuals."""
        both = torch.cat([pooled, F.max_pool2d(residuals, self.scale)], dim=1)
        pooled = F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(both))))))
        return pooled, residuals + F.interpolate(self.back(pooled), scale_factor=self.scale, mode="nearest")


class Frrn(nn.Module):
    """x (B, 3, H, W) -> [(B, 48, H / 4, W / 4)]: the features before the classifying convolution."""

    def __init__(self, kind: str, width: float = 1.0) -> None:
        super().__init__()
        self.channels, residual = (max(1, round(width * channels)) for channels in (BASE, RESIDUAL))
        self.first = nn.Sequential(
            nn.Conv2d(3, self.channels, 5, padding=2, bias=False), nn.BatchNorm2d(self.channels), nn.ReLU()
        )
        self.before = nn.Sequential(*(ResidualUnit(self.channels) for _ in range(3)))
        self.split = nn.Conv2d(self.channels, residual, 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels, scale = self.channels, 1
        for stages, moves, factor in ((ENCODERS[kind], self.down, 2.0), (DECODERS[kind], self.up, 0.5)):
            for outputs, count in stages:
                scale, outputs = round(scale * factor), max(1, round(width * outputs))
                sizes = [channels] + [outputs] * count
                moves.append(
                    nn.ModuleList(FullResolutionUnit(a, outputs, residual, scale) for a in sizes[:-1])
                )
                channels = outputs
        self.join = nn.Conv2d(channels + residual, self.channels, 1, bias=False)
        self.after = nn.Sequential(*(ResidualUnit(self.channels) for _ in range(3)))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The last features."""
        pooled = self.before(self.first(images))
        residuals = self.split(pooled)
        for units in self.down:
            pooled = F.max_pool2d(pooled, 2)
            for unit in units:
                pooled, residuals = unit(pooled, residuals)
        for units in self.up:
            pooled = F.interpolate(pooled, scale_factor=2, mode="bilinear", align_corners=False)
            for unit in units:
                pooled, residuals = unit(pooled, residuals)
        pooled = F.interpolate(pooled, scale_factor=2, mode="bilinear", align_corners=False)
        return [at_stride(self.after(self.join(torch.cat([pooled, residuals], dim=1))), images)]


def network(kind: str, width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network of a kind, `a` or `b`, and channels and stride of its map."""
    found = Frrn(kind, width)
    return found, [found.channels], [STRIDE]
