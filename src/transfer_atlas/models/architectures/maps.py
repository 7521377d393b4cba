"""What the networks of this folder share: their maps at the stride that heads read."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

STRIDE = 4  # of the finest map that heads read


def at_stride(maps: Tensor, images: Tensor) -> Tensor:
    """Maps of a stride below 4, averaged to H / 4 x W / 4 of the images.

    A linear classifier of averaged features is the average of its logits, so that of a network which classifies every
    pixel nothing is lost but what is finer than what all heads here predict.
    """
    return F.adaptive_avg_pool2d(maps, [side // STRIDE for side in images.shape[2:]])
