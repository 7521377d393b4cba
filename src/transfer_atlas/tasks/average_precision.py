"""Average precision of boxes and of keypoints (OKS): by COCO's definition, computed by faster-coco-eval, and by that
of Pascal VOC.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from faster_coco_eval import COCO, COCOeval_faster

from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.tasks import matching

Measure = Literal["coco_map", "ap50", "voc_ap50"]
Interpolation = Literal["area", "eleven_points"]
SIZES = ("small", "medium", "large")  # below 32 x 32 and 96 x 96 pixels of the image, and above (COCO)


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
        self.rows: dict[str, list[Any]] = {n: [] for n in ("image", "part", "annotated", "scores", "matched")}
        self._voc: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {n: [] for n in range(len(self.names))}
        self._voc_objects = np.zeros(len(self.names), np.int64)

    def add(
        self,
        size: tuple[int, int],
        annotated: Objects,
        boxes: np.ndarray,
        labels: np.ndarray,
        scores: np.ndarray,
        keypoints: np.ndarray | None = None,
        name: str = "",
    ) -> None:
        """Add an image of (height, width): what is annotated, and found boxes (T, 4) as x_min, y_min, x_max, y_max,
        labels (T,), scores (T,) and keypoints (T, K, 2), all in pixels of the image; the name of the image.
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
        self._match(name, annotated, boxes, labels, scores, keypoints)

    def _match(
        self,
        name: str,
        annotated: Objects,
        boxes: np.ndarray,
        labels: np.ndarray,
        scores: np.ndarray,
        keypoints: np.ndarray | None,
    ) -> None:
        """Keep which finds of an image are right at 0.5, by COCO's rule, and for boxes by VOC's."""
        for label in sorted({*annotated.labels.tolist(), *labels.tolist()}):
            here = np.flatnonzero(annotated.labels == label)
            found = np.flatnonzero(labels == label)
            found = found[np.argsort(-scores[found], kind="stable")]
            crowd, asked = annotated.crowd[here], annotated.asked[here]
            own = boxes[found].astype(np.float64)
            if self.sigmas is None:
                similarity = matching.box_overlaps(own, annotated.boxes[here], crowd)
                overlaps = matching.box_overlaps(own, annotated.boxes[here])
                self._voc[label].append((scores[found], matching.match_voc(overlaps, crowd)))
                self._voc_objects[label] += int((~crowd).sum())
            else:
                similarity = matching.keypoint_similarities(
                    keypoints[found],
                    annotated.keypoints[here],
                    annotated.boxes[here],
                    annotated.area[here],
                    self.sigmas,
                )
            verdicts = matching.match_coco(similarity, ~asked, crowd)
            values = (name, self.names[label], int(asked.sum()), scores[found].tolist(), verdicts.tolist())
            for column, value in zip(self.rows.values(), values, strict=True):
                column.append(value)

    def per_image(self) -> dict[str, list[Any]]:
        """For each image and class: how many objects are annotated that count, and of the finds, highest first, their
        scores and whether they are right (1), wrong (0) or neither (-1) at an overlap, or OKS, of 0.5.
        """
        return self.rows

    def _of_voc(self, interpolation: Interpolation) -> dict[str, float]:
        """Average precision by class as VOC's devkit has it, of classes with an object that is not difficult."""
        found = {}
        for label, name in enumerate(self.names):
            if self._voc_objects[label]:
                parts = self._voc[label]
                scores, verdicts = (np.concatenate(each) for each in zip(*parts, strict=True))
                values = matching.average_precisions(scores, verdicts, int(self._voc_objects[label]))
                found[name] = values[interpolation]
        return found

    def result(self, measure: Measure, interpolation: Interpolation = "area") -> dict[str, Any]:
        """Mean over classes of the average precision: `value` and `per_class` as `measure` says.

        map: over the thresholds 0.5 to 0.95 of overlap (IoU or OKS); ap50: at 0.5; by_size: the first for small,
        medium and large objects, None where there are none; recall: the mean over thresholds of the share found.
        voc_ap50 (boxes): by the rules of VOC's devkit, where a difficult object forgives only what overlaps it by half,
        as the area under the curve and from 11 points; interpolation: which of both is the value if it is asked for.

        Raises LegitimateFailure if nothing is annotated that could be found.
        """
        evaluation = self._evaluation()
        # (thresholds, recalls, classes), all areas, the largest number of detections; -1 for absent classes
        whole = np.asarray(evaluation.eval["precision"])[..., -1]  # (thresholds, recalls, classes, areas)
        by_threshold = whole[:, :, :, 0].mean(axis=1)  # (thresholds, classes)
        present = by_threshold[0] >= 0
        if not present.any():
            raise LegitimateFailure(
                "no_class_present",
                "the evaluation set holds no object that could be found; average precision is not defined",
            )
        recall = np.asarray(evaluation.eval["recall"])[:, :, 0, -1]  # (thresholds, classes)
        areas = evaluation.params.areaRngLbl
        by_measure = {"coco_map": by_threshold.mean(axis=0), "ap50": by_threshold[0]}
        values = {
            "map": float(by_measure["coco_map"][present].mean()),
            "ap50": float(by_measure["ap50"][present].mean()),
            "by_size": {
                size: _mean_of_known(whole[:, :, :, areas.index(size)]) for size in SIZES if size in areas
            },
            "recall": float(recall[:, present].mean()),
        }
        of_voc: dict[str, float] = {}
        if self.sigmas is None:
            of_voc = self._of_voc(interpolation)
            values["voc_ap50"] = {
                way: float(np.mean(list(self._of_voc(way).values()))) for way in ("area", "eleven_points")
            }
        if measure == "voc_ap50":
            per_class = {name: of_voc.get(name) for name in self.names}
            value = values["voc_ap50"][interpolation]
        else:
            shares = by_measure[measure].tolist()
            per_class = {
                n: v if here else None
                for n, v, here in zip(self.names, shares, present.tolist(), strict=True)
            }
            value = float(by_measure[measure][present].mean())
        return {
            "primary": measure,
            "value": value,
            **values,
            "per_class": per_class,
            "absent_classes": [n for n, here in zip(self.names, present.tolist(), strict=True) if not here],
        }

    def _evaluation(self) -> COCOeval_faster:
        """COCO's evaluation of all that was added."""
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
        return evaluation


def _mean_of_known(precision: np.ndarray) -> float | None:
    """Mean of what is not -1; None where all is."""
    known = precision[precision >= 0]
    return float(known.mean()) if known.size else None


def _as_xywh(boxes: np.ndarray) -> list[list[float]]:
    """COCO's x, y, width, height of boxes (N, 4) given by their corners."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1).astype(np.float64).tolist()


def to_image(points: np.ndarray, size: tuple[int, int], extent: tuple[int, int]) -> np.ndarray:
    """Points (..., 2) x, y in pixels of the input -> of the image of `size`, which fills `extent` of the input.

    Both are (height, width).
    """
    return points * np.array([size[1] / extent[1], size[0] / extent[0]])
