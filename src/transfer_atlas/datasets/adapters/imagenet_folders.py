"""Classification datasets with one folder per class, such as ILSVRC'12; validation images may lie flat."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from transfer_atlas.datasets.adapters.base import RawSettings, existing_folder, relative_to
from transfer_atlas.datasets.adapters.image_bytes import read_image
from transfer_atlas.datasets.adapters.image_files import SplitName, identifier_of
from transfer_atlas.datasets.adapters.list_files import read_lines
from transfer_atlas.datasets.adapters.patterns import IMAGE_SUFFIXES, Pattern, find_all
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError


class Settings(RawSettings):
    """Settings of the adapter."""

    name: Literal["imagenet_folders"] = "imagenet_folders"
    path: str = Field(description="Folder of the raw dataset, relative to the data root.")
    splits: dict[SplitName, Pattern] = Field(
        {"train": "train", "val": "val"}, min_length=1, description="Split -> its folder below `path`."
    )
    orientation: Literal["as_stored", "as_shown"] = Field(
        "as_stored",
        description="Whether photographs are taken as they are stored or, where EXIF data turn them, as they "
        "are shown.",
    )
    classes: list[str] | None = Field(
        None,
        min_length=1,
        description="Class folders, in the order of their indices; by default the first split's by name, sorted.",
    )
    val_labels: Pattern | None = Field(
        None,
        description="Text file below `path` with the class of each image of a flat validation folder, one a "
        "line: a class folder's name, or an index into `val_index` from 1. Images are taken sorted by "
        "file name; a file name before the class is checked.",
    )
    val_index: Pattern | None = Field(
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
    names = sorted(_class_folders(first))
    if not names:
        raise DatasetError(
            f"Dataset '{dataset}': {first} has no class folder. Expected one folder per class with "
            "its images: correct `path` or `splits`."
        )
    return names


def _class_folders(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")}


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
            identifier = identifier_of(path, folder)
            yield Entry(identifier, split, partial(_read, settings, identifier, split, path, label, root))


def _read(
    settings: Settings, identifier: str, split: str, path: Path, label: int, root: Path, problems: Problems
) -> Record | None:
    where = relative_to(path, root)
    image = read_image(path, where, settings, problems)
    if image is None:
        return None
    return Record(identifier, split, image.content, label=label, extra={"image_file": where})


def _images(directory: Path, problems: Problems) -> list[Path]:
    """Image files of a folder, sorted by name; other files are counted."""
    images = []
    for path in sorted(directory.iterdir()):
        if path.name.startswith(".") or path.is_dir():
            continue
        if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file():
            images.append(path)
        else:
            problems.pass_over(f"{directory.name}/*{path.suffix}")
    return images


def _by_folder(
    directory: Path, classes: list[str], root: Path, problems: Problems
) -> Iterator[tuple[Path, int]]:
    """Yield (image, class index) from class folders, and from the folders in them."""
    folders = _class_folders(directory)
    for name in sorted(folders - set(classes)):
        where, remedy = relative_to(directory / name, root), "Add it to `classes`, or move the folder away."
        problems.add(where, "a folder that is no class", "class folders only", remedy)
    loose = _images(directory, problems)
    if loose and not folders:
        remedy = "Give the labels of a flat validation folder in `val_labels`."
        problems.add(
            relative_to(directory, root), "images without class folders", "one folder per class", remedy
        )
    for path in loose:
        problems.pass_over(f"{directory.name}/*{path.suffix} outside the class folders")
    for label, name in enumerate(classes):
        if name not in folders:
            continue
        for path, parts in find_all(directory / name, "**/*", {}):
            if parts is not None:
                yield path, label
            else:
                problems.pass_over(f"{directory.name}/{name}/*{path.suffix}")


def _flat(
    settings: Settings, folder: Path, directory: Path, classes: list[str], problems: Problems
) -> Iterator[tuple[Path, int]]:
    """Yield (image, class index) from a flat folder and its file of labels."""
    names = (
        []
        if settings.val_index is None
        else _lines(folder / settings.val_index, "val_index", problems.dataset)
    )
    label_file, images = folder / settings.val_labels, _images(directory, problems)
    labels = _lines(label_file, "val_labels", problems.dataset)
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


def _lines(path: Path, setting: str, dataset: str) -> list[str]:
    """Lines of a text file that are not empty."""
    return [line for _, line in read_lines(path, dataset, "one entry a line", setting)]
