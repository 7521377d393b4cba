"""The transfer network G: features of task 1 to features of task 2 (paper, section 3.5; supplement, section 2)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from transfer_atlas.models.upsampling import resize


class TransferNetwork(nn.Module):
    """Six 3 x 3 convolutions, down to a quarter of the input's resolution and back up.

    features (B, C1, h, w) -> (B, C2, h, w). Two convolutions of stride 2, two at a quarter, and two after bilinear
    upsampling by two each; ReLU between them, and no normalisation, for batches are of one image (ours).
    """

    def __init__(self, channels: int, outputs: int, width: int, *, seed: int) -> None:
        super().__init__()
        widths = [channels, *[width] * 5, outputs]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.convolutions = nn.ModuleList(
                nn.Conv2d(before, after, 3, stride=2 if number < 2 else 1, padding=1)
                for number, (before, after) in enumerate(pairwise(widths))
            )
            for convolution in self.convolutions:
                nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
                nn.init.zeros_(convolution.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Features as of task 2, of the size of those that are given."""
        sizes = []
        for number, convolution in enumerate(self.convolutions):
            if number < 2:
                sizes.append(features.shape[2:])
            if number >= 4:
                features = resize(features, sizes.pop())
            features = convolution(features)
            if number < len(self.convolutions) - 1:
                features = torch.relu(features)
        return features


def reconstruction_loss(mapped: Tensor, wanted: Tensor) -> Tensor:
    """The L2 reconstruction loss of equation 3, as the mean of the squared differences over all values."""
    return (mapped.float() - wanted.float()).square().mean()


def unexplained_share(mapped: Tensor, wanted: Tensor) -> float:
    """Squared error of mapped features (N, C), relative to that of the wanted features' mean: 0 perfect, 1 useless."""
    error = (mapped.double() - wanted.double()).square().sum()
    spread = (wanted.double() - wanted.double().mean(dim=0)).square().sum()
    return (error / spread.clamp(min=1e-12)).item()
