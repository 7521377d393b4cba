"""Reads COCO's JSON format: images, annotations by image, categories; outlines are passed over."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer_atlas.datasets.adapters.base import relative_to
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

KEYS = ("images", "annotations", "categories")


@dataclass(frozen=True)
class CocoFile:
    """One JSON file in COCO's format; name: what messages call it."""

    name: str
    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    categories: list[dict[str, Any]]

    def category_names(self) -> dict[int, str]:
        """Names of the categories by their ids, in ascending order of ids; the id where there is no name."""
        named = {category["id"]: str(category.get("name", category["id"])) for category in self.categories}
        return dict(sorted(named.items()))

    def annotations_by_image(self, problems: Problems) -> dict[Any, list[dict[str, Any]]]:
        """Annotations of each image by the image's id; those of images that are not listed are problems."""
        grouped: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in self.images}
        if len(grouped) != len(self.images):
            found = f"{len(self.images) - len(grouped)} image ids that occur again"
            problems.add(self.name, found, "distinct ids", "Number the images anew, with their annotations.")
        for annotation in self.annotations:
            if annotation["image_id"] in grouped:
                grouped[annotation["image_id"]].append(annotation)
            else:
                where = f"{self.name}, annotation {annotation.get('id', 'without id')}"
                found = f"image {annotation['image_id']}, which the file does not list"
                problems.add(
                    where, found, "an image of `images`", "List the image, or remove the annotation."
                )
        return grouped


def read_coco(path: Path, root: Path, dataset: str) -> CocoFile:
    """Read one file; root: that its name in messages is relative to.

    Raises DatasetError if it is missing, no JSON, or lacks the parts every COCO file has.
    """
    name = relative_to(path, root)
    if not path.is_file():
        raise DatasetError(
            f"Dataset '{dataset}': the annotations {path} do not exist. Expected a JSON file in COCO's format: "
            "fetch it, or correct `annotations` or `splits`."
        )
    try:
        with path.open(encoding="utf-8") as file:
            content = json.load(file, object_hook=_without_outline)
    except (ValueError, RecursionError) as error:  # not JSON, or not text at all
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
    for key, wanted in (
        ("images", ("id", "file_name")),
        ("annotations", ("image_id",)),
        ("categories", ("id",)),
    ):
        for number, entry in enumerate(content[key]):
            if not isinstance(entry, dict) or not set(wanted) <= set(entry):
                raise DatasetError(
                    f"Dataset '{dataset}': {name}, {key}[{number}] is {str(entry)[:80]}. Expected a mapping "
                    f"with {' and '.join(wanted)}: correct the file."
                )
    return CocoFile(name, content["images"], content["annotations"], content["categories"])


def _without_outline(entry: dict[str, Any]) -> dict[str, Any]:
    """Drop what takes most of the memory and is not used."""
    entry.pop("segmentation", None)
    return entry
