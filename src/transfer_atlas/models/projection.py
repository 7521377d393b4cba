"""A 1 x 1 convolution of the joined representation, done on each branch at its own resolution."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.models.backbone import STRIDE
from transfer_atlas.models.upsampling import resize


class Projection(nn.Conv2d):
    """1 x 1 convolution of the joined representation: branches [(B, C_i, h_i, w_i)] -> (B, outputs, H/4, W/4).

    A 1 x 1 convolution and bilinear upsampling are both linear and may change places: each branch is convolved at
    its own resolution and few channels are upsampled, instead of all channels before one convolution. The function
    and its parameters are the same; the joined representation never stands in memory.
    """

    def __init__(self, widths: list[int], strides: list[int], outputs: int) -> None:
        super().__init__(sum(widths), outputs, kernel_size=1)
        self.widths = widths
        # 1 but for backbones without a map at stride 4, such as transformers
        self.enlarge = strides[0] // STRIDE

    def forward(self, branches: list[Tensor]) -> Tensor:
        """The projection (B, outputs, H/4, W/4)."""
        weights = self.weight.split(self.widths, dim=1)  # (outputs, C_i, 1, 1) each
        projected = F.conv2d(branches[0], weights[0], self.bias)
        if self.enlarge > 1:
            height, width = projected.shape[2:]
            projected = resize(projected, (height * self.enlarge, width * self.enlarge))
        for branch, weight in zip(branches[1:], weights[1:], strict=True):
            projected = projected + resize(F.conv2d(branch, weight), projected.shape[2:])
        return projected
