"""What adapters of packed datasets (Parquet, tar) share: where annotations are, and how samples become records."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import RawSettings
from transfer_atlas.datasets.adapters.image_bytes import taken_image
from transfer_atlas.datasets.adapters.mask_files import MaskFiles, describe_masks, fitted, label_map
from transfer_atlas.datasets.adapters.patterns import Pattern
from transfer_atlas.datasets.prepared import Record, TaskType
from transfer_atlas.datasets.problems import Problems


class PackedFiles(RawSettings):
    """Folder and splits, and which annotations samples have: one label, a mask, or both."""

    files: Pattern
    path: str = Field(description="Folder of the raw dataset, relative to the data root.")
    splits: dict[str, Pattern] = Field(
        {"train": "train", "val": "val"}, min_length=1, description="Split -> its name on disk, for {split}."
    )
    classes: list[str] | None = Field(
        None, min_length=1, description="Names of the labels of whole images, in the order of their numbers."
    )
    segmentation: MaskFiles | None = Field(
        None, description="What the values of the masks mean, for datasets that have them."
    )
    orientation: Literal["as_stored", "as_shown"] = Field(
        "as_stored",
        description="Whether photographs are taken as they are stored or, where EXIF data turn them, as shown.",
    )

    @model_validator(mode="after")
    def _splits_differ(self) -> Self:
        if len(self.splits) > 1 and "{split}" not in self.files:
            raise ValueError("files: without {split} all splits would be the same; add it")
        return self

    def used(self, splits: Any = None) -> list[str]:
        """Names of the splits, sorted; splits: only these of them."""
        return [name for name in sorted(self.splits) if splits is None or name in splits]


def task_types_of(settings: PackedFiles) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold: labels, unless there are masks alone."""
    if settings.segmentation is None:
        return ("classification",)
    return ("segmentation",) if settings.classes is None else ("segmentation", "classification")


def describe_packed(settings: PackedFiles, classes: list[str] | None) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    types = task_types_of(settings)
    return {
        "segmentation": settings.segmentation and describe_masks(settings.segmentation),
        "classification": {"classes": classes} if "classification" in types else None,
        "source": settings.source,
        "licence": settings.licence,
    }


def record_of(
    settings: PackedFiles,
    identifier: str,
    split: str,
    where: str,
    image: bytes | None,
    mask: bytes | None,
    label: int | None,
    problems: Problems,
) -> Record | None:
    """The record of one sample; None, and a problem, if something is not in order.

    image, mask: contents of files, None where the sample has none; label: index of the class.
    """
    if image is None:
        problems.add(where, "no image", "one per sample", "Correct the setting that names it, or the files.")
        return None
    taken = taken_image(image, where, settings, problems)
    found: np.ndarray | None = None
    if settings.segmentation is not None:
        if mask is None:
            problems.add(
                where, "no mask", "one per sample", "Correct the setting that names it, or the files."
            )
            return None
        mapping = label_map(settings.segmentation, settings.largest_megapixels)
        found = mapping.read(mask, f"mask of {where}", problems)
        if found is not None and taken is not None:
            found = fitted(found, taken.size, settings.segmentation.fit, f"mask of {where}", problems)
        if found is None:
            return None
    if taken is None:
        return None
    extra = {"image_file": where, "mask_file": f"mask of {where}"}
    return Record(identifier, split, taken.content, mask=found, label=label, extra=extra)
