"""FCN-8s (Long, Shelhamer and Darrell 2015): torchvision's VGG-16, whose pools 3 and 4 are read beside the last map.

Its classifier sums one linear layer on each of the three maps, upsampled, which is what the head of segmentation does.
"""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models import vgg16

POOL3, POOL4 = 17, 24  # places behind the third and fourth pooling in torchvision's sequence
HIDDEN = 4096


class Fcn8s(nn.Module):
    """x (B, 3, H, W) -> maps of strides 8, 16 and 32 with 256, 512 and 4096 channels; width scales the last alone."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.features = vgg16(weights=None).features
        self.hidden = max(1, round(HIDDEN * width))
        self.fc6 = nn.Conv2d(512, self.hidden, 7, padding=3)
        self.fc7 = nn.Conv2d(self.hidden, self.hidden, 1)
        self.drop = nn.Dropout2d()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The three maps."""
        third = self.features[:POOL3](images)
        fourth = self.features[POOL3:POOL4](third)
        last = self.features[POOL4:](fourth)
        last = self.drop(self.relu(self.fc6(last)))
        return [third, fourth, self.drop(self.relu(self.fc7(last)))]


def build(width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network, and channels and strides of its maps."""
    network = Fcn8s(width)
    return network, [256, 512, network.hidden], [8, 16, 32]
