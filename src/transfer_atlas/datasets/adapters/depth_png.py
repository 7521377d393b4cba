"""Depth datasets of one image file and one 16-bit PNG of depth per image, in any folders; masks on top if any."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.camera import with_normals
from transfer_atlas.datasets.adapters.depth_files import DepthFiles, DepthReader, describe_depth
from transfer_atlas.datasets.adapters.image_bytes import read_image
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, identifier_of, listed_images
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, MaskReader, describe_masks
from transfer_atlas.datasets.adapters.normals_files import NormalsFiles, NormalsReader
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.strict import Introduced


class Settings(ListedImageFiles):
    """Settings of the adapter."""

    name: Literal["depth_png"] = "depth_png"
    depth: DepthFiles = Field(description="Where the depth maps are, and what their values mean.")
    normals: Annotated[NormalsFiles | None, Introduced(None)] = Field(
        None, description="Where maps of surface normals are, for datasets that have their own."
    )
    segmentation: MaskFiles | None = Field(
        None, description="Where the masks are, for datasets that also have them."
    )

    @model_validator(mode="after")
    def _files_follow_images(self) -> Self:
        self.check_pattern("depth.files", self.depth.files)
        if self.segmentation is not None:
            self.check_pattern("segmentation.masks", self.segmentation.masks)
        if self.normals is not None:
            self.check_pattern("normals.files", self.normals.files)
            if self.depth.camera is not None:
                raise ValueError("normals and depth.camera exclude each other: normals are files, or derived")
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    found: tuple[TaskType, ...] = ("depth",) if settings.segmentation is None else ("segmentation", "depth")
    return found if settings.normals is None and settings.depth.camera is None else (*found, "normals")


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    masks = settings.segmentation
    described = {
        "segmentation": None if masks is None else describe_masks(masks),
        "depth": describe_depth(settings.depth),
        "source": settings.source,
        "licence": settings.licence,
    }
    if settings.normals is not None:
        return described | {"normals": {}}
    return with_normals(described, settings.depth.camera)


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per image, by split and then by path; ids are paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    reader = _Reader(settings, folder, root)
    for split in settings.used(splits):
        for path, parts in listed_images(settings, folder, split, problems, reader.patterns):
            identifier = identifier_of(path, folder)
            yield Entry(identifier, split, partial(reader.read, identifier, split, path, parts))


class _Reader:
    """Reads an image with its depth map, and its mask if there are any."""

    def __init__(self, settings: Settings, folder: Path, root: Path) -> None:
        self.settings, self.root, masks = settings, root, settings.segmentation
        self.depths = DepthReader(settings.depth, folder, root, settings.largest_megapixels)
        self.masks = masks and MaskReader(masks, folder, root, settings.largest_megapixels)
        self.normals = settings.normals and NormalsReader(settings.normals, folder, root)
        self.patterns = [settings.depth.files, *([masks.masks] if masks else [])]
        self.patterns += [settings.normals.files] if settings.normals else []

    def read(
        self, identifier: str, split: str, path: Path, parts: dict[str, str], problems: Problems
    ) -> Record | None:
        where = relative_to(path, self.root)
        image = read_image(path, where, self.settings, problems)
        extra, mask = {"image_file": where}, None
        depth, extra["depth_file"] = self.depths.read(parts, where, problems)
        if self.masks is not None:
            size = None if image is None else image.size
            mask, extra["mask_file"] = self.masks.read(parts, where, problems, size)
        normals = None
        if self.normals is not None:
            normals, extra["normals_file"] = self.normals.read(parts, where, problems)
            if normals is None:
                return None
        if image is None or depth is None or (self.masks is not None and mask is None):
            return None
        return Record(identifier, split, image.content, mask=mask, depth=depth, normals=normals, extra=extra)
