"""A model: backbone and head, and the normalisation that belongs to its dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from transfer_atlas.models.backbone import Backbone


class Model(nn.Module):
    """images (B, 3, H, W) uint8 or float in 0..255 -> the head's outputs.

    Every dataset's images are normalised to zero mean and unit standard deviation per channel
    (paper, section 4.1); mean and std are buffers that are not part of the weights.
    """

    def __init__(
        self, backbone: Backbone, head: nn.Module, mean: tuple[float, ...], std: tuple[float, ...]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).clamp(min=1.0).view(1, 3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Any:
        """The head's outputs."""
        normalised = (images.float() - self.mean) / self.std
        features = (
            self.backbone.branches(normalised) if self.head.reads_branches else self.backbone(normalised)
        )
        return self.head(features)


class MultiHeadModel(nn.Module):
    """The weights of models that share one backbone: `backbone`, and `heads` by name (paper, section 5.1)."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        super().__init__()
        self.backbone = next(iter(models.values())).backbone
        self.heads = nn.ModuleDict({name: model.head for name, model in models.items()})
