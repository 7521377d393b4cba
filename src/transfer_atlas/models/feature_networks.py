"""timm's networks as makers of feature maps, whatever sizes of input and forms of output they have of their own."""

from __future__ import annotations

from collections.abc import Sequence

import timm
from torch import Tensor, nn
from torch.nn import functional as F

COARSEST = 32  # inputs come in multiples of it


def feature_network(name: str) -> nn.Module:
    """timm's feature network with random weights, for inputs of any multiple of 32.

    A transformer's position embedding follows the size of the input, where it can. Where patches do not fit into
    multiples of 32, or the network knows one size only, the input is resized to what it takes, and its maps to what
    its strides, rounded down to powers of two, make of the input.
    """
    try:
        network = timm.create_model(name, pretrained=False, features_only=True, dynamic_img_size=True)
    except TypeError:  # no transformer, or one of a fixed size
        network = timm.create_model(name, pretrained=False, features_only=True)
        settings = timm.get_pretrained_cfg(name)
        if settings is not None and settings.fixed_input_size:
            return _Resized(network, fixed=tuple(settings.input_size[1:]))
    patch = getattr(getattr(getattr(network, "model", None), "patch_embed", None), "patch_size", None) or (
        1,
        1,
    )
    if any(COARSEST % side for side in patch):
        return _Resized(network, patch=tuple(patch))
    return network


def at_strides_from(finest: int, network: nn.Module) -> tuple[nn.Module, list[int], list[int]]:
    """The network without its maps finer than a stride, which would dominate the cost of every head.

    Returns it with the channels and strides of its maps, which are all (B, C, H, W).
    """
    strides = network.strides if isinstance(network, _Resized) else network.feature_info.reduction()
    kept = [index for index, stride in enumerate(strides) if stride >= finest]
    widths = [network.feature_info.channels()[index] for index in kept]
    channels_last = str(getattr(network, "output_fmt", "NCHW")).endswith("NHWC")
    if len(kept) < len(strides) or channels_last:
        network = _Selected(network, kept, channels_last)
    return network, widths, [strides[index] for index in kept]


class _Resized(nn.Module):
    """Resizes inputs to the nearest multiple of a patch, or to the one size that a network takes, and maps back."""

    def __init__(
        self, network: nn.Module, patch: tuple[int, int] = (1, 1), fixed: tuple[int, int] | None = None
    ) -> None:
        super().__init__()
        self.network = network
        self.patch = patch
        self.fixed = fixed
        self.feature_info = network.feature_info
        self.strides = [1 << (reduction.bit_length() - 1) for reduction in network.feature_info.reduction()]

    def forward(self, images: Tensor) -> list[Tensor]:
        nearest = [
            max(1, round(side / step)) * step for side, step in zip(images.shape[2:], self.patch, strict=True)
        ]
        maps = self.network(_to_size(images, self.fixed or nearest))
        return [
            _to_size(values, [side // stride for side in images.shape[2:]])
            for values, stride in zip(maps, self.strides, strict=True)
        ]


def _to_size(maps: Tensor, size: Sequence[int]) -> Tensor:
    if list(maps.shape[2:]) == list(size):
        return maps
    return F.interpolate(maps, size=list(size), mode="bilinear", align_corners=False, antialias=True)


class _Selected(nn.Module):
    """Leaves out feature maps; some transformers hand out maps (B, H, W, C), here all are (B, C, H, W)."""

    def __init__(self, network: nn.Module, kept: list[int], channels_last: bool) -> None:
        super().__init__()
        self.network = network
        self.kept = kept
        self.channels_last = channels_last

    def forward(self, images: Tensor) -> list[Tensor]:
        maps = self.network(images)
        chosen = [maps[index] for index in self.kept]
        return [features.permute(0, 3, 1, 2) for features in chosen] if self.channels_last else chosen
