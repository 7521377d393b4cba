"""U-Net (Ronneberger, Fischer and Brox 2015), padded, with batch normalisation, as it is used on images of any size."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.models.architectures.maps import STRIDE, at_stride

CHANNELS = (64, 128, 256, 512, 1024)  # from the resolution of the image to a sixteenth of it


def _two_convolutions(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions with batch normalisation and ReLU."""
    layers: list[nn.Module] = []
    for before in (inputs, outputs):
        layers += [nn.Conv2d(before, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """x (B, 3, H, W) -> [(B, 64, H / 4, W / 4)]: the decoder's last features, without the classifying convolution."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = [max(1, round(width * each)) for each in CHANNELS]
        self.channels = channels[0]
        self.encoder = nn.ModuleList(map(_two_convolutions, [3, *channels[:-1]], channels))
        self.enlarge, self.decoder = nn.ModuleList(), nn.ModuleList()
        for coarse, fine in zip(channels[:0:-1], channels[-2::-1], strict=True):
            self.enlarge.append(nn.ConvTranspose2d(coarse, fine, 2, stride=2))
            self.decoder.append(_two_convolutions(2 * fine, fine))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The last features."""
        maps, beside = self.encoder[0](images), []
        for stage in self.encoder[1:]:
            beside.append(maps)
            maps = stage(F.max_pool2d(maps, 2))
        for enlarge, stage in zip(self.enlarge, self.decoder, strict=True):
            maps = stage(torch.cat([beside.pop(), enlarge(maps)], dim=1))
        return [at_stride(maps, images)]


def build(width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network, and channels and stride of its map."""
    network = UNet(width)
    return network, [network.channels], [STRIDE]
