"""ResNets of timm whose last stages are dilated instead of strided, in four stages: AT/DT's encoders."""

from __future__ import annotations

import difflib

import timm
import torch
from timm.models.resnet import BasicBlock, Bottleneck, ResNet
from torch import Tensor, nn

from transfer_atlas.errors import ConfigurationError

STAGES = 4
TINY = (16, 32, 48, 64)  # channels of `resnet_tiny`'s stages


def dilated_resnet(
    name: str, output_stride: int, dilations: tuple[int, int], batch_norm: bool, *, seed: int
) -> tuple[list[nn.Module], list[int]]:
    """Four stages of a ResNet with random weights drawn from `seed`, each (B, C, h, w) -> (B, C', h', w'), and the
    channels of each; the first takes images (B, 3, H, W).

    name: a ResNet of timm, or `resnet_tiny`; output_stride: 8, 16 or 32, what the last stage compresses an image by;
    dilations: rates of the 3 x 3 convolutions of the last two stages. Raises ConfigurationError for an unknown name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _resnet(name, output_stride, batch_norm)
        if not batch_norm:
            _without_norms(network)
    _dilate(network, dilations)
    stem = nn.Sequential(network.conv1, network.bn1, network.act1, network.maxpool)
    stages = [nn.Sequential(stem, network.layer1), network.layer2, network.layer3, network.layer4]
    return stages, [info["num_chs"] for info in network.feature_info[-STAGES:]]


def strides_of(output_stride: int) -> list[int]:
    """What the maps after each of the four stages are smaller than the image by."""
    return [min(2 ** (stage + 2), output_stride) for stage in range(STAGES)]


class StagedMaps(nn.Module):
    """The maps after each of some stages, finest first."""

    def __init__(self, stages: list[nn.Module]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> a map (B, C, h, w) after each stage."""
        maps: list[Tensor] = []
        for stage in self.stages:
            maps.append(stage(maps[-1] if maps else images))
        return maps


def _resnet(name: str, stride: int, batch_norm: bool) -> ResNet:
    norm = nn.BatchNorm2d if batch_norm else nn.Identity
    if name == "resnet_tiny":
        return ResNet(
            BasicBlock, (1, 1, 1, 1), 0, output_stride=stride, channels=TINY, stem_width=16, norm_layer=norm
        )
    known = list(timm.list_models("resnet*"))
    if name not in known:
        near = difflib.get_close_matches(name, [*known, "resnet_tiny"], n=3)
        raise ConfigurationError(
            f"atdt.network.encoder is {name!r}, which is no ResNet of timm {timm.__version__}"
            + (f"; did you mean {', '.join(near)}?" if near else "; `resnet50` is the paper's.")
        )
    return timm.create_model(name, pretrained=False, num_classes=0, output_stride=stride, norm_layer=norm)


def _dilate(network: ResNet, rates: tuple[int, int]) -> None:
    """Set the rates of the 3 x 3 convolutions of the last two stages, whatever the stride."""
    for stage, rate in zip((network.layer3, network.layer4), rates, strict=True):
        for module in stage.modules():
            if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3):
                module.dilation = module.padding = (rate, rate)


def _without_norms(network: ResNet) -> None:
    """Convolutions get the bias that normalisation stood for; each block starts as the identity, so that it trains."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.bias is None:
            module.bias = nn.Parameter(torch.zeros(module.out_channels))
        if isinstance(module, BasicBlock | Bottleneck):
            last = module.conv3 if isinstance(module, Bottleneck) else module.conv2
            nn.init.zeros_(last.weight)
