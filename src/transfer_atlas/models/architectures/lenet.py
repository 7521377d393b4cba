"""LeNet-5 (LeCun et al. 1998) up to its 84 features, for images of 32 x 32 pixels and multiples."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

STRIDE = 32  # of the one map: an image of 32 x 32 becomes one vector


class LeNet(nn.Module):
    """x (B, 3, H, W) -> [(B, 84, H / 32, W / 32)]; with ReLU and maxima where the paper has tanh and means."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        first, second, third, last = (max(1, round(width * number)) for number in (6, 16, 120, 84))
        self.conv1 = nn.Conv2d(3, first, 5)
        self.conv2 = nn.Conv2d(first, second, 5)
        self.conv3 = nn.Conv2d(second, third, 5)
        self.fc = nn.Conv2d(third, last, 1)

    def forward(self, images: Tensor) -> list[Tensor]:
        """The map of features."""
        size = [max(1, side // STRIDE) for side in images.shape[2:]]
        maps = F.max_pool2d(F.relu(self.conv1(images)), 2)
        maps = F.max_pool2d(F.relu(self.conv2(maps)), 2)
        maps = F.adaptive_avg_pool2d(F.relu(self.conv3(maps)), size)
        return [F.relu(self.fc(maps))]


def build(width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network, and channels and stride of its map."""
    network = LeNet(width)
    return network, [network.fc.out_channels], [STRIDE]
