"""Surface normals: a linear layer whose three outputs are made a unit vector, and the angle to the annotated normal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.tasks.images import per_image_sums
from transfer_atlas.tasks.pixelwise import PixelwiseHead, to_own_size, upsample
from transfer_atlas.tasks.settings import EvaluationSettings

# Degrees below which a normal counts as right (Fouhey et al. 2013, section 5; Eigen and Fergus 2015, table 3).
THRESHOLDS = (11.25, 22.5, 30.0)
BINS_OF_A_DEGREE = 100  # of the histogram of errors, which the median is read off


class NormalsHead(PixelwiseHead):
    """Three maps (B, 3, H/4, W/4) of any length; their direction is the normal. 3 (channels + 1) parameters."""

    def __init__(self, widths: list[int], strides: list[int]) -> None:
        super().__init__(widths, strides, outputs=3)
        with torch.no_grad():
            self.classifier.bias.copy_(torch.tensor([0.0, 0.0, -1.0]))  # a wall that faces the camera


def angular_errors(predicted: Tensor, annotated: Tensor) -> Tensor:
    """Angles (N,) in degrees, float64, between vectors (N, 3); those of no length are at right angles to all."""
    one, other = (F.normalize(vectors.double(), dim=1) for vectors in (predicted, annotated))
    return torch.rad2deg(torch.acos((one * other).sum(dim=1).clamp(-1, 1)))


class NormalsEvaluator:
    """Angular errors at the images' own size, over all annotated pixels of the evaluation set (Eigen and Fergus 2015).

    The primary metric is their mean, in degrees; beside it their median (to a hundredth of a degree) and the shares
    that lie below 11.25, 22.5 and 30 degrees.
    """

    def __init__(self) -> None:
        self.images: list[str] = []
        self.sums: list[float] = []
        self.counts: list[int] = []
        self.below = [0] * len(THRESHOLDS)
        self.histogram = torch.zeros(180 * BINS_OF_A_DEGREE + 1, dtype=torch.int64)
        self.without_normals = 0

    def update(self, outputs: Tensor, samples: Sequence[Sample], extents: Sequence[tuple[int, int]]) -> None:
        """outputs: maps (B, 3, H/4, W/4) of the padded inputs."""
        for maps, sample, extent in zip(outputs, samples, extents, strict=True):
            known = (sample.normals != 0).any(dim=0)
            if not known.any():
                self.without_normals += 1
                continue
            own = to_own_size(maps, extent, tuple(known.shape)).cpu()
            errors = angular_errors(own[:, known].T, sample.normals[:, known].T)
            self.images.append(sample.id)
            self.sums.append(errors.sum().item())
            self.counts.append(len(errors))
            self.below = [
                count + int((errors < threshold).sum())
                for count, threshold in zip(self.below, THRESHOLDS, strict=True)
            ]
            places = (errors * BINS_OF_A_DEGREE).long()
            self.histogram += torch.bincount(places, minlength=len(self.histogram))

    def result(self) -> dict[str, Any]:
        """The mean, the median and the shares below the thresholds; how many images had no normal."""
        total = sum(self.counts)
        if not total:
            raise LegitimateFailure(
                "no_valid_normals", "no image of the evaluation set has a pixel with a normal"
            )
        mean = sum(self.sums) / total
        middle = int(torch.searchsorted(self.histogram.cumsum(0), (total + 1) // 2))
        shares = {
            f"below_{threshold:g}".replace(".", "_"): count / total
            for threshold, count in zip(THRESHOLDS, self.below, strict=True)
        }
        return {
            "value": mean,
            "mean_angular_error": mean,
            "median_angular_error": (middle + 0.5) / BINS_OF_A_DEGREE,
            **shares,
            "images_without_normals": self.without_normals,
        }

    def per_image(self) -> dict[str, list[Any]]:
        """Sum and number of the errors of each image: the mean is the ratio of their sums."""
        return per_image_sums(self.images, ["all"] * len(self.images), self.sums, self.counts)


class Normals:
    """The task type."""

    name = "normals"
    metric = "mean_angular_error"
    higher_is_better = False

    def head(self, backbone: Backbone, description: DatasetDescription) -> nn.Module:
        """A random head."""
        return NormalsHead(backbone.widths, backbone.strides)

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """normals (B, 3, H, W) float32, 0 where there is none."""
        return {"normals": torch.stack([sample.normals for sample in samples])}

    def counts(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """How many pixels have a normal."""
        return {"pixels": _known(targets["normals"]).sum().clamp(min=1)}

    def loss(
        self, outputs: Tensor, targets: dict[str, Tensor], counts: dict[str, Tensor] | None = None
    ) -> Tensor:
        """1 - cosine of the angle to the annotated normal, averaged over the pixels that have one; 0 if none has.

        Eigen and Fergus (2015), section 4.2, have the product of the vectors as well.
        """
        annotated = targets["normals"]  # (B, 3, H, W)
        counts = counts or self.counts(outputs, targets)
        cosine = F.cosine_similarity(upsample(outputs, annotated.shape[2:]), annotated, dim=1)
        return ((1 - cosine) * _known(annotated)).sum() / counts["pixels"]

    def evaluator(
        self, description: DatasetDescription, settings: EvaluationSettings | None = None
    ) -> NormalsEvaluator:
        """A fresh evaluator; there is one way to score normals."""
        return NormalsEvaluator()


def _known(normals: Tensor) -> Tensor:
    """Where there is a normal (B, H, W), of normals (B, 3, H, W)."""
    return (normals != 0).any(dim=1)
