"""Keypoint detection: six CenterNet maps without neck, and average precision at 0.5 OKS (paper, section 4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import STRIDE, Backbone
from transfer_atlas.tasks import centre_points
from transfer_atlas.tasks.average_precision import AveragePrecision, to_image
from transfer_atlas.tasks.settings import EvaluationSettings

MOST_OBJECTS = 32  # trained on in an image, as in Objects as Points; the smallest beyond it are ignored
MOST_FOUND = 20  # objects of an image that COCO's evaluation of keypoints looks at
# Candidates of each keypoint, the least probability of one, and how far it may be from where the object expects it, in
# parts of the longer side of the object's box: those of Objects as Points' released code.
CANDIDATES, LEAST_PROBABILITY, FARTHEST = 100, 0.1, 0.3


class KeypointsHead(nn.Module):
    """Six prediction maps on the joined representation (paper, Fig. 6a).

    features (B, channels, H/4, W/4) -> heat (B, 1, ...) logits of centres; offset and size (B, 2, ...);
    heat_keypoints (B, K, ...) logits; keypoint_offset (B, 2, ...); displacement (B, 2K, ...) from a centre's cell to
    each keypoint, in cells, x before y.

    With 256 channels inside each map, as in Objects as Points, this has 10.1 million parameters for 17 keypoints on
    HRNetV2-W48's 720 channels (Table 2: 10 million).
    """

    reads_branches = False

    def __init__(self, channels: int, keypoints: int) -> None:
        super().__init__()
        outputs = {
            "heat": 1,
            "offset": 2,
            "size": 2,
            "heat_keypoints": keypoints,
            "keypoint_offset": 2,
            "displacement": 2 * keypoints,
        }
        self.maps = centre_points.PredictionMaps(channels, centre_points.hidden_width(channels), outputs)

    def forward(self, features: Tensor) -> dict[str, Tensor]:
        """The six maps by name."""
        return self.maps(features)


def decode(outputs: dict[str, Tensor], extents: Sequence[tuple[int, int]]) -> tuple[Tensor, Tensor, Tensor]:
    """The highest centres: boxes (B, T, 4) and keypoints (B, T, K, 2) in pixels of the input, and scores (B, T).

    A keypoint is the candidate inside the object's box that is nearest to where the object expects it; where no
    candidate is near enough, it is where it is expected.
    """
    heat = centre_points.inside_extents(outputs["heat"].float().sigmoid(), extents)
    scores, _, cells = centre_points.find_objects(heat, MOST_FOUND)
    boxes = centre_points.boxes_at(outputs, cells)
    expected = (
        centre_points.gather_at(outputs["displacement"], cells).unflatten(2, (-1, 2)) + cells[:, :, None]
    )

    heat = centre_points.inside_extents(outputs["heat_keypoints"].float().sigmoid(), extents)
    certainty, peaks = centre_points.find_peaks(heat, CANDIDATES)  # (B, K, C), (B, K, C, 2)
    offsets = centre_points.gather_at(outputs["keypoint_offset"], peaks.flatten(1, 2))
    candidates = peaks + offsets.view(peaks.shape)

    low, high = (boxes / STRIDE)[:, :, None, None].split(2, dim=-1)  # (B, T, 1, 1, 2)
    candidates = candidates[:, None]  # (B, 1, K, C, 2)
    distance = (candidates - expected[:, :, :, None]).norm(dim=-1)  # (B, T, K, C)
    near = distance <= FARTHEST * (high - low).amax(dim=-1)
    inside = ((candidates >= low) & (candidates <= high)).all(dim=-1)
    allowed = near & inside & (certainty > LEAST_PROBABILITY)[:, None]
    nearest, index = torch.where(allowed, distance, torch.inf).min(dim=-1, keepdim=True)  # (B, T, K, 1)
    picked = candidates.expand(*distance.shape, 2).gather(3, index[..., None].expand(*index.shape, 2))[
        :, :, :, 0
    ]
    return boxes, torch.where(nearest.isfinite(), picked, expected) * STRIDE, scores


class KeypointsEvaluator:
    """Average precision at 0.5 OKS, on complete images, in their own pixels."""

    def __init__(self, sigmas: Sequence[float]) -> None:
        self.precision = AveragePrecision(["object"], sigmas)

    def update(
        self, outputs: dict[str, Tensor], samples: Sequence[Sample], extents: Sequence[tuple[int, int]]
    ) -> None:
        """outputs: the maps of the padded inputs."""
        decoded = [each.cpu() for each in decode(outputs, extents)]
        if not all(bool(torch.isfinite(each).all()) for each in decoded):
            raise LegitimateFailure("diverged", "found objects or keypoints are not finite")
        for sample, extent, boxes, keypoints, scores in zip(samples, extents, *decoded, strict=True):
            kept, size = scores > 0, tuple(sample.image.shape[1:])
            own = to_image(boxes[kept].numpy().reshape(-1, 2, 2), size, extent).reshape(-1, 4)
            points = to_image(keypoints[kept].numpy(), size, extent)
            labels = torch.zeros(len(own), dtype=torch.int64).numpy()
            self.precision.add(
                size, sample.objects, own, labels, scores[kept].numpy(), points, name=sample.id
            )

    def result(self) -> dict[str, Any]:
        """Average precision at 0.5 OKS, and over all thresholds."""
        return {
            n: v for n, v in self.precision.result("ap50").items() if n not in ("per_class", "absent_classes")
        }

    def per_image(self) -> dict[str, list[Any]]:
        """See `AveragePrecision.per_image`."""
        return self.precision.per_image()


class Keypoints:
    """The task type."""

    name = "keypoints"
    metric = "ap50"
    higher_is_better = True

    def head(self, backbone: Backbone, description: DatasetDescription) -> KeypointsHead:
        """A random head for the dataset's keypoints."""
        return KeypointsHead(backbone.channels, len(description.keypoints.names))

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """Tables of the objects and ignored cells (see `centre_points.tabulate`), and of their keypoints:
        keypoints (B, M, K, 2) float32 in cells, annotated (B, M, K) bool.
        """
        table, rows, ignored = centre_points.tabulate(samples, MOST_OBJECTS)
        count = samples[0].objects.keypoints.shape[1]
        points = torch.zeros(len(samples), MOST_OBJECTS, count, 3)
        for number, (sample, chosen) in enumerate(zip(samples, rows, strict=True)):
            points[number, : len(chosen)] = torch.from_numpy(sample.objects.keypoints[chosen])
        targets = {name: torch.from_numpy(values) for name, values in (table | {"ignored": ignored}).items()}
        return targets | {"keypoints": points[..., :2] / STRIDE, "annotated": points[..., 2] > 0}

    def counts(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """How many peaks objects and keypoints make, and how many numbers they ask for."""
        size, annotated = tuple(outputs["heat"].shape[2:]), targets["annotated"]
        centres = centre_points.cells_of(targets["centre"], size)
        cells = centre_points.cells_of(targets["keypoints"], size)
        kind = torch.arange(annotated.shape[2], device=annotated.device).expand(annotated.shape)
        return {
            "peaks": centre_points.count_peaks(centres, targets["label"], targets["present"]),
            "keypoint_peaks": centre_points.count_peaks(
                cells.flatten(1, 2), kind.flatten(1), annotated.flatten(1)
            ),
            "boxes": (2 * targets["present"].sum()).clamp(min=1),
            "points": (2 * annotated.sum()).clamp(min=1),
        }

    def loss(
        self,
        outputs: dict[str, Tensor],
        targets: dict[str, Tensor],
        counts: dict[str, Tensor] | None = None,
    ) -> Tensor:
        """Focal losses of centres and keypoints, L1 of offsets, sizes and displacements (paper, L1 to L6)."""
        points, annotated = targets["keypoints"], targets["annotated"]  # (B, M, K, 2), (B, M, K)
        size = tuple(outputs["heat"].shape[2:])
        centres = centre_points.cells_of(targets["centre"], size)
        cells = centre_points.cells_of(points, size)
        radius = centre_points.gaussian_radius(targets["size"])
        heat = centre_points.draw_gaussians(centres, radius, targets["present"], size).amax(
            dim=1, keepdim=True
        )
        radius = radius[..., None].expand(annotated.shape)
        drawn = centre_points.draw_gaussians(
            cells.flatten(1, 2), radius.flatten(1), annotated.flatten(1), size
        )
        heat_keypoints = drawn.unflatten(1, annotated.shape[1:]).amax(dim=1)
        ignored = targets["ignored"]
        counts = counts or self.counts(outputs, targets)
        return (
            centre_points.focal_loss(outputs["heat"], heat, ignored, counts["peaks"])
            + centre_points.box_losses(outputs, targets, centres, counts["boxes"])
            + centre_points.focal_loss(
                outputs["heat_keypoints"], heat_keypoints, ignored, counts["keypoint_peaks"]
            )
            + centre_points.l1_loss_at(
                outputs["keypoint_offset"],
                cells.flatten(1, 2),
                (points - cells).flatten(1, 2),
                annotated.flatten(1)[..., None],
                counts["points"],
            )
            + centre_points.l1_loss_at(
                outputs["displacement"],
                centres,
                (points - centres[:, :, None]).flatten(2),
                annotated[..., None].expand(points.shape).flatten(2),
                counts["points"],
            )
        )

    def evaluator(
        self, description: DatasetDescription, settings: EvaluationSettings | None = None
    ) -> KeypointsEvaluator:
        """A fresh evaluator."""
        return KeypointsEvaluator(description.keypoints.sigmas)
