"""SegNet (Badrinarayanan, Kendall and Cipolla 2017): VGG-16's convolutions, a decoder that unpools where was pooled."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.models.architectures.maps import STRIDE, at_stride

STAGES = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))  # channels and convolutions of the encoder


def _convolutions(channels: Sequence[int]) -> nn.Sequential:
    """3 x 3 convolutions with batch normalisation and ReLU, from each number of channels to the next."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class SegNet(nn.Module):
    """x (B, 3, H, W) -> [(B, 64, H / 4, W / 4)]: the decoder's last features, without the classifying convolution."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        stages = [(max(1, round(width * channels)), count) for channels, count in STAGES]
        self.channels = stages[0][0]
        self.encoder, self.decoder = nn.ModuleList(), nn.ModuleList()
        before = 3
        for channels, count in stages:
            self.encoder.append(_convolutions([before] + [channels] * count))
            before = channels
        for number, (channels, count) in reversed(list(enumerate(stages))):
            after = stages[number - 1][0] if number else channels
            # the last convolution of the first stage is the classifier, which is the head's
            inner = count - 1 if number else count - 2
            self.decoder.append(_convolutions([channels] * (inner + 1) + ([after] if number else [channels])))

    def forward(self, images: Tensor) -> list[Tensor]:
        """The last features."""
        maps, places = images, []
        for stage in self.encoder:
            maps = stage(maps)
            size = maps.shape[2:]
            maps, index = F.max_pool2d(maps, 2, return_indices=True)
            places.append((index, size))
        for stage, (index, size) in zip(self.decoder, reversed(places), strict=True):
            maps = stage(F.max_unpool2d(maps, index, 2, output_size=size))
        return [at_stride(maps, images)]


def build(width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network, and channels and stride of its map."""
    network = SegNet(width)
    return network, [network.channels], [STRIDE]
