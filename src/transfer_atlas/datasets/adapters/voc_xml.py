"""Detection datasets in the layout of Pascal VOC: image files, one XML file of boxes per image, list files."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self
from xml.etree import ElementTree

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.box_files import BoxFiles, ClassNames, fit, size_of
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, listed_images
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, MaskReader, describe_masks
from transfer_atlas.datasets.adapters.xml_files import parse_xml
from transfer_atlas.datasets.prepared import Entry, Objects, Record, TaskType
from transfer_atlas.datasets.problems import Problems

CORNERS = ("xmin", "ymin", "xmax", "ymax")


class Settings(BoxFiles, ListedImageFiles):
    """Settings of the adapter."""

    name: Literal["voc_xml"] = "voc_xml"
    images: str = Field("JPEGImages/*.jpg", description="Pattern of the images below `path`.")
    lists: dict[str, str] | None = Field(
        {"train": "ImageSets/Main/train.txt", "val": "ImageSets/Main/val.txt"},
        description="Split -> text file below `path`, one {stem} a line; of further words in a line, as VOC's "
        "lists of single classes have them, nothing is taken. null: `splits` and {split} tell.",
    )
    annotations: str = Field(
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
        for path, parts in listed_images(settings, folder, split, problems):
            identifier = relative_to(path, folder).removesuffix(path.suffix)
            yield Entry(identifier, split, partial(reader.read, identifier, split, path, parts))


class _Reader:
    """Reads an image with its XML file, and its mask if there are any."""

    def __init__(self, settings: Settings, folder: Path, root: Path) -> None:
        self.settings, self.folder, self.root = settings, folder, root
        self.masks = settings.segmentation and MaskReader(settings.segmentation, folder, root)
        self.classes = ClassNames(settings, settings.classes)

    def read(
        self, identifier: str, split: str, path: Path, parts: dict[str, str], problems: Problems
    ) -> Record | None:
        where, image = relative_to(path, self.root), path.read_bytes()
        xml_path = self.folder / self.settings.annotations.format(**parts)
        xml_file = f"{relative_to(xml_path, self.root)} (boxes of {where})"
        objects = _objects(self.settings, self.classes, xml_path, xml_file, size_of(image), problems)
        extra, mask = {"image_file": where}, None
        if self.masks:
            mask, extra["mask_file"] = self.masks.read(parts, where, problems)
        if objects is None or (self.masks and mask is None):
            return None
        return Record(identifier, split, image, mask=mask, objects=objects, extra=extra)


def _objects(
    settings: Settings,
    classes: ClassNames,
    path: Path,
    where: str,
    size: tuple[int, int] | None,
    problems: Problems,
) -> Objects | None:
    """Objects of an XML file; None, and a problem, if something is not in order. size: of the image."""
    before, kept = len(problems.texts), []
    annotation = _annotation(path, where, problems)
    if annotation is None:
        return None
    stated = tuple(_number(annotation.find(f"size/{side}")) for side in ("width", "height"))
    # some files state 0 x 0; an image that cannot be read is told when it is decoded
    if size is not None and None not in stated and all(stated) and stated != size:
        expected = f"the image's {size[0]} x {size[1]} (width x height)"
        remedy = "Fetch the image anew, or scale its annotation."
        problems.add(where, f"boxes for {stated[0]:g} x {stated[1]:g}", expected, remedy)
    for number, entry in enumerate(annotation.findall("object"), start=1):
        place = f"{where}, object {number}"
        label = classes.index((entry.findtext("name") or "").strip(), place, problems)
        # the object's own: its parts have boxes, too
        corners = [_number(entry.find(f"bndbox/{corner}")) for corner in CORNERS]
        if None in corners:
            found = f"corners {corners}"
            problems.add(place, found, f"a bndbox with numbers {', '.join(CORNERS)}", "Correct the file.")
        elif label is not None:
            x_min, y_min, x_max, y_max = corners
            # the last pixel is inside the box, so that its far side is one further
            first, last = settings.first_pixel, settings.first_pixel - 1
            box = (x_min - first, y_min - first, x_max - last, y_max - last)
            box = fit(box, size or (65535, 65535), settings, place, problems)
            if box is not None:
                kept.append((box, label, bool(_number(entry.find("difficult")))))
    if len(problems.texts) > before:
        return None
    boxes = np.array([box for box, _, _ in kept], np.float32).reshape(-1, 4)
    return Objects(
        boxes=boxes,
        labels=np.array([label for _, label, _ in kept], np.int64),
        crowd=np.array([difficult for _, _, difficult in kept], bool),
        area=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
    )


def _annotation(path: Path, where: str, problems: Problems) -> ElementTree.Element | None:
    """Root element of an XML file; None, and a problem, if there is none."""
    if not path.is_file():
        remedy = "Add it (an image without objects has one too), or correct `annotations`."
        problems.add(where, "no such file", "one XML file per image", remedy)
        return None
    try:
        root = parse_xml(path.read_bytes())
    except ValueError as error:
        problems.add(where, str(error), "a plain XML file", "Fetch it anew, or remove the declaration.")
        return None
    if root.tag != "annotation":
        problems.add(where, f"a file of <{root.tag}>", "<annotation>", "Correct `annotations`.")
        return None
    return root


def _number(element: ElementTree.Element | None) -> float | None:
    """Number an element holds; None if there is no element, or no number in it."""
    try:
        return None if element is None else float(element.text or "")
    except ValueError:
        return None
