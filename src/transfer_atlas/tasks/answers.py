"""A model's answer for one image, in the image's own pixels; and what is annotated, in the same form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from torchvision.ops import batched_nms

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.tasks import detection, keypoints
from transfer_atlas.tasks.average_precision import to_image
from transfer_atlas.tasks.pixelwise import predicted_classes, to_own_size
from transfer_atlas.tasks.settings import EvaluationSettings

Size = tuple[int, int]


@dataclass(frozen=True)
class Answer:
    """What is said of an image of (height, width) `size`; None where the task type says nothing of the kind.

    mask (H, W) int64: a class at each pixel, at or above the number of classes where none is known; depth (H, W)
    float32 in the dataset's unit, 0 unknown; normals (H, W, 3) float32 of unit length, 0 unknown;
    boxes (N, 4) x_min, y_min, x_max, y_max, labels (N,) int64, scores (N,) highest first, keypoints (N, K, 3)
    x, y and whether it is known; probabilities (classes,) of the whole image.
    """

    size: Size
    mask: np.ndarray | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    boxes: np.ndarray | None = None
    labels: np.ndarray | None = None
    scores: np.ndarray | None = None
    keypoints: np.ndarray | None = None
    probabilities: np.ndarray | None = None

    def certain(self, least: float) -> Answer:
        """Without found objects whose score is lower."""
        if self.scores is None:
            return self
        kept = self.scores >= least
        points = None if self.keypoints is None else self.keypoints[kept]
        return Answer(
            self.size,
            boxes=self.boxes[kept],
            labels=self.labels[kept],
            scores=self.scores[kept],
            keypoints=points,
        )


def answers_of(
    task_type: str,
    outputs: Any,
    sizes: Sequence[Size],
    extents: Sequence[Size],
    description: DatasetDescription,
    scoring: EvaluationSettings | None = None,
) -> list[Answer]:
    """Answers for a batch: a head's outputs, the images' own sizes, and the part of the input that each fills."""
    if task_type == "segmentation":
        pairs = zip(outputs, extents, sizes, strict=True)
        return [Answer(s, mask=predicted_classes(logits, e, s).cpu().numpy()) for logits, e, s in pairs]
    if task_type == "depth":
        depth = description.depth
        least = max(depth.minimum, depth.step)
        return [
            Answer(s, depth=to_own_size(maps, e, s)[0].clamp(least, depth.maximum).cpu().numpy())
            for maps, e, s in zip(outputs, extents, sizes, strict=True)
        ]
    if task_type == "normals":
        pairs = zip(outputs, extents, sizes, strict=True)
        return [
            Answer(s, normals=F.normalize(to_own_size(maps, e, s), dim=0).permute(1, 2, 0).cpu().numpy())
            for maps, e, s in pairs
        ]
    if task_type == "classification":
        shares = outputs.float().softmax(dim=1).cpu().numpy()
        return [Answer(size, probabilities=row) for size, row in zip(sizes, shares, strict=True)]
    if task_type == "keypoints":
        return _with_keypoints(outputs, sizes, extents)
    return _boxes(outputs, sizes, extents, scoring or EvaluationSettings())


def _boxes(
    outputs: Any, sizes: Sequence[Size], extents: Sequence[Size], scoring: EvaluationSettings
) -> list[Answer]:
    found = []
    decoded = (each.cpu() for each in detection.decode(outputs, extents))
    for size, extent, boxes, labels, scores in zip(sizes, extents, *decoded, strict=True):
        kept = torch.nonzero(scores > 0)[:, 0]
        if scoring.nms is not None:
            kept = kept[batched_nms(boxes[kept], scores[kept], labels[kept], scoring.nms)]
        own = to_image(boxes[kept].numpy().reshape(-1, 2, 2), size, extent).reshape(-1, 4)
        found.append(Answer(size, boxes=own, labels=labels[kept].numpy(), scores=scores[kept].numpy()))
    return found


def _with_keypoints(outputs: Any, sizes: Sequence[Size], extents: Sequence[Size]) -> list[Answer]:
    found = []
    decoded = (each.cpu() for each in keypoints.decode(outputs, extents))
    for size, extent, boxes, points, scores in zip(sizes, extents, *decoded, strict=True):
        kept = scores > 0
        own = to_image(boxes[kept].numpy().reshape(-1, 2, 2), size, extent).reshape(-1, 4)
        placed = to_image(points[kept].numpy(), size, extent)
        placed = np.concatenate([placed, np.ones((*placed.shape[:2], 1))], axis=2)
        labels = np.zeros(len(own), np.int64)
        found.append(Answer(size, boxes=own, labels=labels, scores=scores[kept].numpy(), keypoints=placed))
    return found


def annotated_answer(sample: Sample, description: DatasetDescription) -> Answer:
    """What is annotated, crowds left out."""
    size = tuple(sample.image.shape[1:])
    if sample.objects is not None:
        own = ~sample.objects.crowd
        points = sample.objects.keypoints
        return Answer(
            size,
            boxes=sample.objects.boxes[own],
            labels=sample.objects.labels[own],
            scores=np.ones(own.sum(), np.float32),
            keypoints=None if points is None else points[own],
        )
    if sample.label is not None:
        shares = np.zeros(len(description.classification.classes), np.float32)
        shares[sample.label] = 1.0
        return Answer(size, probabilities=shares)
    mask = None if sample.mask is None else sample.mask.numpy().astype(np.int64)
    normals = None if sample.normals is None else sample.normals.permute(1, 2, 0).numpy()
    return Answer(
        size, mask=mask, depth=None if sample.depth is None else sample.depth.numpy(), normals=normals
    )
