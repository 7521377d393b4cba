"""Objects of COCO's format: the annotations of one image as boxes, classes, crowds and keypoints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from transfer_atlas.datasets.adapters.box_files import BoxFiles, ClassNames, fit, points_inside
from transfer_atlas.datasets.adapters.coco_files import CocoFile
from transfer_atlas.datasets.adapters.keypoint_files import KeypointFiles
from transfer_atlas.datasets.adapters.masks import known_values
from transfer_atlas.datasets.prepared import Objects
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

LARGEST = 1e300  # whole numbers in JSON have no end


def are_numbers(values: Any) -> bool:
    """Whether this is a list of numbers that fit into a float."""
    return isinstance(values, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and not abs(value) > LARGEST
        for value in values
    )


class ObjectReader:
    """Turns the annotations of an image into its objects.

    keypoints, points: how keypoints are stored, and how many an object has; None for a dataset without.
    """

    def __init__(
        self,
        settings: BoxFiles,
        classes: list[str],
        keypoints: KeypointFiles | None,
        points: int | None,
        file: CocoFile,
        problems: Problems,
    ) -> None:
        self.settings, self.keypoints, self.file = settings, keypoints, file
        if file.is_panoptic:
            raise DatasetError(
                f"Dataset '{problems.dataset}': {file.name} is in COCO's panoptic format (its annotations have "
                "segments_info). Expected boxes: read it with the adapter coco_panoptic, or correct `annotations`."
            )
        self.names = file.category_names()
        self.classes = ClassNames(settings, classes)
        self.points = points
        self.elsewhere: dict[str, list[float]] | None = None

    def add_keypoints(self, file: CocoFile, problems: Problems) -> None:
        """Take the keypoints from a file of their own, whose annotations have the same ids."""
        self.elsewhere = {str(entry.get("id")): entry.get("keypoints", []) for entry in file.annotations}
        unknown = self.elsewhere.keys() - {str(entry.get("id")) for entry in self.file.annotations}
        if unknown:
            found = (
                f"{len(unknown)} annotation ids, such as {min(unknown, key=str)}, that {self.file.name} lacks"
            )
            problems.add(file.name, found, "the same ids in both", "Use files of the same release.")

    def read(
        self, annotations: list[dict[str, Any]], size: tuple[int, int], image: str, problems: Problems
    ) -> Objects | None:
        """Return the objects; None, and a problem, if one of them is not in order."""
        before, kept = len(problems.texts), []
        for annotation in annotations:
            where = f"{self.file.name}, annotation {annotation.get('id', 'without id')} of {image}"
            label = self._label(annotation, where, problems)
            box = None if label is None else self._box(annotation, size, where, problems)
            if box is not None:
                area = annotation.get("area")  # of the outline, where it is known
                area = (
                    area
                    if are_numbers([area]) and 0 < area < math.inf
                    else (box[2] - box[0]) * (box[3] - box[1])
                )
                points = None if self.points is None else self._keypoints(annotation, where, problems)
                crowd = self._crowd(annotation, where, problems)
                if points is not None:
                    shift = 0.5 if self.keypoints.coordinates == "indices" else 0.0
                    points = points_inside(points, size, self.settings, where, problems, shift)
                kept.append((box, label, crowd, float(area), points))
        if len(problems.texts) > before:
            return None
        boxes, labels, crowd, area, points = zip(*kept, strict=True) if kept else ((),) * 5
        return Objects(
            boxes=np.array(boxes, np.float32).reshape(-1, 4),
            labels=np.array(labels, np.int64),
            crowd=np.array(crowd, bool),
            area=np.array(area, np.float32),
            keypoints=None
            if self.points is None
            else np.array(points, np.float32).reshape(-1, self.points, 3),
        )

    def labelled(
        self, annotations: list[dict[str, Any]], image: str
    ) -> list[tuple[dict[str, Any], int, bool, str]]:
        """Annotations of a class with their class, whether they are crowds, and how messages call them.

        Those are meant that `read` has found in order.
        """
        found, unheard = [], Problems("")
        for annotation in annotations:
            where = f"{self.file.name}, annotation {annotation.get('id', 'without id')} of {image}"
            label = self._label(annotation, where, unheard)
            if label is not None:
                found.append((annotation, label, self._crowd(annotation, where, unheard), where))
        return found

    def _crowd(self, annotation: dict[str, Any], where: str, problems: Problems) -> bool:
        """Whether an annotation is of a crowd: 0 or 1, also as text or as truth value."""
        value = annotation.get("iscrowd")
        known = {None: False, 0: False, 1: True, "0": False, "1": True, "": False}
        if isinstance(value, (list, dict)) or value not in known:
            problems.add(where, f"iscrowd {value!r}", "0 or 1", "Correct the annotation.")
            return False
        return known[value]

    def _label(self, annotation: dict[str, Any], where: str, problems: Problems) -> int | None:
        identifier = annotation.get("category_id")
        if identifier not in self.names:
            known = known_values(self.names)
            remedy = "Add the category to `categories`, or correct the annotation."
            problems.add(where, f"category_id {identifier!r}", f"one of {known}", remedy)
            return None
        return self.classes.index(self.names[identifier], where, problems)

    def _box(
        self, annotation: dict[str, Any], size: tuple[int, int], where: str, problems: Problems
    ) -> tuple[float, float, float, float] | None:
        box = annotation.get("bbox")
        if not are_numbers(box) or len(box) != 4:
            expected = "bbox as four numbers: x, y, width, height"
            problems.add(where, f"bbox {str(box)[:60]}", expected, "Correct the annotation.")
            return None
        if not all(abs(value) < 1e9 for value in box):  # not a number included
            problems.add(where, f"bbox {str(box)[:60]}", "numbers of pixels", "Correct the annotation.")
            return None
        x, y, width, height = map(float, box)
        return fit((x, y, x + width, y + height), size, self.settings, where, problems)

    def _keypoints(self, annotation: dict[str, Any], where: str, problems: Problems) -> np.ndarray:
        """Keypoints (K, 3) float32; none annotated where the annotation holds none."""
        values = annotation.get("keypoints") or []
        if self.elsewhere is not None:
            values = self.elsewhere.get(str(annotation.get("id")), [])
        nothing = np.zeros((self.points, 3), np.float32)
        if not values:
            return nothing
        if not are_numbers(values) or len(values) != 3 * self.points:
            found = (
                f"{len(values)} numbers for keypoints"
                if are_numbers(values)
                else "keypoints that are no numbers"
            )
            expected = f"{3 * self.points}: x, y, visibility of each of {self.points}"
            problems.add(where, found, expected, "Correct the annotation, or `keypoints.names`.")
            return nothing
        values = [value if abs(value) < 1e9 else math.nan for value in values]
        points = np.array(values, np.float32).reshape(self.points, 3)
        if not np.isin(points[:, 2], (0, 1, 2)).all() or not np.isfinite(points).all():
            found = f"visibilities {sorted(set(points[:, 2].tolist()))}"
            problems.add(where, found, "0, 1 or 2, and finite x and y", "Correct the annotation.")
            return nothing
        if self.keypoints.coordinates == "indices":  # to the centres of the pixels that they name
            points[:, :2] += 0.5 * (points[:, 2:] > 0)
        return points
