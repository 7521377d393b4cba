"""Datasets in tar files as WebDataset writes them: the files of a sample have one name and different suffixes."""

from __future__ import annotations

import tarfile
from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from transfer_atlas.datasets.adapters.base import existing_folder, leads_out, relative_to
from transfer_atlas.datasets.adapters.packed_files import (
    PackedFiles,
    describe_packed,
    record_of,
    task_types_of,
)
from transfer_atlas.datasets.adapters.patterns import Pattern, find
from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems

Place = tuple[int, int]  # offset in the tar file, and size


class Settings(PackedFiles):
    """Settings of the adapter."""

    name: Literal["webdataset_tar"] = "webdataset_tar"
    files: Pattern = Field("{split}-*.tar", description="Pattern of a split's tar files below `path`.")
    image: list[str] = Field(
        ["jpg", "jpeg", "png", "webp"],
        min_length=1,
        description="Suffixes of the images; the first there counts.",
    )
    label: str = Field("cls", description="Suffix of the files with the number of the class.")
    mask: str = Field("seg.png", description="Suffix of the masks.")

    @model_validator(mode="after")
    def _classes_known(self) -> Self:
        if self.classes is None and self.segmentation is None:
            raise ValueError(
                "classes: tar files have numbers alone; name them, or describe masks in `segmentation`"
            )
        return self


def raw_path(settings: Settings) -> str:
    """Path of the raw files relative to the data root."""
    return settings.path


def task_types(settings: Settings) -> tuple[TaskType, ...]:
    """Task types whose annotations the records hold."""
    return task_types_of(settings)


def describe(settings: Settings, root: Path, dataset: str) -> dict[str, Any]:
    """Return the fields of DatasetDescription but name, counts, mean and std."""
    return describe_packed(settings, settings.classes)


def records(
    settings: Settings, root: Path, problems: Problems, splits: Collection[str] | None = None
) -> Iterator[Entry]:
    """Yield one entry per sample, by split, file and place in it; ids: tar file without suffix, and sample."""
    folder = existing_folder(root, settings.path, problems.dataset)
    for split in settings.used(splits):
        files = [path for path, _ in find(folder, settings.files, {"split": settings.splits[split]})]
        if not files:
            where = f"{folder}/{settings.files}"
            problems.add(where, f"no file matches (split {split})", "tar files", "Correct `files` or `path`.")
        for path in files:
            where = relative_to(path, root)
            stem = relative_to(path, folder).removesuffix(path.suffix)
            for sample, places in _samples(path, where, problems).items():
                name = f"{stem}/{sample}"
                yield Entry(
                    name, split, partial(_read, settings, name, split, path, f"{where}, {sample}", places)
                )


def _samples(path: Path, where: str, problems: Problems) -> dict[str, dict[str, Place]]:
    """Files of a tar by sample and suffix, in the order of the tar; nothing is unpacked."""
    samples: dict[str, dict[str, Place]] = {}
    try:
        with tarfile.open(path, "r:") as opened:
            for member in opened:
                folder, slash, name = member.name.removeprefix("./").rpartition("/")
                stem, dot, suffix = name.partition(".")
                if not (member.isfile() and stem and dot):
                    continue
                if leads_out(folder + slash + stem):
                    told = f"{where}, {member.name[:80]!r}"
                    problems.add(told, "a name that leads elsewhere", "a plain name", "Pack it anew.")
                    continue
                places = samples.setdefault(folder + slash + stem, {})
                if suffix.lower() in places:
                    remedy = "Pack it anew, with each file once."
                    problems.add(f"{where}, {member.name[:80]}", "a file that occurs twice", "once", remedy)
                places[suffix.lower()] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError, EOFError) as error:
        remedy = "Fetch it anew; a compressed one must be unpacked to a plain tar first."
        problems.add(where, f"the tar file cannot be read ({error})", "a whole, uncompressed tar", remedy)
    return samples


def _read(
    settings: Settings,
    identifier: str,
    split: str,
    path: Path,
    where: str,
    places: dict[str, Place],
    problems: Problems,
) -> Record | None:
    types, label = task_types(settings), None
    image = next((suffix for suffix in settings.image if suffix in places), None)
    contents: dict[str, bytes] = {}
    with path.open("rb") as file:
        for suffix in {image, settings.label, settings.mask} & places.keys():
            file.seek(places[suffix][0])
            contents[suffix] = file.read(places[suffix][1])
    if image is not None and "classification" in types:  # what has none is told below
        text = contents.get(settings.label, b"").decode("utf-8-sig", "replace").strip()
        if not text.isdecimal() or int(text) >= len(settings.classes):
            expected = f"a number of 0 to {len(settings.classes) - 1} in .{settings.label}"
            problems.add(where, f"label {text[:40]!r}", expected, "Correct `label` or `classes`.")
            return None
        label = int(text)
    pictures = (contents.get(image), contents.get(settings.mask))
    return record_of(settings, identifier, split, where, *pictures, label, problems)
