"""Reads COCO's JSON format: images, annotations by image, categories; outlines where they are asked for."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from transfer_atlas.datasets.adapters.base import relative_to
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

KEYS = ("images", "annotations", "categories")
Identifier = int | str


@dataclass(frozen=True)
class CocoFile:
    """One JSON file in COCO's format; name: what messages call it."""

    name: str
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]

    @property
    def is_panoptic(self) -> bool:
        """Whether the annotations are those of whole images, in COCO's panoptic format."""
        return any("segments_info" in annotation for annotation in self.annotations[:10])

    def category_names(self) -> dict[Identifier, str]:
        """Names of the categories by their ids, in ascending order of ids; the id where there is no name."""
        named = {category["id"]: str(category.get("name", category["id"])) for category in self.categories}
        return dict(sorted(named.items(), key=lambda item: (isinstance(item[0], str), item[0])))

    def annotations_by_image(self, problems: Problems) -> dict[Identifier, list[dict[str, Any]]]:
        """Annotations of each image by the image's id; those of images that are not listed are problems."""
        grouped: dict[Identifier, list[dict[str, Any]]] = {image["id"]: [] for image in self.images}
        if len(grouped) != len(self.images):
            found = f"{len(self.images) - len(grouped)} image ids that occur again"
            problems.add(self.name, found, "distinct ids", "Number the images anew, with their annotations.")
        for annotation in self.annotations:
            if annotation["image_id"] in grouped:
                grouped[annotation["image_id"]].append(annotation)
            else:
                where = f"{self.name}, annotation {annotation.get('id', 'without id')}"
                found = f"image {annotation['image_id']!r}, which the file does not list"
                problems.add(
                    where, found, "an image of `images`", "List the image, or remove the annotation."
                )
        return grouped


def read_coco(path: Path, root: Path, dataset: str, outlines: bool = False) -> CocoFile:
    """Read one file; root: that its name in messages is relative to; outlines: whether they are kept.

    Ids may be numbers or text, and text that is a whole number counts as the number, as some tools write both.

    Raises DatasetError if it is missing, no JSON, or lacks the parts every COCO file has.
    """
    name = relative_to(path, root)
    if not path.is_file():
        raise DatasetError(
            f"Dataset '{dataset}': the annotations {path} do not exist. Expected a JSON file in COCO's format: "
            "fetch it, or correct `annotations` or `splits`."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = json.loads(text, object_hook=_with_outline if outlines else _without_outline)
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"Dataset '{dataset}': {name} is not JSON in UTF-8 ({error.reason} at byte {error.start}). Save it as "
            "UTF-8; editors on Windows write UTF-16."
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # not readable, not JSON, or not text at all
        raise DatasetError(
            f"Dataset '{dataset}': {name} is not JSON ({error}). Expected COCO's format: fetch the file anew."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(content.get(key), list) for key in KEYS):
        lacking = [
            key for key in KEYS if not isinstance(content, dict) or not isinstance(content.get(key), list)
        ]
        raise DatasetError(
            f"Dataset '{dataset}': {name} has no list of {', '.join(lacking)}. Expected COCO's format, with "
            "the lists `images`, `annotations` and `categories`: correct `annotations`, or convert the file."
        )
    kinds = sorted(
        {type(entry.get("id")).__name__ for entry in content["categories"] if isinstance(entry, dict)}
    )
    if len(kinds) > 1:
        raise DatasetError(
            f"Dataset '{dataset}': {name} has categories with ids of different kinds ({', '.join(kinds)}). Expected "
            "numbers alone, or text alone: correct the file."
        )
    for key, wanted, ids in (
        ("images", ("id", "file_name"), ("id",)),
        ("annotations", ("image_id",), ("image_id", "category_id")),
        ("categories", ("id",), ("id",)),
    ):
        for number, entry in enumerate(content[key]):
            if not isinstance(entry, dict) or not set(wanted) <= set(entry):
                raise DatasetError(
                    f"Dataset '{dataset}': {name}, {key}[{number}] is {str(entry)[:80]}. Expected a mapping "
                    f"with {' and '.join(wanted)}: correct the file."
                )
            for field in ids:
                if field in entry:
                    entry[field] = _identifier(entry[field], f"{name}, {key}[{number}]", field, dataset)
            if key == "images" and not (isinstance(entry["file_name"], str) and entry["file_name"].strip()):
                raise DatasetError(
                    f"Dataset '{dataset}': {name}, {key}[{number}] has the file_name {entry['file_name']!r}. "
                    "Expected the name of an image file: correct the file."
                )
    for number, category in enumerate(content["categories"]):
        _check_category(category, f"Dataset '{dataset}': {name}, categories[{number}]")
    numbers = [category["id"] for category in content["categories"]]
    twice = sorted({str(number) for number in numbers if numbers.count(number) > 1}) if numbers else []
    if twice:
        raise DatasetError(
            f"Dataset '{dataset}': {name} has several categories of the id {', '.join(twice)}. Expected distinct "
            "ids, since boxes name their class by them: correct the file."
        )
    _check_not_in_fractions(content["annotations"], name, dataset)
    return CocoFile(name, content["images"], content["annotations"], content["categories"])


def _check_category(category: dict[str, Any], where: str) -> None:
    """Raise DatasetError if a category's name is none: null, a list or a truth value."""
    called = category.get("name", "")
    if isinstance(called, bool) or not isinstance(called, (str, int, float)):
        raise DatasetError(f"{where} has the name {str(called)[:60]}. Expected text: correct the file.")


def _check_not_in_fractions(annotations: list[dict[str, Any]], name: str, dataset: str) -> None:
    """Raise DatasetError if all boxes lie within the first pixel: they are shares of the image's size."""
    first: list[float] | None = None
    for entry in annotations:
        box = entry.get("bbox")
        if not isinstance(box, list) or len(box) != 4:
            continue
        if not all(isinstance(value, (int, float)) and 0 <= value <= 1 for value in box):
            return
        if first is None and any(0 < value < 1 for value in box):
            first = box
    if first is not None:
        raise DatasetError(
            f"Dataset '{dataset}': {name} has boxes of 0 to 1 alone, such as {first}: shares of the image's size. "
            "Expected x, y, width and height in pixels: multiply them by width and height."
        )


def as_identifier(value: Any) -> Identifier | None:
    """An id as a whole number or text, where text that is a whole number is the number; None if it is neither."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,100}", value.strip()):
        value = int(value)
    return None if isinstance(value, bool) or not isinstance(value, (int, str)) else value


def _identifier(value: Any, where: str, field: str, dataset: str) -> Identifier:
    found = as_identifier(value)
    if found is None:
        raise DatasetError(
            f"Dataset '{dataset}': {where} has the {field} {str(value)[:60]} ({type(value).__name__}). Expected a "
            "whole number or text: correct the file."
        )
    return found


USED = ("id", "image_id", "category_id", "bbox", "iscrowd", "area", "keypoints", "segments_info", "file_name")


def _without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Drop what takes most of the memory and is not used."""
    if "image_id" in entry:
        return {name: entry[name] for name in USED if name in entry}
    entry.pop("segmentation", None)
    return entry


def _with_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Keep outlines as arrays: lists of numbers take eight times the memory."""
    if "image_id" not in entry:
        return entry
    outline = entry.get("segmentation")
    entry = _without_outline(entry)
    if isinstance(outline, list):
        try:
            outline = [np.asarray(polygon, np.float32) for polygon in outline]
        except (ValueError, TypeError, OverflowError):
            outline = "no numbers"
    return entry | {"segmentation": outline}
