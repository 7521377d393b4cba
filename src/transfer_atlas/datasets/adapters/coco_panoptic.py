"""Segmentation datasets in COCO's panoptic format: PNG of segments by number, and a JSON file of their categories."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, leads_out, relative_to
from transfer_atlas.datasets.adapters.box_files import ClassNames, NamedClasses
from transfer_atlas.datasets.adapters.coco_files import CocoFile, as_identifier, read_coco
from transfer_atlas.datasets.adapters.image_bytes import read_image
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, identifier_of
from transfer_atlas.datasets.adapters.json_images import check_annotation_files, images_listed, on_disk
from transfer_atlas.datasets.adapters.mask_files import spread_colours
from transfer_atlas.datasets.adapters.masks import known_values, open_mask
from transfer_atlas.datasets.adapters.patterns import Pattern, existing, fields_of, fill
from transfer_atlas.datasets.prepared import IGNORE_LABEL, IGNORE_LABEL_16_BITS, Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

VOID = 0  # number of the segment that is none


class Settings(NamedClasses, ListedImageFiles):
    """Settings of the adapter."""

    IN_ANNOTATIONS = True

    name: Literal["coco_panoptic"] = "coco_panoptic"
    annotations: Pattern = Field(
        "annotations/panoptic_{split}.json",
        description="JSON file of a split below `path`. It says which of the images are used: those it lists.",
    )
    masks: Pattern = Field(
        "annotations/panoptic_{split}/{file}",
        description="PNG of the segments of an image below `path`; {file} is the file_name that the JSON gives it.",
    )
    classes: list[str] | None = Field(
        None,
        min_length=1,
        description="Classes, in the order of their indices; by default the categories of the first split by name "
        "that `labels` does not name, by ascending id.",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        check_annotation_files(self, {"annotations": self.annotations})
        unknown = fields_of(self.masks) - fields_of(self.images) - {"split", "stem", "parent", "file"}
        if unknown:
            raise ValueError(f"masks: {sorted(unknown)} do not occur in images")
        if self.classes is not None:
            self.check_labels(self.classes)
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("segmentation",)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    classes = _classes(settings, root, dataset)
    return {
        "segmentation": {"classes": classes, "colours": spread_colours(len(classes))},
        "source": settings.source,
        "licence": settings.licence,
    }


def _classes(settings: Settings, root: Path, dataset: str) -> list[str]:
    if settings.classes is not None:
        return list(settings.classes)
    folder = existing_folder(root, settings.path, dataset)
    file = _read(settings, folder, root, settings.split_names[0], dataset)
    names = [name for name in file.category_names().values() if settings.labels.get(name, name) == name]
    try:
        settings.check_labels(names)
    except ValueError as error:
        raise DatasetError(f"Dataset '{dataset}': {error}.") from error
    return names


def _read(settings: Settings, folder: Path, root: Path, split: str, dataset: str) -> CocoFile:
    path = folder / fill(settings.annotations, {"split": on_disk(settings, split)})
    file = read_coco(path, root, dataset)
    if file.annotations and not file.is_panoptic:
        raise DatasetError(
            f"Dataset '{dataset}': {file.name} is not in COCO's panoptic format: its annotations have no "
            "segments_info. Expected segments: correct `annotations`, or read it with the adapter coco_json."
        )
    return file


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per listed image, by split and then by path; ids: paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    classes = _classes(settings, root, problems.dataset)
    reader = None
    for split in settings.used(splits):
        if reader is None or "{split}" in settings.annotations:
            file = _read(settings, folder, root, split, problems.dataset)
            reader = _Reader(settings, classes, file, folder, root, problems)
        for path, parts, listed in images_listed(settings, folder, split, file, problems):
            identifier = identifier_of(path, folder)
            yield Entry(identifier, split, partial(reader.read, identifier, split, path, parts, listed))


class _Reader:
    """Reads the images of a file of annotations with their segments."""

    def __init__(
        self,
        settings: Settings,
        classes: list[str],
        file: CocoFile,
        folder: Path,
        root: Path,
        problems: Problems,
    ) -> None:
        self.settings, self.folder, self.root, self.file = settings, folder, root, file
        self.names = file.category_names()
        self.classes = ClassNames(settings, classes)
        self.annotations = file.annotations_by_image(problems)
        self.ignore = IGNORE_LABEL if len(classes) <= IGNORE_LABEL else IGNORE_LABEL_16_BITS
        self.dtype = np.uint8 if self.ignore == IGNORE_LABEL else np.uint16

    def read(
        self,
        identifier: str,
        split: str,
        path: Path,
        parts: dict[str, str],
        listed: dict[str, Any],
        problems: Problems,
    ) -> Record | None:
        """Read one image; None, and a problem, if something is not in order."""
        where = relative_to(path, self.root)
        image = read_image(path, where, self.settings, problems)
        found = self.annotations[listed["id"]]
        if len(found) != 1:
            remedy = "Correct the file, or leave the image out."
            problems.add(f"{self.file.name} ({where})", f"{len(found)} annotations", "one per image", remedy)
            return None
        name = str(found[0].get("file_name", f"{parts['stem']}.png")).rpartition("/")[2]
        if leads_out(name):
            remedy = "Fetch the annotations anew, from their authors."
            problems.add(f"{self.file.name} ({where})", f"the name {name[:80]!r}", "that of a mask", remedy)
            return None
        mask_path = existing(self.folder, fill(self.settings.masks, parts | {"file": name}))
        mask_file = relative_to(mask_path, self.root)
        mask = self._mask(mask_path, f"{mask_file} (segments of {where})", found[0], problems)
        if image is None or mask is None:
            return None
        extra = {"image_file": where, "mask_file": mask_file}
        return Record(identifier, split, image.content, mask=mask, extra=extra)

    def _mask(
        self, path: Path, where: str, annotation: dict[str, Any], problems: Problems
    ) -> np.ndarray | None:
        """Class of each pixel (H, W); None, and a problem, if a segment is not listed or not of a known category."""
        picture = open_mask(path, where, problems, self.settings.largest_megapixels)
        if picture is None:
            return None
        if picture.mode not in ("RGB", "RGBA") or picture.info["bits"] > 8:
            remedy = "Use the PNG of COCO's panoptic format: number = R + 256 G + 65536 B."
            problems.add(where, f"a PNG of mode {picture.mode}", "colours of 8 bits", remedy)
            return None
        values = np.asarray(picture)[..., :3].astype(np.int64)
        numbers = values[..., 0] + 256 * values[..., 1] + 65536 * values[..., 2]
        labels, before = {VOID: self.ignore}, len(problems.texts)
        segments = annotation.get("segments_info")
        if not isinstance(segments, list):
            remedy = "Correct the file."
            problems.add(where, f"segments_info {str(segments)[:60]}", "a list of segments", remedy)
            return None
        for segment in segments:
            number = as_identifier(segment.get("id")) if isinstance(segment, dict) else None
            if not isinstance(number, int):
                expected = "a mapping with id, a whole number, and category_id"
                problems.add(where, f"the segment {str(segment)[:80]}", expected, "Correct the file.")
                continue
            category = as_identifier(segment.get("category_id"))
            if category not in self.names:
                remedy = "Add it to `categories`, or correct the file."
                found = f"category_id {str(segment.get('category_id'))[:60]}"
                problems.add(where, found, f"one of {known_values(self.names)}", remedy)
                continue
            label = self.classes.index(self.names[category], where, problems)
            labels[number] = self.ignore if label is None else label
        present, places = np.unique(numbers, return_inverse=True)
        unlisted = [int(number) for number in present if int(number) not in labels]
        if unlisted and len(problems.texts) == before:
            remedy = "Use PNG and JSON of the same release."
            problems.add(where, f"segments {unlisted[:5]}", "those that segments_info lists", remedy)
        if len(problems.texts) > before:
            return None
        table = np.array([labels[int(number)] for number in present], dtype=self.dtype)
        return table[places].reshape(numbers.shape)
