"""Detection and keypoint datasets in COCO's format: image files, and one JSON file of annotations per split."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.box_files import BoxFiles
from transfer_atlas.datasets.adapters.camera import with_normals
from transfer_atlas.datasets.adapters.coco_files import CocoFile, read_coco
from transfer_atlas.datasets.adapters.coco_objects import ObjectReader, are_numbers
from transfer_atlas.datasets.adapters.coco_outlines import OutlineMasks, OutlineReader, describe_outlines
from transfer_atlas.datasets.adapters.depth_files import DepthFiles, DepthReader, describe_depth
from transfer_atlas.datasets.adapters.image_bytes import ReadImage, read_image
from transfer_atlas.datasets.adapters.image_files import ListedImageFiles, identifier_of
from transfer_atlas.datasets.adapters.json_images import check_annotation_files, images_listed, on_disk
from transfer_atlas.datasets.adapters.keypoint_files import KeypointFiles, describe_keypoints
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, MaskReader, describe_masks
from transfer_atlas.datasets.adapters.patterns import Pattern, fill
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

UNKNOWN_SIZE = (65535, 65535)  # of an image that cannot be read, which is told elsewhere


class Settings(BoxFiles, ListedImageFiles):
    """Settings of the adapter."""

    IN_ANNOTATIONS = True

    name: Literal["coco_json"] = "coco_json"
    annotations: Pattern = Field(
        "annotations/{split}.json",
        description="JSON file of a split below `path`. It says which of the images are used: those it lists. "
        "Without {split} one file is for all splits, which `lists` or `split` tell apart.",
    )
    classes: list[str] | None = Field(
        None,
        min_length=1,
        description="Classes of the boxes, in the order of their indices; by default the categories of the "
        "first split by name that `labels` does not name, by ascending id.",
    )
    keypoints: KeypointFiles | None = Field(
        None,
        description="What is to be known of the keypoints, for datasets that have them; {} is enough "
        "where the file names them, and COCO knows their sigmas.",
    )
    segmentation: MaskFiles | None = Field(
        None, description="Where the masks are, for datasets that also have them."
    )
    outlines: OutlineMasks | None = Field(
        None,
        description="What masks are drawn of the outlines (polygons or run lengths) in the files, for datasets whose "
        "masks are there; {} is enough.",
    )
    depth: DepthFiles | None = Field(
        None, description="Where the depth maps are, for datasets that also have them."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        files = {"annotations": self.annotations}
        if self.keypoints is not None and self.keypoints.annotations is not None:
            files["keypoints.annotations"] = self.keypoints.annotations
        check_annotation_files(self, files)
        if self.segmentation is not None and self.outlines is not None:
            raise ValueError("segmentation and outlines exclude each other: masks are files, or drawn")
        if self.classes is not None:
            self.check_labels(self.classes)
        if self.segmentation is not None:
            self.check_pattern("segmentation.masks", self.segmentation.masks)
        if self.depth is not None:
            self.check_pattern("depth.files", self.depth.files)
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    given = {
        "segmentation": settings.segmentation or settings.outlines,
        "detection": settings,
        "keypoints": settings.keypoints,
        "depth": settings.depth,
    }
    found: tuple[TaskType, ...] = tuple(name for name, section in given.items() if section is not None)
    return found if settings.depth is None or settings.depth.camera is None else (*found, "normals")


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    described = _Described(settings, root, dataset)
    masks = settings.segmentation and describe_masks(settings.segmentation)
    if settings.outlines is not None:
        masks = describe_outlines(settings.outlines, described.classes)
    fields = {
        "segmentation": masks,
        "detection": {"classes": described.classes},
        "keypoints": described.keypoints,
        "depth": settings.depth and describe_depth(settings.depth),
        "source": settings.source,
        "licence": settings.licence,
    }
    return with_normals(fields, settings.depth and settings.depth.camera)


class _Described:
    """Classes and keypoints: as the settings say, else as the first split's files do."""

    def __init__(self, settings: Settings, root: Path, dataset: str) -> None:
        folder = existing_folder(root, settings.path, dataset)
        split = on_disk(settings, settings.split_names[0])
        section = settings.keypoints
        path = folder / fill(settings.annotations, {"split": split})
        file = None
        if settings.classes is None or (section and section.names is None and section.annotations is None):
            file = read_coco(path, root, dataset)
        try:
            self.classes = settings.classes or [
                name for name in file.category_names().values() if settings.labels.get(name, name) == name
            ]
            if not self.classes:
                raise ValueError(f"{file.name} names no category: correct `categories`, or give `classes`")
            settings.check_labels(self.classes)
            self.keypoints = None
            if section is not None:
                if section.annotations is not None and section.names is None:
                    file = read_coco(folder / fill(section.annotations, {"split": split}), root, dataset)
                if section.names is not None:
                    self.keypoints = describe_keypoints(section, section.names)
                else:
                    names, skeleton, category = _named_in(file, section.skeleton is None)
                    owners = [settings.labels.get(category, category)]
                    self.keypoints = describe_keypoints(section, names, skeleton, owners)
        except ValueError as error:
            raise DatasetError(f"Dataset '{dataset}': {error}.") from error


def _named_in(file: CocoFile, with_skeleton: bool) -> tuple[list[str], list[tuple[int, int]], str]:
    """Names and skeleton (from 0) of the one category with keypoints, and its name.

    with_skeleton: whether the file's skeleton is used. Raises ValueError if there is not one such category, or it is
    not in order.
    """
    found = [category for category in file.categories if category.get("keypoints")]
    if len(found) != 1:
        raise ValueError(
            f"{len(found)} categories of {file.name} name keypoints; expected one: give `keypoints.names`"
        )
    names, limbs = found[0]["keypoints"], (found[0].get("skeleton") or []) if with_skeleton else []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(
            f"{file.name} has the keypoints {str(names)[:60]}; expected names: give `keypoints.names`"
        )
    pairs = isinstance(limbs, list) and all(isinstance(limb, list) and len(limb) == 2 for limb in limbs)
    if not pairs or not all(type(end) is int and 1 <= end <= len(names) for limb in limbs for end in limb):
        raise ValueError(
            f"{file.name} has the skeleton {str(limbs)[:60]}; expected pairs of the numbers 1 to {len(names)}, since "
            "COCO counts keypoints from 1: correct the file, or give `keypoints.skeleton`"
        )
    skeleton = [(one - 1, other - 1) for one, other in limbs]
    return list(names), skeleton, file.category_names()[found[0]["id"]]


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per listed image, by split and then by path; ids: paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    described = _Described(settings, root, problems.dataset)
    reader = None
    for split in settings.used(splits):
        if reader is None or "{split}" in settings.annotations:
            reader = _Reader(settings, described, folder, root, split, problems)
        for path, parts, listed in images_listed(
            settings, folder, split, reader.file, problems, reader.patterns
        ):
            identifier = identifier_of(path, folder)
            yield Entry(identifier, split, partial(reader.read, identifier, split, path, parts, listed))


class _Reader:
    """Reads the images of one split with their annotations."""

    def __init__(
        self,
        settings: Settings,
        described: _Described,
        folder: Path,
        root: Path,
        split: str,
        problems: Problems,
    ) -> None:
        """Read the split's files of annotations."""
        self.settings, self.root, dataset = settings, root, problems.dataset
        parts = {"split": on_disk(settings, split)}
        outlines = settings.outlines is not None
        self.file = read_coco(folder / fill(settings.annotations, parts), root, dataset, outlines)
        points = len(described.keypoints["names"]) if described.keypoints else None
        self.objects = ObjectReader(
            settings, described.classes, settings.keypoints, points, self.file, problems
        )
        if settings.keypoints is not None and settings.keypoints.annotations is not None:
            path = folder / fill(settings.keypoints.annotations, parts)
            self.objects.add_keypoints(read_coco(path, root, dataset), problems)
        self.annotations = self.file.annotations_by_image(problems)
        masks = settings.segmentation
        self.masks = masks and MaskReader(masks, folder, root, settings.largest_megapixels)
        self.depths = settings.depth and DepthReader(
            settings.depth, folder, root, settings.largest_megapixels
        )
        self.outlines = settings.outlines and OutlineReader(settings.outlines, len(described.classes))
        self.patterns = [masks.masks] if masks else []
        self.patterns += [settings.depth.files] if settings.depth else []

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
        size = _checked_size(image, listed, where, self.file.name, problems)
        annotations = self.annotations[listed["id"]]
        objects = self.objects.read(annotations, size, where, problems)
        extra, mask, depth = {"image_file": where}, None, None
        if self.masks:
            mask, extra["mask_file"] = self.masks.read(parts, where, problems, image and image.size)
        if self.outlines and objects is not None:
            mask = self.outlines.draw(self.objects.labelled(annotations, where), size, problems)
        if self.depths:
            depth, extra["depth_file"] = self.depths.read(parts, where, problems)
        lacks_mask = (self.masks or self.outlines) and mask is None
        if image is None or objects is None or lacks_mask or (self.depths and depth is None):
            return None
        return Record(identifier, split, image.content, objects=objects, mask=mask, depth=depth, extra=extra)


def _checked_size(
    image: ReadImage | None, listed: dict[str, Any], where: str, file: str, problems: Problems
) -> tuple[int, int]:
    """Width and height of an image; a problem if the annotations are of another size. 0 x 0 says nothing."""
    stated = [listed.get("width"), listed.get("height")]
    for at, value in enumerate(stated):
        if isinstance(value, str) and value.strip().replace(".", "", 1).isdigit():
            stated[at] = float(value)
    said = [value for value in stated if value not in (None, 0)]
    usable = len(said) == 2 and are_numbers(said) and all(0 < value < math.inf for value in said)
    if said and not usable:
        found = f"width {str(listed.get('width'))[:40]} and height {str(listed.get('height'))[:40]}"
        where_said = f"{file}, image {listed['id']}"
        problems.add(where_said, found, "numbers of pixels, or neither", "Correct the file.")
    if image is None:  # told elsewhere
        return (int(stated[0]), int(stated[1])) if usable else UNKNOWN_SIZE
    if usable and tuple(stated) != image.size:
        expected = f"the {stated[0]:g} x {stated[1]:g} (width x height) that {file} states"
        remedy = "Fetch the image anew, or scale its annotations."
        problems.add(where, f"an image of {image.size[0]} x {image.size[1]}", expected, remedy)
    return image.size
