"""The backbone: any timm model as one feature map at stride 4, HRNetV2's representation for HRNets."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

import timm
import torch
from timm.models.hrnet import HighResolutionNetFeatures
from torch import Tensor, nn

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.architectures.registry import ARCHITECTURES
from transfer_atlas.models.dilated_resnet import StagedMaps, dilated_resnet, strides_of
from transfer_atlas.models.expected_input import WHITENED, ExpectedInput
from transfer_atlas.models.feature_networks import at_strides_from, feature_network
from transfer_atlas.models.upsampling import resize

STRIDE = 4  # of the representation that heads see
# PyTorch's own value, and HRNet's. Networks taken over from TensorFlow come with 0.01: after the hundred steps of
# a small transfer, the statistics used in evaluation would still be a third the source's.
BATCH_NORM_MOMENTUM = 0.1


def _tiny_hrnet(width: int = 8) -> dict[str, Any]:
    """An HRNet small enough for a processor core: one module a stage, one residual unit a branch."""

    def stage(branches: int) -> dict[str, Any]:
        return {
            "num_modules": 1,
            "num_branches": branches,
            "block_type": "BASIC",
            "num_blocks": (1,) * branches,
            "num_channels": tuple(width * 2**branch for branch in range(branches)),
            "fuse_method": "SUM",
        }

    first = stage(1) | {"block_type": "BOTTLENECK", "num_channels": (width,)}
    return {"stem_width": 16, "stage1": first, "stage2": stage(2), "stage3": stage(3), "stage4": stage(4)}


class Backbone(nn.Module):
    """A network without head.

    `branches(x)`: x (B, 3, H, W) float -> list of maps (B, C_i, H / s_i, W / s_i), finest first.
    `forward(x)`: all branches upsampled (bilinear) to H/4 x W/4 and concatenated: (B, channels, H/4, W/4).
    For an HRNet of width C this is HRNetV2's representation of 15 C channels (paper, section 4.2).
    H and W must be multiples of 32. x is whitened: zero mean, unit deviation; what the weights were trained with in
    its place (`expects`) is made of it here.
    """

    input_scale: Tensor
    input_shift: Tensor

    def __init__(self, body: nn.Module, widths: list[int], strides: list[int]) -> None:
        super().__init__()
        self.body = body
        self.widths = widths
        self.strides = strides
        self.channels = sum(widths)
        self.register_buffer("input_scale", torch.ones(1, 3, 1, 1), persistent=False)
        self.register_buffer("input_shift", torch.zeros(1, 3, 1, 1), persistent=False)
        self.expects = WHITENED
        self.linear = False  # whether classification reads the last map, averaged, through one linear layer

    def expect(self, expects: ExpectedInput) -> None:
        """Say what input the weights were trained on: with their copying, it is to be carried along."""
        self.expects = expects
        for buffer, values in zip(
            (self.input_scale, self.input_shift), expects.scale_and_shift(), strict=True
        ):
            buffer.copy_(torch.tensor(values).view(1, 3, 1, 1))

    def network_input(self, whitened: Tensor) -> Tensor:
        """What the network itself is given for whitened images (B, 3, H, W)."""
        return whitened * self.input_scale + self.input_shift

    def branches(self, images: Tensor) -> list[Tensor]:
        """The feature maps of all resolutions, finest first."""
        return self.body(self.network_input(images))

    def forward(self, images: Tensor) -> Tensor:
        """The representation that heads see."""
        return join_branches(self.branches(images), (images.shape[2] // STRIDE, images.shape[3] // STRIDE))


def join_branches(branches: list[Tensor], size: tuple[int, int]) -> Tensor:
    """Branches (B, C_i, h_i, w_i) upsampled to `size` and concatenated: (B, sum C_i, *size)."""
    return torch.cat([resize(branch, size) for branch in branches], dim=1)


def backbone_of(settings: Mapping[str, Any], *, seed: int) -> Backbone:
    """The backbone of a run's settings, with random weights drawn from `seed`.

    settings: `name`, and where they are not the defaults `width` and `classification` (study/settings.py); of an
    encoder of AT/DT also `output_stride`, `dilations` and `batch_norm`.
    """
    if "output_stride" in settings:
        return _dilated(settings, seed)
    backbone = build_backbone(settings["name"], seed=seed, width=settings.get("width", 1.0))
    backbone.linear = backbone.linear or settings.get("classification") == "linear"
    return backbone


def build_backbone(name: str, *, seed: int, width: float = 1.0) -> Backbone:
    """A backbone with random weights drawn from `seed`. Raises ConfigurationError for an unknown name.

    width: factor of the channels of the networks in `architectures/`.
    """
    if name in ARCHITECTURES:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = _with_momentum(Backbone(*ARCHITECTURES[name].build(width)))
        backbone.linear = ARCHITECTURES[name].linear
        return backbone
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "hrnet_tiny":
            body = HighResolutionNetFeatures(_tiny_hrnet(), feature_location="", out_indices=(1, 2, 3, 4))
        elif name not in timm.list_models():
            near = difflib.get_close_matches(name, [*timm.list_models(), "hrnet_tiny", *ARCHITECTURES], n=3)
            raise ConfigurationError(
                f"backbone.name is {name!r}, which timm {timm.__version__} does not know"
                + (f"; did you mean {', '.join(near)}?" if near else "; see timm.list_models().")
            )
        elif name.startswith("hrnet"):
            # Without the classification increments: the four branches of C, 2C, 4C and 8C channels.
            body = timm.create_model(
                name, pretrained=False, features_only=True, feature_location="", out_indices=(1, 2, 3, 4)
            )
        else:
            body = feature_network(name)
    body, widths, strides = at_strides_from(STRIDE, body)
    return _with_momentum(Backbone(body, widths, strides))


def _dilated(settings: Mapping[str, Any], seed: int) -> Backbone:
    """A ResNet with its last stages dilated: all four maps, as those of any ResNet."""
    stride, dilations = settings["output_stride"], tuple(settings["dilations"])
    stages, widths = dilated_resnet(settings["name"], stride, dilations, settings["batch_norm"], seed=seed)
    return _with_momentum(Backbone(StagedMaps(stages), widths, strides_of(stride)))


def _with_momentum(backbone: Backbone) -> Backbone:
    for module in backbone.body.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
    return backbone
