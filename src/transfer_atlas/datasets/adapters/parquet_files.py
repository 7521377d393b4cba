"""Datasets in Parquet as Hugging Face distributes them: images as bytes in a column, labels and masks in others."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from transfer_atlas.datasets.adapters.base import existing_folder, relative_to
from transfer_atlas.datasets.adapters.packed_files import (
    PackedFiles,
    describe_packed,
    record_of,
    task_types_of,
)
from transfer_atlas.datasets.adapters.patterns import Pattern, find
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

if TYPE_CHECKING:
    import pyarrow as pa


class Settings(PackedFiles):
    """Settings of the adapter."""

    name: Literal["parquet_files"] = "parquet_files"
    files: Pattern = Field(
        "data/{split}-*.parquet",
        description="Pattern of a split's files below `path`. Names of classes come with them, unless `classes` says.",
    )
    image: str = Field("image", description="Column of the images.")
    label: str = Field("label", description="Column of the labels of whole images.")
    mask: str = Field("annotation", description="Column of the masks.")


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return task_types_of(settings)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    classes = None
    if "classification" in task_types(settings):
        classes = settings.classes or _named_classes(settings, root, dataset)
    return describe_packed(settings, classes)


def _files(settings: Settings, root: Path, split: str, dataset: str) -> list[Path]:
    folder = existing_folder(root, settings.path, dataset)
    files = [path for path, _ in find(folder, settings.files, {"split": settings.splits[split]})]
    if not files:
        raise DatasetError(
            f"Dataset '{dataset}': no file matches {folder}/{settings.files} (split {split}). Expected Parquet files: "
            "correct `files`, `splits` or `path`."
        )
    return files


def _named_classes(settings: Settings, root: Path, dataset: str) -> list[str]:
    """Names of the classes that Hugging Face writes into the schema of its files."""
    file = _files(settings, root, min(settings.splits), dataset)[0]
    try:
        metadata = json.loads(_opened(str(file), dataset).schema_arrow.metadata[b"huggingface"])
        return [str(name) for name in metadata["info"]["features"][settings.label]["names"]]
    except (KeyError, TypeError, ValueError) as error:
        raise DatasetError(
            f"Dataset '{dataset}': {file} does not name the classes of column '{settings.label}'. Expected them in the "
            "schema, as Hugging Face's library writes them: give `classes`, or correct `label`."
        ) from error


def _opened(file: str, dataset: str) -> Any:
    try:
        status = Path(file).stat()
    except OSError as error:
        raise DatasetError(
            f"Dataset '{dataset}': {file} cannot be read ({error.strerror}). Expected a Parquet file: restore it."
        ) from error
    return _opened_once(file, dataset, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=4)
def _opened_once(file: str, dataset: str, changed: int, size: int) -> Any:
    """The open file; changed, size: a file that is written anew is opened anew."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(file, memory_map=True)
    except (OSError, pa.ArrowInvalid) as error:
        raise DatasetError(
            f"Dataset '{dataset}': {file} is no Parquet file ({error}). Fetch it anew; where it is a text of a few "
            "lines, only a pointer to it was fetched."
        ) from error


@lru_cache(maxsize=1)
def _group(file: str, group: int, columns: tuple[str, ...], dataset: str) -> pa.Table:
    """One row group: images are read in the order of the files, so that the last is enough."""
    return _opened(file, dataset).read_row_group(group, list(columns), use_threads=False)


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per row, by split, file and row; ids: file without suffix, and number of the row."""
    types = task_types(settings)
    wanted = [settings.image]
    wanted += [settings.label] if "classification" in types else []
    wanted += [settings.mask] if "segmentation" in types else []
    for split in settings.used(splits):
        for path in _files(settings, root, split, problems.dataset):
            opened, where = _opened(str(path), problems.dataset), relative_to(path, root)
            lacking = [name for name in wanted if name not in opened.schema_arrow.names]
            if lacking:
                found = f"no column {', '.join(lacking)}"
                expected = f"columns among {', '.join(opened.schema_arrow.names)}"
                problems.add(where, found, expected, "Correct `image`, `label` or `mask`.")
                continue
            stem, row = relative_to(path, root / settings.path).removesuffix(path.suffix), 0
            for group in range(opened.metadata.num_row_groups):
                for at in range(opened.metadata.row_group(group).num_rows):
                    read = partial(
                        _read, settings, tuple(wanted), f"{stem}/{row:07d}", split, path, where, group, at
                    )
                    yield Entry(f"{stem}/{row:07d}", split, read)
                    row += 1


def _read(
    settings: Settings,
    columns: tuple[str, ...],
    identifier: str,
    split: str,
    path: Path,
    where: str,
    group: int,
    at: int,
    problems: Problems,
) -> Record | None:
    table = _group(str(path), group, columns, problems.dataset)
    row = {name: table[name][at].as_py() for name in columns}
    name = f"{where}, row {int(identifier.rpartition('/')[2])}"
    label = row.get(settings.label)
    if settings.label in columns and not isinstance(label, (int, np.integer)):
        problems.add(name, f"label {str(label)[:40]!r}", "the number of a class", "Correct `label`.")
        return None
    images = [_content(row.get(column)) for column in (settings.image, settings.mask)]
    return record_of(settings, identifier, split, name, *images, label, problems)


def _content(value: Any) -> bytes | None:
    """Bytes of an image: as they are, or as Hugging Face keeps them beside a path."""
    value = value.get("bytes") if isinstance(value, dict) else value
    return value if isinstance(value, bytes) else None
