"""Semantic segmentation: a linear classifier at each pixel, and mean IoU over classes (paper, section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.tasks.images import confusion_rows, per_image_sums
from transfer_atlas.tasks.pixelwise import PixelwiseHead, predicted_classes, upsample
from transfer_atlas.tasks.settings import EvaluationSettings


class ConfusionMatrix:
    """Pixels by class: rows what is annotated, columns what is predicted; ignored pixels left out."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.counts = torch.zeros(classes, classes, dtype=torch.int64)

    def update(self, annotated: Tensor, predicted: Tensor) -> Tensor:
        """Add masks of equal shape: annotated with ignored pixels, predicted in 0..K-1. Returns the added (K, K)."""
        kept = annotated < self.classes
        pairs = annotated[kept].long() * self.classes + predicted[kept].long()
        added = torch.bincount(pairs, minlength=self.classes**2)
        added = added.reshape(self.classes, self.classes).cpu()
        self.counts += added
        return added

    def intersection_over_union(self) -> Tensor:
        """IoU of each class (K,) float64; NaN for a class that is not annotated anywhere.

        A class that is predicted but never annotated has no IoU of its own; its wrong pixels
        count against the classes that are annotated there.
        """
        counts = self.counts.double()
        intersection = counts.diagonal()
        annotated = counts.sum(dim=1)
        union = annotated + counts.sum(dim=0) - intersection
        return torch.where(annotated > 0, intersection / union.clamp(min=1), torch.nan)

    def dice(self) -> Tensor:
        """Dice of each class (K,) float64, 2 |A and P| / (|A| + |P|) over all pixels; NaN as for IoU."""
        counts = self.counts.double()
        annotated, predicted = counts.sum(dim=1), counts.sum(dim=0)
        return torch.where(
            annotated > 0, 2 * counts.diagonal() / (annotated + predicted).clamp(min=1), torch.nan
        )

    def mean_over_annotated_or_predicted(self) -> float:
        """Mean IoU as mmsegmentation and torchmetrics count: a class that is only predicted has IoU 0."""
        counts = self.counts.double()
        intersection = counts.diagonal()
        union = counts.sum(dim=1) + counts.sum(dim=0) - intersection
        return (intersection[union > 0] / union[union > 0]).mean().item()


class SegmentationEvaluator:
    """Mean IoU over the classes annotated in the evaluation set, on complete images at their own size."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.matrix = ConfusionMatrix(len(names))
        self.images: list[tuple[str, Tensor, Tensor]] = []  # intersections (K,) and unions (K,)

    def update(self, outputs: Tensor, samples: Sequence[Sample], extents: Sequence[tuple[int, int]]) -> None:
        """outputs: logits (B, K, H/4, W/4) of the padded inputs."""
        for logits, sample, extent in zip(outputs, samples, extents, strict=True):
            classes = predicted_classes(logits, extent, tuple(sample.mask.shape))
            added = self.matrix.update(sample.mask.to(classes.device), classes)
            union = added.sum(dim=0) + added.sum(dim=1) - added.diagonal()
            self.images.append((sample.id, added.diagonal().clone(), union))

    def result(self) -> dict[str, Any]:
        """Mean IoU and Dice, both by class, pixel accuracy, and the classes absent from the evaluation set."""
        by_class, dice = self.matrix.intersection_over_union(), self.matrix.dice()
        present = ~by_class.isnan()
        if not present.any():
            raise LegitimateFailure(
                "no_class_present",
                f"none of the {len(self.names)} classes is annotated in the evaluation set; mean IoU is not defined",
            )
        counts = self.matrix.counts.double()
        return {
            "value": by_class[present].mean().item(),
            "mean_iou_with_predicted": self.matrix.mean_over_annotated_or_predicted(),
            "pixel_accuracy": (counts.diagonal().sum() / counts.sum()).item(),
            "per_class": self._named(by_class),
            "dice": dice[present].mean().item(),
            "dice_per_class": self._named(dice),
            "absent_classes": [
                name for name, is_here in zip(self.names, present.tolist(), strict=True) if not is_here
            ],
            "confusion": confusion_rows(self.names, self.matrix.counts),
        }

    def _named(self, values: Tensor) -> dict[str, float | None]:
        """Values (K,) by class; None for a class that is not annotated."""
        return {n: None if v.isnan() else v.item() for n, v in zip(self.names, values, strict=True)}

    def per_image(self) -> dict[str, list[Any]]:
        """Intersection and union of each image and class that is annotated somewhere in the evaluation set."""
        annotated = self.matrix.counts.sum(dim=1) > 0
        rows = [
            (image, self.names[part], above[part].item(), below[part].item())
            for image, above, below in self.images
            for part in torch.nonzero((below > 0) & annotated)[:, 0].tolist()
        ]
        return per_image_sums(*(zip(*rows, strict=True) if rows else ((), (), (), ())))


class Segmentation:
    """The task type."""

    name = "segmentation"
    metric = "mean_iou"
    higher_is_better = True

    def head(self, backbone: Backbone, description: DatasetDescription) -> PixelwiseHead:
        """A linear classifier at each pixel: (channels + 1) * classes parameters (Fig. 4a)."""
        return PixelwiseHead(backbone.widths, backbone.strides, len(description.segmentation.classes))

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """mask (B, H, W) uint8 or int64 as decoded, ignored pixels above every class: eight times less to allocate and
        to copy to a device than the int64 that the loss asks for.
        """
        return {"mask": torch.stack([sample.mask for sample in samples])}

    def counts(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """How many pixels are annotated."""
        return {"pixels": (targets["mask"] < outputs.shape[1]).sum().clamp(min=1)}

    def loss(
        self, outputs: Tensor, targets: dict[str, Tensor], counts: dict[str, Tensor] | None = None
    ) -> Tensor:
        """Cross entropy at each annotated pixel, averaged over them; zero if none is annotated."""
        mask = targets["mask"].long()  # (B, H, W)
        logits = upsample(outputs, mask.shape[1:])  # (B, K, H, W)
        annotated = mask < logits.shape[1]
        # A GPU adds up the losses of pixels in an order of chance within the kernel, outside of it always in the same.
        reduction = "none" if logits.is_cuda else "sum"
        losses = F.cross_entropy(logits, mask.where(annotated, -100), ignore_index=-100, reduction=reduction)
        return losses.sum() / (counts or self.counts(outputs, targets))["pixels"]

    def evaluator(
        self, description: DatasetDescription, settings: EvaluationSettings | None = None
    ) -> SegmentationEvaluator:
        """A fresh evaluator."""
        return SegmentationEvaluator(description.segmentation.classes)
