"""Task networks: a dilated ResNet (or an HRNet) in stages that can be split, and a decoder of convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from transfer_atlas.atdt.settings import LEVELS, NetworkSettings
from transfer_atlas.models.backbone import BATCH_NORM_MOMENTUM, STRIDE, build_backbone
from transfer_atlas.models.dilated_resnet import dilated_resnet
from transfer_atlas.models.upsampling import resize


class Encoder(nn.Module):
    """Stages of a network, each (B, C, h, w) -> (B, C', h', w'); the first takes whitened images (B, 3, H, W)."""

    def __init__(self, stages: list[nn.Module], channels: list[int], stride: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.channels = channels
        self.stride = stride

    def until(self, images: Tensor, level: int) -> Tensor:
        """Features after `level` of LEVELS stages; of an HRNet there are the deepest alone."""
        for stage in self.stages[: self._at(level)]:
            images = stage(images)
        return images

    def after(self, features: Tensor, level: int) -> Tensor:
        """The deepest features (B, C, h, w) from those after `level` stages."""
        for stage in self.stages[self._at(level) :]:
            features = stage(features)
        return features

    def channels_at(self, level: int) -> int:
        """Channels of the features after `level` stages."""
        return self.channels[self._at(level) - 1]

    def _at(self, level: int) -> int:
        return len(self.stages) - (LEVELS - level)


class Decoder(nn.Module):
    """Deepest features -> maps (B, K, H/4, W/4): bilinear upsampling by two and a 3 x 3 convolution until stride 4.

    Supplement, section 2: three times an upsampler and a convolution. The last of three here is the prediction at
    stride 4, which loss and evaluation upsample to the pixels.
    """

    def __init__(self, channels: int, stride: int, width: int, outputs: int, batch_norm: bool) -> None:
        super().__init__()
        steps = max(1, (stride // STRIDE).bit_length() - 1)
        self.upsamples = stride > STRIDE
        self.blocks = nn.ModuleList()
        for number in range(steps):
            wide = max(4, width >> number)
            norm: list[nn.Module] = [nn.BatchNorm2d(wide)] if batch_norm else []
            convolution = nn.Conv2d(channels, wide, 3, padding=1, bias=not batch_norm)
            self.blocks.append(nn.Sequential(convolution, *norm, nn.ReLU(inplace=True)))
            channels = wide
        self.prediction = nn.Conv2d(channels, outputs, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        """Maps at stride 4."""
        for block in self.blocks:
            if self.upsamples:
                features = resize(features, (2 * features.shape[2], 2 * features.shape[3]))
            features = block(features)
        return self.prediction(features)


class HrnetStage(nn.Module):
    """HRNetV2's joined representation as the one stage of an encoder."""

    def __init__(self, name: str, seed: int) -> None:
        super().__init__()
        self.backbone = build_backbone(name, seed=seed)

    def forward(self, images: Tensor) -> Tensor:
        """Features (B, 15 C, H/4, W/4)."""
        return self.backbone(images)


def build_encoder(settings: NetworkSettings, *, seed: int) -> Encoder:
    """An encoder with random weights drawn from `seed`. Raises ConfigurationError for an unknown name."""
    if settings.is_hrnet:
        stage = HrnetStage(settings.encoder, seed)
        return Encoder([stage], [stage.backbone.channels], STRIDE)
    stages, channels = dilated_resnet(
        settings.encoder, settings.output_stride, settings.dilations, settings.batch_norm, seed=seed
    )
    for module in (each for stage in stages for each in stage.modules()):
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
    return Encoder(stages, channels, settings.output_stride)


def build_decoder(settings: NetworkSettings, encoder: Encoder, outputs: int, *, seed: int) -> Decoder:
    """A decoder with random weights drawn from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Decoder(
            encoder.channels[-1], encoder.stride, settings.decoder_channels, outputs, settings.batch_norm
        )
