"""Monocular depth: one regression layer with softplus, and the error of depth maps (paper, section 4.6)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.datasets.prepared import DatasetDescription, DepthDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.tasks.images import per_image_sums
from transfer_atlas.tasks.pixelwise import PixelwiseHead, to_own_size, upsample
from transfer_atlas.tasks.settings import EvaluationSettings


class DepthHead(PixelwiseHead):
    """Regression layer, then softplus: depth (B, 1, H/4, W/4), positive, in the dataset's unit (Fig. 7a).

    channels + 1 parameters, 721 for HRNetV2-W48. The softplus is in units of the geometric middle of the dataset's
    range, and begins at it: so metres and millimetres train alike, and far depths need no large activations, whose
    noise drives a softplus in metres so far below 0 that its gradient vanishes.
    """

    def __init__(self, widths: list[int], strides: list[int], depth: DepthDescription) -> None:
        super().__init__(widths, strides, outputs=1)
        self.middle = math.sqrt(max(depth.minimum, 1e-3 * depth.maximum) * depth.maximum)
        nn.init.constant_(self.classifier.bias, math.log(math.expm1(1)))  # softplus of it is 1

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Depth (B, 1, H/4, W/4)."""
        return self.middle * F.softplus(super().forward(branches))


def depth_errors(predicted: Tensor, annotated: Tensor) -> dict[str, float]:
    """Errors over valid pixels, both (N,) positive, in one unit; N at least 1. Computed in float64.

    rmse, and delta_1: the share of pixels with max(z/z*, z*/z) < 1.25 (paper, section 4.6); delta_2, delta_3 with
    1.25 squared and cubed, absolute_relative, squared_relative and rmse_log (Eigen et al. 2014, section 4.2);
    scale_invariant_rmse: the standard deviation of the logarithm of the ratio, which a common factor does not
    change (the same, section 3.2, with lambda 1).
    """
    z, truth = predicted.double(), annotated.double()
    ratio = torch.maximum(z / truth, truth / z)
    difference, logarithm = z - truth, z.log() - truth.log()
    return {
        "rmse": difference.square().mean().sqrt().item(),
        "delta_1": (ratio < 1.25).double().mean().item(),
        "delta_2": (ratio < 1.25**2).double().mean().item(),
        "delta_3": (ratio < 1.25**3).double().mean().item(),
        "absolute_relative": (difference.abs() / truth).mean().item(),
        "squared_relative": (difference.square() / truth).mean().item(),
        "rmse_log": logarithm.square().mean().sqrt().item(),
        "scale_invariant_rmse": logarithm.var(correction=0).sqrt().item(),
    }


class DepthEvaluator:
    """Errors of complete depth maps at their own size, averaged over the evaluated images (section 5.1).

    The primary metric is the RMSE, in the dataset's unit; where depth is known up to a factor only, the
    scale-invariant one. Predictions are clipped to the dataset's range, beyond which nothing is annotated.
    """

    def __init__(self, depth: DepthDescription) -> None:
        self.depth = depth
        self.errors: list[dict[str, float]] = []
        self.images: list[str] = []
        self.without_depth = 0

    def update(self, outputs: Tensor, samples: Sequence[Sample], extents: Sequence[tuple[int, int]]) -> None:
        """outputs: depth (B, 1, H/4, W/4) of the padded inputs."""
        for maps, sample, extent in zip(outputs, samples, extents, strict=True):
            valid = sample.depth > 0
            if not valid.any():
                self.without_depth += 1
                continue
            own = to_own_size(maps, extent, tuple(sample.depth.shape))[0].cpu()
            # a range that begins at 0 must not let a prediction become 0, whose logarithm is not finite
            clipped = own.clamp(max(self.depth.minimum, self.depth.step), self.depth.maximum)
            self.images.append(sample.id)
            self.errors.append(depth_errors(clipped[valid], sample.depth[valid]))

    def result(self) -> dict[str, Any]:
        """The primary metric and all errors, averaged over images; how many images had no valid depth."""
        if not self.errors:
            raise LegitimateFailure(
                "no_valid_depth", "no image of the evaluation set has a pixel of valid depth"
            )
        means = {
            name: math.fsum(error[name] for error in self.errors) / len(self.errors)
            for name in self.errors[0]
        }
        primary = self.primary
        return {
            "value": means[primary],
            "primary": primary,
            **means,
            "images_without_depth": self.without_depth,
        }

    @property
    def primary(self) -> str:
        """The error that counts in this dataset."""
        return "rmse" if self.depth.unit == "metre" else "scale_invariant_rmse"

    def per_image(self) -> dict[str, list[Any]]:
        """The primary error of each image, as a part of the mean over all."""
        values = [error[self.primary] for error in self.errors]
        return per_image_sums(self.images, ["all"] * len(values), values, [1] * len(values))


class Depth:
    """The task type."""

    name = "depth"
    metric = "rmse"
    higher_is_better = False

    def head(self, backbone: Backbone, description: DatasetDescription) -> DepthHead:
        """A random head for the dataset's range."""
        return DepthHead(backbone.widths, backbone.strides, description.depth)

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """depth (B, 1, H, W) float32, 0 where there is none."""
        return {"depth": torch.stack([sample.depth for sample in samples])[:, None]}

    def counts(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """How many pixels are known, and how many neighbours in x and in y both are."""
        masks = _known(targets["depth"] > 0)
        return {name: mask.sum().clamp(min=1) for name, mask in masks.items()}

    def loss(
        self, outputs: Tensor, targets: dict[str, Tensor], counts: dict[str, Tensor] | None = None
    ) -> Tensor:
        """L1 loss of the depth plus L1 losses of its derivatives in x and in y (section 4.6).

        Each is averaged over the pixels where it is known: a derivative where both neighbours are. Zero if none is.
        """
        annotated = targets["depth"]  # (B, 1, H, W)
        counts = counts or self.counts(outputs, targets)
        error = upsample(outputs, annotated.shape[2:]) - annotated
        # the difference of derivatives is the derivative of the difference
        values = {"pixels": error, "across": error.diff(dim=3), "along": error.diff(dim=2)}
        masks = _known(annotated > 0)
        return sum((values[name].abs() * mask).sum() / counts[name] for name, mask in masks.items())

    def evaluator(
        self, description: DatasetDescription, settings: EvaluationSettings | None = None
    ) -> DepthEvaluator:
        """A fresh evaluator; there is one way to score depth."""
        return DepthEvaluator(description.depth)


def _known(valid: Tensor) -> dict[str, Tensor]:
    """Where pixels (B, 1, H, W) are known, and where both neighbours in x, and both in y, are."""
    return {
        "pixels": valid,
        "across": valid[..., 1:] & valid[..., :-1],
        "along": valid[..., 1:, :] & valid[..., :-1, :],
    }
