"""Datasets in the format of YOLO: image files, and one text file of boxes, segments or poses per image."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import yaml
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.box_files import BoxFiles, fit, points_inside
from transfer_atlas.datasets.adapters.coco_outlines import OutlineMasks, OutlineReader, describe_outlines
from transfer_atlas.datasets.adapters.image_bytes import read_bytes, read_image
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, identifier_of, listed_images
from transfer_atlas.datasets.adapters.keypoint_files import KeypointFiles, describe_keypoints
from transfer_atlas.datasets.adapters.patterns import Pattern, existing, fill
from transfer_atlas.datasets.prepared import Entry, Objects, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError


class Settings(BoxFiles, ListedImageFiles):
    """Settings of the adapter."""

    name: Literal["yolo_txt"] = "yolo_txt"
    annotations: Pattern = Field(
        "labels/{split}/{stem}.txt",
        description="Path of an image's text file below `path`, with the parts its image matched. An image without "
        "one has no objects, as YOLO has it; but some image of each split must have one.",
    )
    holds: Literal["boxes", "segments", "poses"] = Field(
        "boxes", description="What a line holds after the class: a box, a polygon, or a box and keypoints."
    )
    names: Pattern = Field(
        "data.yaml",
        description="YAML file below `path` whose `names` are the classes, where `classes` is not given.",
    )
    classes: list[str] | None = Field(
        None, min_length=1, description="Names of the classes on disk, in the order of their numbers."
    )
    keypoints: KeypointFiles | None = Field(
        None, description="Names of the keypoints, for poses: with `names`, in the order of the files."
    )
    outlines: OutlineMasks = Field(OutlineMasks(), description="What masks are drawn of segments.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_pattern("annotations", self.annotations)
        if (self.holds == "poses") != (self.keypoints is not None):
            raise ValueError("keypoints: they go with `holds: poses`, and poses need their names")
        if self.keypoints is not None and self.keypoints.names is None:
            raise ValueError("keypoints.names: give them; YOLO's files have numbers alone")
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return {
        "boxes": ("detection",),
        "segments": ("segmentation", "detection"),
        "poses": ("detection", "keypoints"),
    }[settings.holds]


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    classes = _classes(settings, root, dataset)
    section = settings.keypoints
    return {
        "detection": {"classes": classes},
        "segmentation": describe_outlines(settings.outlines, classes)
        if settings.holds == "segments"
        else None,
        "keypoints": None if section is None else describe_keypoints(section, section.names),
        "source": settings.source,
        "licence": settings.licence,
    }


def _on_disk(settings: Settings, root: Path, dataset: str) -> list[str]:
    """Names of the classes by their numbers in the files."""
    if settings.classes is not None:
        return list(settings.classes)
    file = existing_folder(root, settings.path, dataset) / settings.names
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8-sig"))
        return _names_in(content)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValueError) as error:
        raise DatasetError(
            f"Dataset '{dataset}': {file} does not name the classes ({error}). Expected `names` as in YOLO's "
            "data.yaml: correct `names`, or give `classes`."
        ) from error


def _names_in(content: Any) -> list[str]:
    """The classes that a data.yaml names, by number. Raises ValueError if it leaves that open."""
    names = content.get("names") if isinstance(content, dict) else None
    if isinstance(names, dict):
        missing = [number for number in range(len(names)) if number not in names]
        if missing:
            raise ValueError(
                f"names is a mapping of {list(names)[:12]}, without {missing[0]}; expected 0, 1, 2, ..."
            )
        names = [names[number] for number in range(len(names))]
    if not isinstance(names, list) or not names:
        raise ValueError(f"names is {str(names)[:60]}")
    for number, name in enumerate(names):
        if isinstance(name, bool) or not isinstance(name, (str, int, float)):
            raise ValueError(
                f"name {number} is {name!r}: YAML reads yes, no, on and off as truth values; quote it"
            )
    named = [str(name) for name in names]
    twice = sorted({name for name in named if named.count(name) > 1})
    if twice:
        raise ValueError(f"{', '.join(twice)} occurs twice")
    if content.get("nc") not in (None, len(named)):
        raise ValueError(f"nc is {content['nc']}, and there are {len(named)} names")
    return named


def _classes(settings: Settings, root: Path, dataset: str) -> list[str]:
    """Classes that boxes may be of: those on disk after `labels`, each once."""
    renamed = [settings.labels.get(name, name) for name in _on_disk(settings, root, dataset)]
    return [name for name in dict.fromkeys(renamed) if name != "ignore"]


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per image, by split and then by path; ids are paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    reader = _Reader(settings, folder, root, problems.dataset)
    for split in settings.used(splits):
        annotated = False
        for path, parts in listed_images(settings, folder, split, problems):
            identifier = identifier_of(path, folder)
            annotated = annotated or existing(folder, fill(settings.annotations, parts)).is_file()
            yield Entry(identifier, split, partial(reader.read, identifier, split, path, parts))
        if not annotated:
            found = f"not one image of split {split} has a text file"
            problems.add(settings.annotations, found, "one at least", "Correct `annotations`.")


class _Reader:
    """Reads an image with its text file."""

    def __init__(self, settings: Settings, folder: Path, root: Path, dataset: str) -> None:
        self.settings, self.folder, self.root = settings, folder, root
        classes = _classes(settings, root, dataset)
        renamed = [settings.labels.get(name, name) for name in _on_disk(settings, root, dataset)]
        self.labels = [None if name == "ignore" else classes.index(name) for name in renamed]
        self.points = len(settings.keypoints.names) if settings.keypoints else 0
        self.outlines = OutlineReader(settings.outlines, len(classes))

    def read(
        self, identifier: str, split: str, path: Path, parts: dict[str, str], problems: Problems
    ) -> Record | None:
        """Read one image; None, and a problem, if something is not in order."""
        where, before = relative_to(path, self.root), len(problems.texts)
        image = read_image(path, where, self.settings, problems)
        if image is None:
            return None
        file = existing(self.folder, fill(self.settings.annotations, parts))
        text_file = f"{relative_to(file, self.root)} ({self.settings.holds} of {where})"
        content = read_bytes(file, text_file, problems) if file.is_file() else b""
        kept, drawn = [], []
        for number, line in enumerate((content or b"").decode("utf-8-sig", "replace").splitlines(), start=1):
            found = self._object(line, image.size, f"{text_file}, line {number}", problems)
            if found is not None:
                kept.append(found[:3])
                drawn.append(({"segmentation": [found[3]]}, found[1], False, f"{text_file}, line {number}"))
        mask = None
        if self.settings.holds == "segments" and len(problems.texts) == before:
            mask = self.outlines.draw(drawn, image.size, problems)
        if content is None or len(problems.texts) > before:
            return None
        extra = {"image_file": where}
        return Record(identifier, split, image.content, objects=self._objects(kept), mask=mask, extra=extra)

    def _object(
        self, line: str, size: tuple[int, int], where: str, problems: Problems
    ) -> tuple[tuple[float, ...], int, np.ndarray, np.ndarray] | None:
        """Box, class, keypoints (K, 3) and outline of a line; None if it is empty, left out, or not in order."""
        words = line.split()
        if not words:
            return None
        try:
            values = np.array([float(word) for word in words])
        except ValueError:
            values = np.array([np.nan])
        expected = self._expected(len(values) - 1)
        if not np.isfinite(values).all() or expected is not None or values[0] not in range(len(self.labels)):
            wanted = f"a class of 0 to {len(self.labels) - 1}, and {expected or 'numbers'}"
            problems.add(where, f"'{line.strip()[:60]}'", wanted, "Correct the line, `holds` or `classes`.")
            return None
        label = self.labels[int(values[0])]
        if label is None:
            return None
        scale, shape = np.array(size, np.float64), values[1:]
        outline = np.empty(0, np.float32)
        if self.settings.holds == "segments":
            corners = shape.reshape(-1, 2) * scale
            outline = corners.ravel().astype(np.float32)
            box = (*corners.min(axis=0), *corners.max(axis=0))
        else:
            centre, half = shape[:2] * scale, shape[2:4] * scale / 2
            box = (*(centre - half), *(centre + half))
        fitted = fit(tuple(map(float, box)), size, self.settings, where, problems)
        if fitted is None:
            return None
        points = points_inside(self._keypoints(shape[4:], scale), size, self.settings, where, problems)
        return fitted, label, points, outline

    def _expected(self, number: int) -> str | None:
        """What numbers after the class are expected, if not as many as this."""
        if self.settings.holds == "segments":
            return None if number >= 6 and number % 2 == 0 else "x and y of three corners or more"
        if self.settings.holds == "boxes":
            return None if number == 4 else "centre x, centre y, width and height"
        fits = number in (4 + 2 * self.points, 4 + 3 * self.points)
        return None if fits else f"a box, and x, y (and visibility) of {self.points} keypoints"

    def _keypoints(self, values: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """Keypoints (K, 3) in pixels; without visibilities, those at 0, 0 are not annotated."""
        points = np.zeros((self.points, 3), np.float32)
        if self.points:
            given = values.reshape(self.points, -1)
            points[:, :2] = given[:, :2] * scale
            points[:, 2] = given[:, 2] if given.shape[1] == 3 else 2 * (given != 0).any(axis=1)
            points[points[:, 2] == 0] = 0
        return points

    def _objects(self, kept: list[tuple[tuple[float, ...], int, np.ndarray]]) -> Objects:
        boxes = np.array([box for box, _, _ in kept], np.float32).reshape(-1, 4)
        points = np.array([points for _, _, points in kept], np.float32).reshape(len(kept), self.points, 3)
        return Objects(
            boxes=boxes,
            labels=np.array([label for _, label, _ in kept], np.int64),
            crowd=np.zeros(len(kept), bool),
            area=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
            keypoints=points if self.points else None,
        )
