"""Classification datasets with one folder per class, such as ILSVRC'12; validation images may lie flat."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from transfer_atlas.datasets.adapters.base import RawSettings, existing_folder, relative_to
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError

SUFFIXES = (".jpeg", ".jpg", ".png")


class Settings(RawSettings):
    """Settings of the adapter."""

    name: Literal["imagenet_folders"] = "imagenet_folders"
    path: str = Field(description="Folder of the raw dataset, relative to the data root.")
    splits: dict[str, str] = Field(
        {"train": "train", "val": "val"}, min_length=1, description="Split -> its folder below `path`."
    )
    classes: list[str] | None = Field(
        None,
        min_length=1,
        description="Class folders, in the order of their indices; by default the first split's by name, sorted.",
    )
    val_labels: str | None = Field(
        None,
        description="Text file below `path` with the class of each image of a flat validation folder, one a "
        "line: a class folder's name, or an index into `val_index` from 1. Images are taken sorted by "
        "file name; a file name before the class is checked.",
    )
    val_index: str | None = Field(
        None,
        description="Text file below `path` with one class folder's name a line: what indices in "
        "`val_labels` mean. They need it, for ILSVRC's own indices do not follow the sorted names.",
    )


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def classes_of(settings: Settings, root: Path, dataset: str) -> list[str]:
    """Names of the class folders, in the order of their indices."""
    if settings.classes is not None:
        return list(settings.classes)
    first = existing_folder(root, f"{settings.path}/{min(settings.splits.items())[1]}", dataset)
    names = sorted(path.name for path in first.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not names:
        raise DatasetError(
            f"Dataset '{dataset}': {first} has no class folder. Expected one folder per class with "
            "its images: correct `path` or `splits`."
        )
    return names


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return ("classification",)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    return {
        "classification": {"classes": classes_of(settings, root, dataset)},
        "source": settings.source,
        "licence": settings.licence,
    }


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per image, by split, class and file name; ids: paths below `path` without suffix."""
    folder = existing_folder(root, settings.path, problems.dataset)
    classes = classes_of(settings, root, problems.dataset)
    for split, name in sorted(settings.splits.items()):
        if splits is not None and split not in splits:
            continue
        directory = existing_folder(root, f"{settings.path}/{name}", problems.dataset)
        if split == "val" and settings.val_labels is not None:
            labelled = _flat(settings, folder, directory, classes, problems)
        else:
            labelled = _by_folder(directory, classes, root, problems)
        for path, label in labelled:
            identifier = relative_to(path, folder).removesuffix(path.suffix)
            yield Entry(identifier, split, partial(_read, identifier, split, path, label, root))


def _read(
    identifier: str, split: str, path: Path, label: int, root: Path, problems: Problems
) -> Record | None:
    extra = {"image_file": relative_to(path, root)}
    return Record(identifier, split, path.read_bytes(), label=label, extra=extra)


def _images(directory: Path) -> list[Path]:
    """Image files of a folder, sorted by name."""
    paths = (path for path in directory.iterdir() if path.suffix.lower() in SUFFIXES)
    return sorted(path for path in paths if not path.name.startswith("."))


def _by_folder(
    directory: Path, classes: list[str], root: Path, problems: Problems
) -> Iterator[tuple[Path, int]]:
    """Yield (image, class index) from class folders."""
    folders = {path.name for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")}
    for name in sorted(folders - set(classes)):
        where, remedy = relative_to(directory / name, root), "Add it to `classes`, or move the folder away."
        problems.add(where, "a folder that is no class", "class folders only", remedy)
    if not folders and _images(directory):
        remedy = "Give the labels of a flat validation folder in `val_labels`."
        problems.add(
            relative_to(directory, root), "images without class folders", "one folder per class", remedy
        )
    for label, name in enumerate(classes):
        for path in _images(directory / name) if name in folders else ():
            yield path, label


def _flat(
    settings: Settings, folder: Path, directory: Path, classes: list[str], problems: Problems
) -> Iterator[tuple[Path, int]]:
    """Yield (image, class index) from a flat folder and its file of labels."""
    names = [] if settings.val_index is None else _lines(folder / settings.val_index, problems.dataset)
    label_file, images = folder / settings.val_labels, _images(directory)
    labels = _lines(label_file, problems.dataset)
    if len(labels) != len(images):
        remedy = "Complete the folder or the file: lines and images, sorted by file name, are paired."
        problems.add(
            label_file, f"{len(labels)} labels for {len(images)} images", "one line per image", remedy
        )
        return
    indices = {name: index for index, name in enumerate(classes)}
    for number, (path, text) in enumerate(zip(images, labels, strict=True), start=1):
        *file, word = text.split()
        if word not in indices and re.fullmatch(r"\d+", word) and 1 <= int(word) <= len(names):
            word = names[int(word) - 1]
        where = f"{label_file}, line {number}"
        if file and Path(file[0]).stem != path.stem:
            remedy = "Sort the file by file name, and complete it."
            problems.add(where, f"the label of '{file[0]}'", f"that of {path.name}", remedy)
        elif word not in indices:
            expected = "a class folder's name" + (f", or an index of 1 to {len(names)}" if names else "")
            remedy = "Correct `val_labels` or `classes`; indices need `val_index`."
            problems.add(where, f"'{text}'", expected, remedy)
        else:
            yield path, indices[word]


def _lines(path: Path, dataset: str) -> list[str]:
    """Lines of a text file that are not empty."""
    if not path.is_file():
        raise DatasetError(
            f"Dataset '{dataset}': the file {path} does not exist. Expected a text file, one line per entry: "
            "correct `val_labels` or `val_index`, or fetch the file."
        )
    return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
