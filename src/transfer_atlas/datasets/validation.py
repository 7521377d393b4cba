"""Checks a record against the description of its dataset before it is written."""

from __future__ import annotations

import numpy as np
from PIL import Image, UnidentifiedImageError

from transfer_atlas.datasets import encoding
from transfer_atlas.datasets.prepared import DatasetDescription, Entry, Record
from transfer_atlas.datasets.problems import Problems


def check_description(description: DatasetDescription, problems: Problems) -> None:
    """Check that the lists in the description fit one another."""
    where = "description"
    kinds = (
        description.segmentation,
        description.detection,
        description.keypoints,
        description.depth,
        description.normals,
        description.classification,
    )
    if not any(kinds):
        problems.add(where, "no task type", "at least one", "Describe what is annotated.")
    segmentation, keypoints, depth = description.segmentation, description.keypoints, description.depth
    if segmentation and len(segmentation.colours) != len(segmentation.classes):
        found = f"{len(segmentation.colours)} colours for {len(segmentation.classes)} classes"
        problems.add(where, found, "as many", "Give each class one colour.")
    for described in (segmentation, description.detection, description.classification):
        if described and len(set(described.classes)) != len(described.classes):
            problems.add(where, "a class named twice", "distinct class names", "Rename or merge them.")
    if keypoints:
        number = len(keypoints.names)
        if sorted(keypoints.flips) != list(range(number)) or len(keypoints.sigmas) != number:
            found = f"{len(keypoints.flips)} flips and {len(keypoints.sigmas)} sigmas for {number} keypoints"
            problems.add(where, found, "one of each per keypoint, flips a permutation", "Correct the lists.")
        known = description.detection.classes if description.detection else []
        unknown = [name for name in keypoints.classes if name not in known]
        if unknown:
            problems.add(where, f"keypoints of {unknown}", f"classes of detection ({known})", "Correct them.")
    if description.normals and description.normals.intrinsics and depth is None:
        found = "a camera's intrinsics and no depth"
        problems.add(where, found, "depth, of which normals are derived", "Describe the depth.")
    if depth and not 0 <= depth.minimum < depth.maximum <= 65535.5 * depth.step:
        found = f"depth {depth.minimum} to {depth.maximum} in steps of {depth.step}"
        problems.add(where, found, "0 <= minimum < maximum <= 65535 steps", "Use a larger scale.")


def check_once(listed: Entry | Record, identifiers: set[str], problems: Problems) -> None:
    """Check that an image's id is not among those of the images before it, and add it to them."""
    if listed.id in identifiers:
        found = f"this id occurs twice (again in split {listed.split})"
        problems.add(listed.id, found, "once", "Give each image its own id, in one split only.")
    identifiers.add(listed.id)


def opened_image(
    record: Record, problems: Problems, largest: float = encoding.LARGEST_MEGAPIXELS
) -> tuple[bytes, Image.Image] | None:
    """Bytes to store and decoded image in mode RGB; None, and a problem, if the image cannot be decoded.

    largest: megapixels.
    """
    try:
        return encoding.open_image(record.image, largest)
    except encoding.DECODING_ERRORS as error:
        # Pillow names the buffer it read from, which tells nobody anything
        found = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
        remedy = "Fetch the file anew, or leave the image out."
        found = f"the image cannot be decoded ({found})"
        problems.broken(_image(record), found, "a complete JPEG or PNG", remedy)
        return None


def check_record(
    record: Record,
    width: int,
    height: int,
    description: DatasetDescription,
    problems: Problems,
    mask_values: np.ndarray | None = None,
) -> bool:
    """Check a record's annotations against its image's size and the description; return whether all is well.

    width, height: of the image, in pixels; mask_values: those that occur in the mask, if they are known already.
    """
    before = len(problems.texts)
    if description.segmentation:
        _check_mask(record, width, height, description, problems, mask_values)
    if description.detection or description.keypoints:
        _check_objects(record, width, height, description, problems)
    if description.depth:
        _check_depth(record, width, height, problems)
    if description.normals:
        _check_normals(record, width, height, description, problems)
    if description.classification:
        number = len(description.classification.classes)
        if record.label is None or not 0 <= record.label < number:
            remedy = "Correct the label or the list of classes."
            problems.add(_image(record), f"label {record.label}", f"0 to {number - 1}", remedy)
    return len(problems.texts) == before


def _image(record: Record) -> str:
    return record.extra.get("image_file", record.id)


def _check_mask(
    record: Record,
    width: int,
    height: int,
    description: DatasetDescription,
    problems: Problems,
    values: np.ndarray | None,
) -> None:
    where = record.extra.get("mask_file", f"mask of {_image(record)}")
    segmentation = description.segmentation
    if record.mask is None:
        problems.add(where, "missing", "one mask per image", "Add it, or leave the image out.")
        return
    if record.mask.shape != (height, width):
        found = "mask of " + " x ".join(str(size) for size in record.mask.shape[::-1])
        remedy = "Set `fit: crop` (a mask with a margin) or `fit: resize`, or correct the files."
        problems.add(where, found, f"the image's {width} x {height} (width x height)", remedy)
        return
    number, ignore = len(segmentation.classes), segmentation.ignore_label
    values = encoding.values_in(record.mask) if values is None else values
    unknown = [int(value) for value in values if not 0 <= value < number and value != ignore]
    if unknown:
        found = f"label(s) {unknown[:10]} in {int(np.isin(record.mask, unknown).sum())} pixels"
        remedy = "Map them to a class or to ignore."
        problems.add(where, found, f"0 to {number - 1}, or {ignore} (ignore)", remedy)


def _check_objects(
    record: Record, width: int, height: int, description: DatasetDescription, problems: Problems
) -> None:
    where, objects = _image(record), record.objects
    if objects is None:
        problems.add(
            where, "no objects", "a (possibly empty) list of objects", "Add it, or leave the image out."
        )
        return
    number = len(objects.boxes)
    shapes = {"boxes": (number, 4), "labels": (number,), "crowd": (number,), "area": (number,)}
    if description.keypoints:
        shapes["keypoints"] = (number, len(description.keypoints.names), 3)
    for name, shape in shapes.items():
        found = np.shape(getattr(objects, name)) if getattr(objects, name) is not None else "nothing"
        if found != shape:
            expected = f"{shape} for {number} objects"
            problems.add(where, f"{name} of shape {found}", expected, "Correct the annotation of this image.")
            return
    classes = len(description.detection.classes) if description.detection else 1
    for index, (x_min, y_min, x_max, y_max) in enumerate(objects.boxes.tolist()):
        found = f"box {index} [{x_min:g}, {y_min:g}, {x_max:g}, {y_max:g}] (x_min, y_min, x_max, y_max)"
        if not (x_min >= 0 and y_min >= 0 and x_max <= width and y_max <= height):
            remedy = "Clip it to the image, or correct it."
            problems.add(where, found, f"a box inside the image of {width} x {height}", remedy)
        elif not (x_min < x_max and y_min < y_max):
            problems.add(where, found, "a box with an area", "Drop or correct it.")
        if not 0 <= int(objects.labels[index]) < classes:
            found, expected = f"box {index} has label {int(objects.labels[index])}", f"0 to {classes - 1}"
            problems.add(where, found, expected, "Map it to a class.")
    if description.keypoints:
        visibility = np.unique(objects.keypoints[..., 2])
        if not np.isin(visibility, (0, 1, 2)).all() or not np.isfinite(objects.keypoints).all():
            found = f"keypoints with visibility {visibility.tolist()} or coordinates that are no numbers"
            problems.add(where, found, "finite x, y and visibility 0, 1 or 2", "Correct the annotation.")


def _check_depth(record: Record, width: int, height: int, problems: Problems) -> None:
    where = record.extra.get("depth_file", f"depth of {_image(record)}")
    if record.depth is None:
        problems.add(where, "missing", "one depth map per image", "Add it, or leave the image out.")
    elif record.depth.shape != (height, width):
        found = "depth of " + " x ".join(str(size) for size in record.depth.shape[::-1])
        remedy = "Register or resize it to the image (nearest neighbour)."
        problems.add(where, found, f"the image's {width} x {height} (width x height)", remedy)


def _check_normals(
    record: Record, width: int, height: int, description: DatasetDescription, problems: Problems
) -> None:
    where = record.extra.get("normals_file", f"normals of {_image(record)}")
    if record.normals is None:
        if description.normals.intrinsics is None:
            problems.add(where, "missing", "one map of normals per image", "Add it, or leave the image out.")
        return
    if record.normals.shape != (height, width, 3):
        found = "normals of shape " + " x ".join(str(size) for size in record.normals.shape)
        remedy = "Register or resize them to the image (nearest neighbour)."
        problems.add(where, found, f"the image's {height} x {width}, with three components", remedy)
        return
    length = np.linalg.norm(record.normals.astype(np.float64), axis=-1)
    wrong = int(((length > 0) & (np.abs(length - 1) > 0.01)).sum())
    if wrong or not np.isfinite(length).all():
        found = f"{wrong} normals that are not of unit length"
        problems.add(where, found, "unit length, or 0 where there is none", "Normalise them.")
