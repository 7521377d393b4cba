"""Image classification: HRNet's classification head and top-1 accuracy (paper, section 4.2, Fig. 3a)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from timm.models.resnet import Bottleneck
from torch import Tensor, nn
from torch.nn import functional as F

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.tasks.images import confusion_rows, per_image_sums
from transfer_atlas.tasks.settings import EvaluationSettings


class ClassificationHead(nn.Module):
    """More channels, less resolution, average pooling, linear classifier (paper, Fig. 3a, after HRNet).

    Each branch goes through a bottleneck unit to `widths`; from the finest on, strided convolutions bring
    them to the coarsest branch's resolution, where they are summed.
    branches [(B, C_i, h_i, w_i)], finest first -> logits (B, K).

    For HRNetV2-W48 the widths are HRNet's 128, 256, 512, 1024 and 2048 before pooling; a smaller backbone
    gets widths in proportion, so that the head does not dwarf the network it trains.
    """

    reads_branches = True

    def __init__(self, branch_widths: list[int], strides: list[int], classes: int) -> None:
        super().__init__()
        largest = 1024 if branch_widths[-1] >= 128 else 4 * branch_widths[-1]
        count = len(branch_widths)
        widths = [max(16, largest // 2 ** (count - 1 - index)) for index in range(count)]
        self.increase = nn.ModuleList(
            _bottleneck(branch, width) for branch, width in zip(branch_widths, widths, strict=True)
        )
        self.reduce = nn.ModuleList(
            _convolution(widths[index], widths[index + 1], 3, strides[index + 1] // strides[index])
            for index in range(count - 1)
        )
        self.final = _convolution(widths[-1], 2 * widths[-1], 1, 1)
        self.classifier = nn.Linear(2 * widths[-1], classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Logits (B, K)."""
        joined = self.increase[0](branches[0])
        for index, reduce in enumerate(self.reduce):
            joined = reduce(joined) + self.increase[index + 1](branches[index + 1])
        return self.classifier(self.final(joined).mean(dim=(2, 3)))


class LinearHead(nn.Module):
    """The last branch averaged over the image, and one linear layer: the usual head of classification networks.

    branches [(B, C_i, h_i, w_i)], finest first -> logits (B, K).
    """

    reads_branches = True

    def __init__(self, branch_widths: list[int], strides: list[int], classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(branch_widths[-1], classes)
        nn.init.normal_(self.classifier.weight, std=0.01)
        nn.init.zeros_(self.classifier.bias)

    def forward(self, branches: list[Tensor]) -> Tensor:
        """Logits (B, K)."""
        return self.classifier(branches[-1].mean(dim=(2, 3)))


def _bottleneck(inputs: int, outputs: int) -> nn.Module:
    shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
    return Bottleneck(inputs, outputs // 4, downsample=shortcut)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Module:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=kernel // 2)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class ClassificationEvaluator:
    """Top-1 accuracy."""

    def __init__(self, names: list[str]) -> None:
        self.names = names
        self.correct = torch.zeros(len(names), dtype=torch.int64)
        self.count = torch.zeros(len(names), dtype=torch.int64)
        self.confusion = torch.zeros(len(names), len(names), dtype=torch.int64)
        self.images: list[tuple[str, bool]] = []

    def update(self, outputs: Tensor, samples: Sequence[Sample], extents: Sequence[tuple[int, int]]) -> None:
        """outputs: logits (B, K)."""
        labels = torch.tensor([sample.label for sample in samples])
        predicted = outputs.argmax(dim=1).cpu()
        hits = predicted == labels
        pairs = torch.bincount(labels * len(self.names) + predicted, minlength=len(self.names) ** 2)
        self.confusion += pairs.view_as(self.confusion)
        self.images += [(sample.id, hit) for sample, hit in zip(samples, hits.tolist(), strict=True)]
        self.count += torch.bincount(labels, minlength=len(self.names))
        self.correct += torch.bincount(labels[hits], minlength=len(self.names))

    def result(self) -> dict[str, Any]:
        """Top-1 accuracy over images, and by class."""
        if not self.count.sum():
            raise LegitimateFailure("no_class_present", "the evaluation set holds no labelled image")
        shares = (self.correct.double() / self.count.clamp(min=1)).tolist()
        counts = self.count.tolist()
        return {
            "value": (self.correct.sum().double() / self.count.sum()).item(),
            "per_class": {n: s if c else None for n, s, c in zip(self.names, shares, counts, strict=True)},
            "absent_classes": [name for name, count in zip(self.names, counts, strict=True) if not count],
            "confusion": confusion_rows(self.names, self.confusion),
        }

    def per_image(self) -> dict[str, list[Any]]:
        """Whether each image's label is right, as a part of the accuracy over all."""
        names, hits = zip(*self.images, strict=True) if self.images else ((), ())
        return per_image_sums(names, ["all"] * len(names), hits, [1] * len(names))


class Classification:
    """The task type."""

    name = "classification"
    metric = "top1_accuracy"
    higher_is_better = True

    def head(self, backbone: Backbone, description: DatasetDescription) -> nn.Module:
        """A random head for the dataset's classes."""
        kind = LinearHead if backbone.linear else ClassificationHead
        return kind(backbone.widths, backbone.strides, len(description.classification.classes))

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """label (B,) int64."""
        return {"label": torch.tensor([sample.label for sample in samples])}

    def counts(self, outputs: Tensor, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """How many images there are."""
        return {"images": torch.tensor(len(targets["label"]), device=outputs.device)}

    def loss(
        self, outputs: Tensor, targets: dict[str, Tensor], counts: dict[str, Tensor] | None = None
    ) -> Tensor:
        """Cross entropy."""
        if counts is None:
            return F.cross_entropy(outputs.float(), targets["label"])
        return F.cross_entropy(outputs.float(), targets["label"], reduction="sum") / counts["images"]

    def evaluator(
        self, description: DatasetDescription, settings: EvaluationSettings | None = None
    ) -> ClassificationEvaluator:
        """A fresh evaluator."""
        return ClassificationEvaluator(description.classification.classes)
