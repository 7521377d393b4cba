"""Detection datasets in the layout of Pascal VOC: image files, one XML file of boxes per image, list files."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self
from xml.etree import ElementTree

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.box_files import BoxFiles, ClassNames, fit
from transfer_atlas.datasets.adapters.image_bytes import read_bytes, read_image
from transfer_atlas.datasets.adapters.image_files import (
    ListedImageFiles,
    SplitName,
    identifier_of,
    listed_images,
)
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, MaskReader, describe_masks
from transfer_atlas.datasets.adapters.patterns import Pattern, existing, fill
from transfer_atlas.datasets.adapters.xml_files import parse_xml
from transfer_atlas.datasets.prepared import Entry, Objects, Record, TaskType
from transfer_atlas.datasets.problems import Problems

CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Settings(BoxFiles, ListedImageFiles):
    """Settings of the adapter."""

    name: Literal["voc_xml"] = "voc_xml"
    images: Pattern = Field("JPEGImages/*", description="Pattern of the images below `path`.")
    lists: dict[SplitName, Pattern] | None = Field(
        {"train": "ImageSets/Main/train.txt", "val": "ImageSets/Main/val.txt"},
        description="Split -> text file below `path`, one {stem} a line; of further words in a line, as VOC's "
        "lists of single classes have them, nothing is taken. null: `splits` and {split} tell.",
    )
    annotations: Pattern = Field(
        "Annotations/{stem}.xml",
        description="Path of an image's XML file below `path`, with the parts its image matched.",
    )
    classes: list[str] = Field(
        min_length=1, description="Classes of the boxes, in the order of their indices."
    )
    first_pixel: Literal[0, 1] = Field(
        1,
        description="Coordinate of the first pixel: 1 in Pascal VOC; 0 in many datasets that copy its layout.",
    )
    ends: Literal["inside", "outside"] = Field(
        "inside",
        description="Whether xmax and ymax are the last pixel inside a box, as in Pascal VOC, or the first one "
        "outside (labelme, CVAT, Roboflow, datumaro and X-AnyLabeling write continuous corners: with "
        "`first_pixel: 0`).",
    )
    without_file: Literal["error", "no_boxes"] = Field(
        "error",
        description="What an image without an XML file is: an error, or one without boxes (labelImg writes none).",
    )
    segmentation: MaskFiles | None = Field(
        None, description="Where the masks are, for datasets that also have one for every image."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self.check_labels(self.classes)
        self.check_pattern("annotations", self.annotations)
        if self.segmentation is not None:
            self.check_pattern("segmentation.masks", self.segmentation.masks)
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("detection",) if settings.segmentation is None else ("segmentation", "detection")


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    return {
        "segmentation": settings.segmentation and describe_masks(settings.segmentation),
        "detection": {"classes": settings.classes},
        "source": settings.source,
        "licence": settings.licence,
    }


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per image, in the order of the lists; ids are paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    reader = _Reader(settings, folder, root)
    for split in settings.used(splits):
        for path, parts in listed_images(settings, folder, split, problems, reader.patterns):
            identifier = identifier_of(path, folder)
            yield Entry(identifier, split, partial(reader.read, identifier, split, path, parts))


class _Reader:
    """Reads an image with its XML file, and its mask if there are any."""

    def __init__(self, settings: Settings, folder: Path, root: Path) -> None:
        self.settings, self.folder, self.root, masks = settings, folder, root, settings.segmentation
        self.masks = masks and MaskReader(masks, folder, root, settings.largest_megapixels)
        self.patterns = [masks.masks] if masks else []
        self.classes = ClassNames(settings, settings.classes)

    def read(
        self, identifier: str, split: str, path: Path, parts: dict[str, str], problems: Problems
    ) -> Record | None:
        """Read one image; None, and a problem, if something is not in order."""
        where = relative_to(path, self.root)
        image = read_image(path, where, self.settings, problems)
        size = None if image is None else image.size
        objects = self._objects(parts, where, size, problems)
        extra, mask = {"image_file": where}, None
        if self.masks:
            mask, extra["mask_file"] = self.masks.read(parts, where, problems, size)
        if image is None or objects is None or (self.masks and mask is None):
            return None
        return Record(identifier, split, image.content, mask=mask, objects=objects, extra=extra)

    def _objects(
        self, parts: dict[str, str], image: str, size: tuple[int, int] | None, problems: Problems
    ) -> Objects | None:
        """Objects of an image of this size (None: not known); None, and a problem, if one is not in order."""
        path = existing(self.folder, fill(self.settings.annotations, parts))
        where = f"{relative_to(path, self.root)} (boxes of {image})"
        if not path.is_file() and self.settings.without_file == "no_boxes":
            return _as_objects([])
        annotation = _annotation(path, where, problems)
        if annotation is None:
            return None
        before, kept = len(problems.texts), []
        _check_size(annotation, where, size, problems)
        for number, entry in enumerate(annotation.findall("object"), start=1):
            box = self._box(entry, f"{where}, object {number}", size, problems)
            if box is not None:
                kept.append(box)
        return _as_objects(kept) if len(problems.texts) == before else None

    def _box(
        self, entry: ElementTree.Element, where: str, size: tuple[int, int] | None, problems: Problems
    ) -> tuple[tuple[float, float, float, float], int, bool] | None:
        """Box, class and whether it is difficult; None if it is left out, or not in order."""
        label = self.classes.index((entry.findtext("name") or "").strip(), where, problems)
        # the object's own: its parts have boxes, too
        corners = [_number(entry.find(f"bndbox/{corner}")) for corner in CORNERS]
        if None in corners:
            found = f"corners {corners}"
            problems.add(where, found, f"a bndbox with numbers {', '.join(CORNERS)}", "Correct the file.")
            return None
        if label is None:
            return None
        if all(0 <= corner <= 1 for corner in corners) and any(0 < corner < 1 for corner in corners):
            remedy = "Multiply them by width and height."
            problems.add(where, f"corners {corners}, shares of the image's size", "pixels", remedy)
            return None
        first = self.settings.first_pixel
        # some files start continuous corners at .5; below that, nothing is inside a picture that starts at 1
        if first == 1 and min(corners[:2]) <= 0 and self.settings.outside == "error":
            problems.add(
                where,
                f"corners {corners} with a coordinate of 0 or less",
                "coordinates from 1 on, since `first_pixel` is 1",
                "Set `first_pixel: 0`, and `ends: outside` if the corners are continuous; or `outside: clip`.",
            )
            return None
        x_min, y_min, x_max, y_max = (corner - first for corner in corners)
        if self.settings.ends == "inside":
            # the last pixel is inside the box, so that its far side is one further
            x_max, y_max = x_max + 1, y_max + 1
        box = fit((x_min, y_min, x_max, y_max), size or UNKNOWN_SIZE, self.settings, where, problems)
        return None if box is None else (box, label, _is_set(entry.findtext("difficult")))


UNKNOWN_SIZE = (65535, 65535)  # of an image that cannot be read, which is told elsewhere


def _check_size(
    annotation: ElementTree.Element, where: str, size: tuple[int, int] | None, problems: Problems
) -> None:
    """Add a problem if the file is about an image of another size; some files state 0 x 0, or nothing."""
    stated = tuple(_number(annotation.find(f"size/{side}")) for side in ("width", "height"))
    if size is not None and None not in stated and all(stated) and stated != size:
        expected = f"the image's {size[0]} x {size[1]} (width x height)"
        remedy = "Fetch the image anew, or scale its annotation."
        problems.add(where, f"boxes for {stated[0]:g} x {stated[1]:g}", expected, remedy)


def _as_objects(kept: list[tuple[tuple[float, float, float, float], int, bool]]) -> Objects:
    boxes = np.array([box for box, _, _ in kept], np.float32).reshape(-1, 4)
    return Objects(
        boxes=boxes,
        labels=np.array([label for _, label, _ in kept], np.int64),
        crowd=np.array([difficult for _, _, difficult in kept], bool),
        area=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
    )


def _is_set(text: str | None) -> bool:
    """Whether a mark such as <difficult> is set: 1, and as some tools write it, true or yes."""
    text = (text or "").strip().lower()
    return text in ("true", "yes") or bool(_as_number(text))


def _annotation(path: Path, where: str, problems: Problems) -> ElementTree.Element | None:
    """Root element of an XML file; None, and a problem, if there is none."""
    if not path.is_file():
        remedy = "Add it, correct `annotations`, or set `without_file: no_boxes` if images without objects have none."
        problems.add(where, "no such file", "one XML file per image", remedy)
        return None
    content = read_bytes(path, where, problems)
    if content is None:
        return None
    try:
        root = parse_xml(content)
    except ValueError as error:
        problems.add(where, str(error), "a plain XML file", "Fetch it anew, or remove the declaration.")
        return None
    if root.tag != "annotation":
        problems.add(where, f"a file of <{root.tag}>", "<annotation>", "Correct `annotations`.")
        return None
    if root.find("object") is None and root.find(".//object") is not None:
        remedy = "Convert the file: where Pascal VOC has none, objects would be passed over."
        problems.add(where, "objects inside another element", "<object> directly in <annotation>", remedy)
        return None
    return root


def _number(element: ElementTree.Element | None) -> float | None:
    """Number an element holds; None if there is no element, or no number in it."""
    return None if element is None else _as_number(element.text or "")


def _as_number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
