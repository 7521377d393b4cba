"""Networks of image-to-image translation: CycleGAN's ResNet generator and its PatchGAN discriminator.

Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (ICCV 2017), section 7.1.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GENERATOR_STRIDE = 4  # sides of a generator's images are multiples of it
WEIGHT_DEVIATION = 0.02  # of the first weights (section 7.1)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions around which the input is led, borders reflected (Johnson et al. 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_convolution(channels, channels, 3), *_convolution(channels, channels, 3)[:-1]
        )

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, h, w) of the same shape."""
        return features + self.layers(features)


class ResnetGenerator(nn.Module):
    """Images (B, 3, H, W) in -1..1 to images of the other domain, alike; H and W are multiples of 4.

    The paper's c7s1-64, d128, d256, nine R256, u128, u64, c7s1-3 for width 64 and nine blocks, with instance
    normalisation.
    """

    def __init__(self, width: int, blocks: int, *, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                *_convolution(3, width, 7),
                *_convolution(width, 2 * width, 3, stride=2),
                *_convolution(2 * width, 4 * width, 3, stride=2),
                *(ResidualBlock(4 * width) for _ in range(blocks)),
                *_enlarging(4 * width, 2 * width),
                *_enlarging(2 * width, width),
                nn.ReflectionPad2d(3),
                nn.Conv2d(width, 3, 7),
                nn.Tanh(),
            )
            self.apply(_draw_weights)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) in -1..1."""
        return self.layers(images)


class PatchDiscriminator(nn.Module):
    """Images (B, 3, H, W) in -1..1 to a map (B, 1, h, w) that says of each patch whether it is real: 1, or 0.

    The paper's C64-C128-C256-C512 for width 64 and three layers: patches of 70 x 70 pixels.
    """

    def __init__(self, width: int, layers: int, *, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found: list[nn.Module] = [
                nn.Conv2d(3, width, 4, stride=2, padding=1),
                nn.LeakyReLU(0.2, inplace=True),
            ]
            channels = width
            for number in range(1, layers + 1):
                wider = width * min(2**number, 8)
                stride = 2 if number < layers else 1
                found += [
                    nn.Conv2d(channels, wider, 4, stride=stride, padding=1),
                    nn.InstanceNorm2d(wider),
                    nn.LeakyReLU(0.2, inplace=True),
                ]
                channels = wider
            self.layers = nn.Sequential(*found, nn.Conv2d(channels, 1, 4, padding=1))
            self.apply(_draw_weights)

    def forward(self, images: Tensor) -> Tensor:
        """A map (B, 1, h, w), without bounds: the loss is least squares."""
        return self.layers(images)


def _convolution(channels: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """Convolution, instance normalisation, ReLU; borders are reflected where nothing is made smaller."""
    padding = size // 2
    around: list[nn.Module] = [nn.ReflectionPad2d(padding)] if stride == 1 else []
    own = nn.Conv2d(channels, outputs, size, stride=stride, padding=0 if around else padding)
    return [*around, own, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


def _enlarging(channels: int, outputs: int) -> list[nn.Module]:
    """A fractional-strided convolution, which doubles both sides, with normalisation and ReLU."""
    own = nn.ConvTranspose2d(channels, outputs, 3, stride=2, padding=1, output_padding=1)
    return [own, nn.InstanceNorm2d(outputs), nn.ReLU(inplace=True)]


def _draw_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, std=WEIGHT_DEVIATION)
        nn.init.zeros_(module.bias)
