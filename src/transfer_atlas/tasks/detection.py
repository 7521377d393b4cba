"""Object detection: CenterNet heads on a neck, and average precision of boxes (paper, section 4.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import batched_nms

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.models.projection import Projection
from transfer_atlas.tasks import centre_points
from transfer_atlas.tasks.average_precision import AveragePrecision, to_image
from transfer_atlas.tasks.settings import EvaluationSettings

MOST_OBJECTS = 128  # trained on in an image, as in Objects as Points; the smallest beyond it are ignored
MOST_FOUND = 100  # peaks that become boxes (paper, section 4.4; also what COCO's evaluation looks at)


class DetectionHead(nn.Module):
    """Neck (1x1, 3x3 convolution, batch normalisation, ReLU) and three prediction maps (paper, Fig. 5a).

    branches [(B, C_i, h_i, w_i)], finest first -> heat (B, K, H/4, W/4) logits, offset and size (B, 2, H/4, W/4).

    The paper does not say how wide the neck is. 192 channels between its two convolutions and 256 after it (for
    HRNetV2-W48) give Table 2's 2.4 million parameters; 256 and 256 would give 2.6.
    """

    reads_branches = True

    def __init__(self, widths: list[int], strides: list[int], classes: int) -> None:
        super().__init__()
        hidden = centre_points.hidden_width(sum(widths))
        narrow = hidden * 3 // 4
        self.project = Projection(widths, strides, narrow)
        self.neck = nn.Sequential(
            nn.Conv2d(narrow, hidden, 3, padding=1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU(inplace=True)
        )
        self.maps = centre_points.PredictionMaps(hidden, hidden, {"heat": classes, "offset": 2, "size": 2})

    def forward(self, branches: list[Tensor]) -> dict[str, Tensor]:
        """The three maps by name."""
        return self.maps(self.neck(self.project(branches)))


def decode(outputs: dict[str, Tensor], extents: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """The highest peaks as boxes (B, T, 4) in pixels of the input, labels (B, T) int64, and scores (B, T).

    Boxes are clipped to the part of the input that each image fills, `extents` (height, width).
    """
    heat = centre_points.inside_extents(outputs["heat"].float().sigmoid(), extents)
    scores, labels, cells = centre_points.find_objects(heat, MOST_FOUND)
    boxes = centre_points.boxes_at(outputs, cells).clamp(min=0)
    limits = torch.tensor([(width, height) * 2 for height, width in extents], device=boxes.device)
    return torch.minimum(boxes, limits[:, None]), labels, scores


class DetectionEvaluator:
    """Average precision of boxes, on complete images, in their own pixels."""

    def __init__(self, names: list[str], settings: EvaluationSettings) -> None:
        self.settings = settings
        self.precision = AveragePrecision(names)

    def update(
        self, outputs: dict[str, Tensor], samples: Sequence[Sample], extents: Sequence[tuple[int, int]]
    ) -> None:
        """outputs: the maps of the padded inputs."""
        for sample, extent, boxes, labels, scores in zip(
            samples, extents, *(each.cpu() for each in decode(outputs, extents)), strict=True
        ):
            kept = torch.nonzero(scores > 0)[:, 0]
            if self.settings.nms is not None:
                kept = kept[batched_nms(boxes[kept], scores[kept], labels[kept], self.settings.nms)]
            size = tuple(sample.image.shape[1:])
            own = to_image(boxes[kept].numpy().reshape(-1, 2, 2), size, extent).reshape(-1, 4)
            self.precision.add(
                size, sample.objects, own, labels[kept].numpy(), scores[kept].numpy(), name=sample.id
            )

    def result(self) -> dict[str, Any]:
        """Average precision: the measure asked for, over all thresholds, at 0.5, and by class."""
        return self.precision.result(self.settings.measure, self.settings.interpolation)

    def per_image(self) -> dict[str, list[Any]]:
        """See `AveragePrecision.per_image`."""
        return self.precision.per_image()


class Detection:
    """The task type."""

    name = "detection"
    metric = "coco_map"
    higher_is_better = True

    def head(self, backbone: Backbone, description: DatasetDescription) -> DetectionHead:
        """A random head for the dataset's classes."""
        return DetectionHead(backbone.widths, backbone.strides, len(description.detection.classes))

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """Tables of the objects, and ignored cells: see `centre_points.tabulate`."""
        table, _, ignored = centre_points.tabulate(samples, MOST_OBJECTS)
        return {name: torch.from_numpy(values) for name, values in (table | {"ignored": ignored}).items()}

    def counts(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """How many peaks the objects make, and how many numbers of offset or size they ask for."""
        cells = centre_points.cells_of(targets["centre"], tuple(outputs["heat"].shape[2:]))
        peaks = centre_points.count_peaks(cells, targets["label"], targets["present"])
        return {"peaks": peaks, "boxes": (2 * targets["present"].sum()).clamp(min=1)}

    def loss(
        self,
        outputs: dict[str, Tensor],
        targets: dict[str, Tensor],
        counts: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Focal loss of the heat maps, L1 of offset and size at annotated centres (paper, L1 to L3)."""
        classes, size = outputs["heat"].shape[1], tuple(outputs["heat"].shape[2:])
        cells = centre_points.cells_of(targets["centre"], size)
        radius = centre_points.gaussian_radius(targets["size"])
        drawn = centre_points.draw_gaussians(cells, radius, targets["present"], size)
        heat = centre_points.merge_by_class(drawn, targets["label"], classes)
        counts = counts or self.counts(outputs, targets)
        peaks = centre_points.focal_loss(outputs["heat"], heat, targets["ignored"], counts["peaks"])
        return peaks + centre_points.box_losses(outputs, targets, cells, counts["boxes"])

    def evaluator(
        self, description: DatasetDescription, settings: EvaluationSettings | None = None
    ) -> DetectionEvaluator:
        """A fresh evaluator."""
        return DetectionEvaluator(description.detection.classes, settings or EvaluationSettings())
