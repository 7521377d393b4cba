"""PSPNet (Zhao et al. 2017): a pyramid of pooled features behind timm's ResNet-50, dilated to stride 8.

The auxiliary loss of the paper, a help in training from ILSVRC weights for long, is left out.
"""

from __future__ import annotations

import timm
import torch
from torch import Tensor, nn

from transfer_atlas.models.upsampling import resize

BINS = (1, 2, 3, 6)  # cells a side that features are averaged to
CHANNELS, STRIDE = 512, 8


def _pooled(inputs: int, outputs: int, cells: int) -> nn.Sequential:
    """Features averaged to cells, and brought to fewer channels.

    No batch normalisation of a single cell, of which a batch of one image has no variance.
    """
    norm = [] if cells == 1 else [nn.BatchNorm2d(outputs)]
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(cells), nn.Conv2d(inputs, outputs, 1, bias=cells == 1), *norm, nn.ReLU()
    )


class PspNet(nn.Module):
    """x (B, 3, H, W) -> [(B, 512, H / 8, W / 8)]; width scales what is behind the ResNet."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.body = timm.create_model(
            "resnet50", pretrained=False, features_only=True, out_indices=(4,), output_stride=STRIDE
        )
        inputs = self.body.feature_info.channels()[0]
        self.channels = max(len(BINS), round(CHANNELS * width))
        each = self.channels
        self.pyramid = nn.ModuleList(_pooled(inputs, each, cells) for cells in BINS)
        self.join = nn.Sequential(
            nn.Conv2d(inputs + len(BINS) * each, self.channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(self.channels),
            nn.ReLU(),
            nn.Dropout2d(0.1),
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """The joined features."""
        (maps,) = self.body(images)
        size = (maps.shape[2], maps.shape[3])
        return [self.join(torch.cat([maps, *(resize(pool(maps), size) for pool in self.pyramid)], dim=1))]


def build(width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network, and channels and stride of its map."""
    network = PspNet(width)
    return network, [network.channels], [STRIDE]
