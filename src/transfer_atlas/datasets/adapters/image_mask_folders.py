"""Segmentation datasets of one image file and one mask file per image, in any folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, listed_images
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, MaskReader, describe_masks
from transfer_atlas.datasets.prepared import Record, TaskType
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
    """Return the fields of DatasetDescription but name, domain, counts, mean and std."""
    return {
        "segmentation": describe_masks(settings),
        "source": settings.source,
        "licence": settings.licence,
    }


def records(settings: Settings, root: Path, problems: Problems) -> Iterator[Record]:
    """Yield one record per image, by split and then by path; ids are paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    masks = MaskReader(settings, folder, root)
    for split in settings.lists or settings.splits:
        for path, parts in listed_images(settings, folder, split, problems):
            where = relative_to(path, root)
            mask, mask_file = masks.read(parts, where, problems)
            if mask is not None:
                yield Record(
                    id=relative_to(path, folder).removesuffix(path.suffix),
                    split=split,
                    image=path.read_bytes(),
                    mask=mask,
                    extra={"image_file": where, "mask_file": mask_file},
                )
