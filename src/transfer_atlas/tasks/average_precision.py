"""Average precision of boxes and of keypoints (OKS) by the COCO definition, computed by faster-coco-eval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.errors import LegitimateFailure

Measure = Literal["coco_map", "ap50"]


class AveragePrecision:
    """Gathers annotated and found objects image by image, and evaluates them once.

    Crowds, and for keypoints objects without any annotated, are neither to be found nor false when they are.
    """

    def __init__(self, names: Sequence[str], sigmas: Sequence[float] | None = None) -> None:
        """names: of the classes; sigmas: of the keypoints, where keypoints and not boxes are compared."""
        self.names = list(names)
        self.sigmas = sigmas
        self.images: list[dict[str, Any]] = []
        self.annotated: list[dict[str, Any]] = []
        self.found: list[dict[str, Any]] = []

    def add(
        self,
        size: tuple[int, int],
        annotated: Objects,
        boxes: np.ndarray,
        labels: np.ndarray,
        scores: np.ndarray,
        keypoints: np.ndarray | None = None,
    ) -> None:
        """Add an image of (height, width): what is annotated, and found boxes (T, 4) as x_min, y_min, x_max, y_max,
        labels (T,), scores (T,) and keypoints (T, K, 2), all in pixels of the image.
        """
        image = len(self.images) + 1
        self.images.append({"id": image, "height": size[0], "width": size[1]})
        points = annotated.keypoints if self.sigmas is not None else None
        for index, box in enumerate(_as_xywh(annotated.boxes)):
            entry = {
                "id": len(self.annotated) + 1,
                "image_id": image,
                "category_id": int(annotated.labels[index]) + 1,
                "bbox": box,
                "area": float(annotated.area[index]),
                "iscrowd": int(annotated.crowd[index]),
            }
            if points is not None:
                entry["keypoints"] = points[index].ravel().tolist()
                entry["num_keypoints"] = int((points[index, :, 2] > 0).sum())
            self.annotated.append(entry)
        if keypoints is not None:
            seen = np.ones((*keypoints.shape[:2], 1), keypoints.dtype)
            triples = np.concatenate([keypoints, seen], axis=2)
            flat = triples.reshape(len(keypoints), 3 * keypoints.shape[1]).tolist()  # also of no find
        rows = zip(_as_xywh(boxes), labels.tolist(), scores.tolist(), strict=True)
        for index, (box, label, score) in enumerate(rows):
            entry = {"image_id": image, "category_id": label + 1, "score": score, "bbox": box}
            if keypoints is not None:
                entry["keypoints"] = flat[index]
            self.found.append(entry)

    def result(self, measure: Measure) -> dict[str, Any]:
        """Mean over classes of the average precision: `value` as `measure` says, `map` over the thresholds 0.5 to
        0.95 of overlap (IoU or OKS), `ap50` at 0.5, and by class.

        Raises LegitimateFailure if nothing is annotated that could be found.
        """
        categories = [{"id": index + 1, "name": name} for index, name in enumerate(self.names)]
        # keys that a dataset of COCO's has; nothing is read from `info`
        truth = COCO(
            {"info": {}, "images": self.images, "annotations": self.annotated, "categories": categories}
        )
        kind = "bbox" if self.sigmas is None else "keypoints"
        evaluation = COCOeval_faster(
            truth, truth.loadRes(self.found), iouType=kind, kpt_oks_sigmas=self.sigmas
        )
        evaluation.params.catIds = [category["id"] for category in categories]
        evaluation.evaluate()
        evaluation.accumulate()
        # (thresholds, recalls, classes), all areas, the largest number of detections; -1 for absent classes
        precision = np.asarray(evaluation.eval["precision"])[:, :, :, 0, -1]
        by_threshold = precision.mean(axis=1)  # (thresholds, classes)
        present = by_threshold[0] >= 0
        if not present.any():
            raise LegitimateFailure(
                "no_class_present",
                "the evaluation set holds no object that could be found; average precision is not defined",
            )
        by_measure = {"coco_map": by_threshold.mean(axis=0), "ap50": by_threshold[0]}
        per_class = zip(self.names, by_measure[measure].tolist(), present.tolist(), strict=True)
        return {
            "primary": measure,
            "value": float(by_measure[measure][present].mean()),
            "map": float(by_measure["coco_map"][present].mean()),
            "ap50": float(by_measure["ap50"][present].mean()),
            "per_class": {name: value if here else None for name, value, here in per_class},
            "absent_classes": [n for n, here in zip(self.names, present.tolist(), strict=True) if not here],
        }


def _as_xywh(boxes: np.ndarray) -> list[list[float]]:
    """COCO's x, y, width, height of boxes (N, 4) given by their corners."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64).tolist()


def to_image(points: np.ndarray, size: tuple[int, int], extent: tuple[int, int]) -> np.ndarray:
    """Points (..., 2) x, y in pixels of the input -> of the image of `size`, which fills `extent` of the input.

    Both are (height, width).
    """
    return points * np.array([size[1] / extent[1], size[0] / extent[0]])
