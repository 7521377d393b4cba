"""Bilinear resizing of maps that is deterministic on every device without a slow path.

Under deterministic algorithms, torch replaces its bilinear kernels off the processor by a decomposition whose backward
pass scatters, which is many times slower. Bilinear resizing is linear and separable, so there two products with fixed
matrices do it: deterministic like every matrix product. On a processor torch's own kernel is deterministic and faster.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def resize(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Maps (B, C, h, w) bilinearly resized to (B, C, *size), as F.interpolate with align_corners=False has it."""
    if maps.shape[2:] == tuple(size):
        return maps
    if maps.device.type == "cpu":
        return F.interpolate(maps, size=tuple(size), mode="bilinear", align_corners=False)
    return resize_by_products(maps, size)


def resize_by_products(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """As `resize`, by a product along columns and one along rows."""
    rows, columns = (
        bilinear_weights(own, wanted, like=maps)
        for own, wanted in zip(maps.shape[2:], tuple(size), strict=True)
    )
    return rows @ (maps @ columns.T)


def bilinear_weights(own: int, wanted: int, *, like: Tensor) -> Tensor:
    """Weights (wanted, own) of `own` values in `wanted` ones, in the device and precision of `like`.

    The centre of value i lies at (i + 0.5) own / wanted - 0.5 among the own values, beyond whose ends stands the last.
    """
    places = (torch.arange(wanted, device=like.device, dtype=torch.float32) + 0.5) * (own / wanted) - 0.5
    distance = (places.clamp(0, own - 1)[:, None] - torch.arange(own, device=like.device)).abs()
    return (1 - distance).clamp(min=0).to(like.dtype)
