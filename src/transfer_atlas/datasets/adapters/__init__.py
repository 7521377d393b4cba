"""The adapters by name, and `prepare`, which runs one of them.

To add an adapter: one module with `Settings`, `records`, `describe` and `raw_path` (see `base.Adapter`), and
its line in ADAPTERS and in `AdapterSettings`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Union

from pydantic import Field

from transfer_atlas.datasets.adapters import (
    coco_json,
    depth_png,
    image_mask_folders,
    imagenet_folders,
    miniature,
    voc_xml,
)
from transfer_atlas.datasets.adapters.base import Adapter
from transfer_atlas.datasets.official.registry import OFFICIAL
from transfer_atlas.datasets.prepared import DatasetDescription, TaskType
from transfer_atlas.datasets.problems import Problems

ADAPTERS: dict[str, Adapter] = {
    "coco_json": coco_json,
    "depth_png": depth_png,
    "image_mask_folders": image_mask_folders,
    "imagenet_folders": imagenet_folders,
    "miniature": miniature,
    "voc_xml": voc_xml,
    **OFFICIAL,
}

# What a dataset's entry in a study may be; `name` says which adapter reads it.
AdapterSettings = Annotated[
    Union[tuple(adapter.Settings for adapter in ADAPTERS.values())],  # noqa: UP007 (computed)
    Field(discriminator="name"),
]


def prepare(
    settings: AdapterSettings, root: Path, folder: Path, *, dataset: str, domain: str
) -> DatasetDescription:
    """Read a raw dataset below `root`, and write it to `folder` as a prepared dataset.

    Raises DatasetError with up to 20 problems: file, what was found, what was expected, and a remedy.
    """
    from transfer_atlas.datasets.writing import write_prepared  # reading a study needs no Parquet

    adapter = ADAPTERS[settings.name]
    problems = Problems(dataset)
    description = adapter.describe(settings, Path(root), dataset) | {"name": dataset, "domain": domain}
    records = adapter.records(settings, Path(root), problems)
    return write_prepared(folder, description, records, problems=problems)


def task_types(settings: AdapterSettings) -> tuple[TaskType, ...]:
    """Task types that a dataset's adapter delivers. ConfigurationError for an unknown miniature dataset."""
    return ADAPTERS[settings.name].task_types(settings)


def raw_path(settings: AdapterSettings) -> str | None:
    """Path of a dataset's raw files relative to the data root; None for generated datasets."""
    return ADAPTERS[settings.name].raw_path(settings)
