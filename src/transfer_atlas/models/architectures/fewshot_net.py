"""FewshotNet: the four convolutions of few-shot learning (Vinyals et al. 2016; Tan et al. 2021, Table VI)."""

from __future__ import annotations

from torch import Tensor, nn

STRIDE = 16


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)
    )


class FewshotNet(nn.Module):
    """x (B, 3, H, W) -> [(B, 64, H / 16, W / 16)]."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.channels = max(1, round(64 * width))
        self.blocks = nn.Sequential(
            _block(3, self.channels), *(_block(self.channels, self.channels) for _ in range(3))
        )

    def forward(self, images: Tensor) -> list[Tensor]:
        """The map of features."""
        return [self.blocks(images)]


def build(width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network, and channels and stride of its map."""
    network = FewshotNet(width)
    return network, [network.channels], [STRIDE]
