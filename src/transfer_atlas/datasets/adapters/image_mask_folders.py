"""Segmentation datasets of one image file and one mask file per image, in any folders."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.image_bytes import read_image
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, identifier_of, listed_images
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, MaskReader, describe_masks
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems


class Settings(MaskFiles, ListedImageFiles):
    """Settings of the adapter."""

    name: Literal["image_mask_folders"] = "image_mask_folders"

    @model_validator(mode="after")
    def _masks_follow_images(self) -> Self:
        self.check_pattern("masks", self.masks)
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("segmentation",)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    return {
        "segmentation": describe_masks(settings),
        "source": settings.source,
        "licence": settings.licence,
    }


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per image, by split and then by path; ids are paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    masks = MaskReader(settings, folder, root, settings.largest_megapixels)
    for split in settings.used(splits):
        for path, parts in listed_images(settings, folder, split, problems, [settings.masks]):
            identifier = identifier_of(path, folder)
            yield Entry(
                identifier, split, partial(_read, settings, identifier, split, path, parts, masks, root)
            )


def _read(
    settings: Settings,
    identifier: str,
    split: str,
    path: Path,
    parts: dict[str, str],
    masks: MaskReader,
    root: Path,
    problems: Problems,
) -> Record | None:
    where = relative_to(path, root)
    image = read_image(path, where, settings, problems)
    mask, mask_file = masks.read(parts, where, problems, None if image is None else image.size)
    if image is None or mask is None:
        return None
    extra = {"image_file": where, "mask_file": mask_file}
    return Record(identifier, split, image.content, mask=mask, extra=extra)
