"""Images that a JSON file lists: found among the files of a dataset by the names the file gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transfer_atlas.datasets.adapters.base import relative_to
from transfer_atlas.datasets.adapters.coco_files import CocoFile
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, listed_images
from transfer_atlas.datasets.adapters.list_files import ByPath, named_files
from transfer_atlas.datasets.adapters.patterns import fields_of
from transfer_atlas.datasets.problems import Problems


def on_disk(settings: ListedImageFiles, split: str) -> str:
    """Name of a split on disk, which is its own where only lists tell splits."""
    return settings.splits.get(split, split)


def check_annotation_files(settings: ListedImageFiles, files: dict[str, str]) -> None:
    """Raise ValueError unless there is one file a split, or one for all where a list or a rule tells splits.

    files: setting -> pattern.
    """
    told = settings.lists is not None or settings.split is not None
    for key, pattern in files.items():
        in_one = len(settings.splits) > 1 and not told and "{split}" not in pattern
        if fields_of(pattern) - {"split"} or in_one:
            raise ValueError(f"{key}: {pattern!r} must hold {{split}} and no other part: one file a split")
        if settings.split is not None and "{split}" in pattern:
            raise ValueError(f"{key}: the files of {{split}} tell splits already; remove `split`")


def images_listed(
    settings: Any,
    folder: Path,
    split: str,
    file: CocoFile,
    problems: Problems,
    others: list[str] | tuple[str, ...] = (),
) -> list[tuple[Path, dict[str, str], dict[str, Any]]]:
    """Return (file, parts it matched, entry in the JSON) of the listed images of a split, sorted by path.

    settings: of the adapter, with `annotations`; others: patterns of files that belong to images.
    """
    found = list(listed_images(settings, folder, split, problems, others))
    if not found:
        return []
    files = ByPath((relative_to(one[0], folder), one) for one in found)
    listed = file.images
    if "{split}" not in settings.annotations:
        # one file for all splits: of the images it lists, those of this split
        listed = [entry for entry in listed if len(files.find(entry["file_name"])[0]) == 1]
    names = [(f"{file.name}, image {entry['id']}", entry["file_name"]) for entry in listed]
    chosen = named_files(names, files, problems, settings.images)
    images = [(*one, listed[at]) for at, one in chosen]
    if "{split}" in settings.annotations:
        problems.mention(f"images that {file.name} does not list", len(found) - len(images))
    return sorted(images, key=lambda image: relative_to(image[0], folder))
