"""Detection and keypoint datasets in COCO's format: image files, and one JSON file of annotations per split."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.box_files import BoxFiles, ClassNames, fit, size_of
from transfer_atlas.datasets.adapters.coco_files import CocoFile, read_coco
from transfer_atlas.datasets.adapters.depth_files import DepthFiles, DepthReader, describe_depth
from transfer_atlas.datasets.adapters.image_files import ImageFiles, images_of
from transfer_atlas.datasets.adapters.keypoint_files import KeypointFiles, describe_keypoints
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, MaskReader, describe_masks
from transfer_atlas.datasets.adapters.patterns import fields_of
from transfer_atlas.datasets.prepared import Entry, Objects, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError


class Settings(BoxFiles, ImageFiles):
    """Settings of the adapter."""

    name: Literal["coco_json"] = "coco_json"
    annotations: str = Field(
        "annotations/{split}.json",
        description="JSON file of a split below `path`. It says which of the images are used: those it lists.",
    )
    classes: list[str] | None = Field(
        None,
        min_length=1,
        description="Classes of the boxes, in the order of their indices; by default the categories of the "
        "first split by name that `labels` does not name, by ascending id.",
    )
    keypoints: KeypointFiles | None = Field(
        None,
        description="What is to be known of the keypoints, for datasets that have them; {} is enough "
        "where the file names them, and COCO knows their sigmas.",
    )
    segmentation: MaskFiles | None = Field(
        None, description="Where the masks are, for datasets that also have them."
    )
    depth: DepthFiles | None = Field(
        None, description="Where the depth maps are, for datasets that also have them."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        files = {"annotations": self.annotations}
        if self.keypoints is not None and self.keypoints.annotations is not None:
            files["keypoints.annotations"] = self.keypoints.annotations
        for key, pattern in files.items():
            if fields_of(pattern) - {"split"} or (len(self.splits) > 1 and "{split}" not in pattern):
                raise ValueError(
                    f"{key}: {pattern!r} must hold {{split}} and no other part: one file a split"
                )
        if self.classes is not None:
            self.check_labels(self.classes)
        if self.segmentation is not None:
            self.check_pattern("segmentation.masks", self.segmentation.masks)
        if self.depth is not None:
            self.check_pattern("depth.files", self.depth.files)
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    given = {
        "segmentation": settings.segmentation,
        "detection": settings,
        "keypoints": settings.keypoints,
        "depth": settings.depth,
    }
    return tuple(task_type for task_type, section in given.items() if section is not None)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    described = _Described(settings, root, dataset)
    return {
        "segmentation": settings.segmentation and describe_masks(settings.segmentation),
        "detection": {"classes": described.classes},
        "keypoints": described.keypoints,
        "depth": settings.depth and describe_depth(settings.depth),
        "source": settings.source,
        "licence": settings.licence,
    }


class _Described:
    """Classes and keypoints: as the settings say, else as the first split's files do."""

    def __init__(self, settings: Settings, root: Path, dataset: str) -> None:
        folder = existing_folder(root, settings.path, dataset)
        split = min(settings.splits.items())[1]
        section = settings.keypoints
        path = folder / settings.annotations.format(split=split)
        file = None
        if settings.classes is None or (section and section.names is None and section.annotations is None):
            file = read_coco(path, root, dataset)
        try:
            self.classes = settings.classes or [
                name for name in file.category_names().values() if settings.labels.get(name, name) == name
            ]
            settings.check_labels(self.classes)
            self.keypoints = None
            if section is not None:
                if section.annotations is not None and section.names is None:
                    file = read_coco(folder / section.annotations.format(split=split), root, dataset)
                if section.names is not None:
                    self.keypoints = describe_keypoints(section, section.names)
                else:
                    names, skeleton, category = _named_in(file)
                    owners = [settings.labels.get(category, category)]
                    self.keypoints = describe_keypoints(section, names, skeleton, owners)
        except ValueError as error:
            raise DatasetError(f"Dataset '{dataset}': {error}.") from error


def _named_in(file: CocoFile) -> tuple[list[str], list[tuple[int, int]], str]:
    """Names and skeleton (from 0) of the one category with keypoints, and its name.

    Raises ValueError if there is not one.
    """
    found = [category for category in file.categories if category.get("keypoints")]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} categories of {file.name} name keypoints; expected one: give `keypoints.names`"
        )
    # COCO counts the joints of its skeletons from 1
    skeleton = [(one - 1, other - 1) for one, other in found[0].get("skeleton") or []]
    return list(found[0]["keypoints"]), skeleton, file.category_names()[found[0]["id"]]


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per listed image, by split and then by path; ids: paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    described = _Described(settings, root, problems.dataset)
    for split in settings.used(splits):
        reader = _Reader(settings, described, folder, root, split, problems)
        for path, parts, listed in _listed(settings, folder, split, reader.file, problems):
            identifier = relative_to(path, folder).removesuffix(path.suffix)
            yield Entry(identifier, split, partial(reader.read, identifier, split, path, parts, listed))


class _Reader:
    """Reads the images of one split with their annotations."""

    def __init__(
        self,
        settings: Settings,
        described: _Described,
        folder: Path,
        root: Path,
        split: str,
        problems: Problems,
    ) -> None:
        """Read the split's files of annotations."""
        self.root, dataset, on_disk = root, problems.dataset, settings.splits[split]
        self.file = read_coco(folder / settings.annotations.format(split=on_disk), root, dataset)
        self.objects = _ObjectReader(settings, described, self.file, problems)
        if settings.keypoints is not None and settings.keypoints.annotations is not None:
            path = folder / settings.keypoints.annotations.format(split=on_disk)
            self.objects.add_keypoints(read_coco(path, root, dataset), problems)
        self.annotations = self.file.annotations_by_image(problems)
        self.masks = settings.segmentation and MaskReader(settings.segmentation, folder, root)
        self.depths = settings.depth and DepthReader(settings.depth, folder, root)

    def read(
        self,
        identifier: str,
        split: str,
        path: Path,
        parts: dict[str, str],
        listed: dict[str, Any],
        problems: Problems,
    ) -> Record | None:
        where, image = relative_to(path, self.root), path.read_bytes()
        size = _checked_size(image, listed, where, self.file.name, problems)
        objects = self.objects.read(self.annotations[listed["id"]], size, where, problems)
        extra, mask, depth = {"image_file": where}, None, None
        if self.masks:
            mask, extra["mask_file"] = self.masks.read(parts, where, problems)
        if self.depths:
            depth, extra["depth_file"] = self.depths.read(parts, where, problems)
        if objects is None or (self.masks and mask is None) or (self.depths and depth is None):
            return None
        return Record(identifier, split, image, objects=objects, mask=mask, depth=depth, extra=extra)


def _listed(
    settings: Settings, folder: Path, split: str, file: CocoFile, problems: Problems
) -> list[tuple[Path, dict[str, str], dict[str, Any]]]:
    """Return (file, parts it matched, entry in the JSON) of the listed images, sorted by path."""
    by_name: dict[str, list[tuple[Path, dict[str, str]]]] = {}
    for path, parts in images_of(settings, folder, split, problems):
        by_name.setdefault(path.name, []).append((path, parts))
    chosen = []
    for listed in file.images if by_name else ():
        name = str(listed["file_name"]).removeprefix("./")
        found = [
            (path, parts)
            for path, parts in by_name.get(name.rsplit("/", 1)[-1], ())
            if f"/{path.relative_to(folder).as_posix()}".endswith(f"/{name}")
        ]
        if len(found) == 1:
            chosen.append((*found[0], listed))
        else:
            where, remedy = f"{file.name}, image {listed['id']}", "Add the file, or correct `images`."
            said = f"{name} is {'not there' if not found else f'the name of {len(found)} images'}"
            problems.add(where, said, f"one file among {settings.images}", remedy)
    return sorted(chosen, key=lambda one: one[0].relative_to(folder).as_posix())


def _checked_size(
    image: bytes, listed: dict[str, Any], where: str, file: str, problems: Problems
) -> tuple[int, int]:
    """Width and height of an image; a problem if the annotations are of another size."""
    size = size_of(image)
    stated = (listed.get("width"), listed.get("height"))
    if size is None:  # told when the image is decoded
        return stated if None not in stated else (65535, 65535)
    if None not in stated and stated != size:
        expected = f"the {stated[0]} x {stated[1]} (width x height) that {file} states"
        remedy = "Fetch the image anew, or scale its annotations."
        problems.add(where, f"an image of {size[0]} x {size[1]}", expected, remedy)
    return size


class _ObjectReader:
    """Turns the annotations of an image into its objects."""

    def __init__(self, settings: Settings, described: _Described, file: CocoFile, problems: Problems) -> None:
        self.settings, self.file = settings, file
        self.names = file.category_names()
        self.classes = ClassNames(settings, described.classes)
        self.points = len(described.keypoints["names"]) if described.keypoints else None
        self.elsewhere: dict[Any, list[float]] | None = None

    def add_keypoints(self, file: CocoFile, problems: Problems) -> None:
        """Take the keypoints from a file of their own, whose annotations have the same ids."""
        self.elsewhere = {entry.get("id"): entry.get("keypoints", []) for entry in file.annotations}
        unknown = self.elsewhere.keys() - {entry.get("id") for entry in self.file.annotations}
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
                area = area if _numbers([area]) and area > 0 else (box[2] - box[0]) * (box[3] - box[1])
                points = None if self.points is None else self._keypoints(annotation, where, problems)
                kept.append((box, label, bool(annotation.get("iscrowd", 0)), float(area), points))
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

    def _label(self, annotation: dict[str, Any], where: str, problems: Problems) -> int | None:
        identifier = annotation.get("category_id")
        if identifier not in self.names:
            known = ", ".join(map(str, self.names))
            remedy = "Add the category to `categories`, or correct the annotation."
            problems.add(where, f"category_id {identifier}", f"one of {{{known}}}", remedy)
            return None
        return self.classes.index(self.names[identifier], where, problems)

    def _box(
        self, annotation: dict[str, Any], size: tuple[int, int], where: str, problems: Problems
    ) -> tuple[float, float, float, float] | None:
        box = annotation.get("bbox")
        if not _numbers(box) or len(box) != 4:
            expected = "bbox as four numbers: x, y, width, height"
            problems.add(where, f"bbox {str(box)[:60]}", expected, "Correct the annotation.")
            return None
        x, y, width, height = map(float, box)
        return fit((x, y, x + width, y + height), size, self.settings, where, problems)

    def _keypoints(self, annotation: dict[str, Any], where: str, problems: Problems) -> np.ndarray:
        """Keypoints (K, 3) float32; none annotated where the annotation holds none."""
        values = annotation.get("keypoints") or []
        if self.elsewhere is not None:
            values = self.elsewhere.get(annotation.get("id"), [])
        nothing = np.zeros((self.points, 3), np.float32)
        if not values:
            return nothing
        if not _numbers(values) or len(values) != 3 * self.points:
            found = (
                f"{len(values)} numbers for keypoints"
                if _numbers(values)
                else "keypoints that are no numbers"
            )
            expected = f"{3 * self.points}: x, y, visibility of each of {self.points}"
            problems.add(where, found, expected, "Correct the annotation, or `keypoints.names`.")
            return nothing
        points = np.array(values, np.float32).reshape(self.points, 3)
        if not np.isin(points[:, 2], (0, 1, 2)).all() or not np.isfinite(points).all():
            found = f"visibilities {sorted(set(points[:, 2].tolist()))}"
            problems.add(where, found, "0, 1 or 2, and finite x and y", "Correct the annotation.")
            return nothing
        if self.settings.keypoints.coordinates == "indices":  # to the centres of the pixels that they name
            points[:, :2] += 0.5 * (points[:, 2:] > 0)
        return points


def _numbers(values: Any) -> bool:
    """Whether this is a list of numbers."""
    return isinstance(values, list) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
    )
