"""What every adapter's settings share, and what an adapter is."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from pydantic import Field

from transfer_atlas.datasets.prepared import Entry, Record, TaskType
from transfer_atlas.datasets.problems import Problems
from transfer_atlas.errors import DatasetError
from transfer_atlas.strict import Strict

UNNAMEABLE = re.compile("[\0-\x1f\ud800-\udfff]")
LONGEST_PATH = 2000
LONGEST_NAME = 200  # bytes of a part of a path: file systems take 255, and a suffix may follow


class RawSettings(Strict):
    """What the settings of every adapter of raw files hold."""

    source: str = Field("", description="Where the files come from.")
    data_root: str | None = Field(
        None,
        min_length=1,
        description="Folder that `path` is in, if not the study's data root. ~ and variables such as $DATA are "
        "expanded.",
    )
    tolerate_broken: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Share of the images that may be broken (not decodable): they are left out, and named in "
        "dataset.json.",
    )
    largest_megapixels: float = Field(
        178.0,
        gt=0,
        description="Pictures with more pixels are refused: small files can be made to fill the memory. Aerial "
        "tiles may need more.",
    )
    licence: str = Field("", description="Licence or terms of use of the images and annotations.")


class Adapter(Protocol):
    """A module of `adapters/` or `official/`: turns one layout into records. `registry.py` finds it by its file.

    `Settings` is a frozen model with a `name: Literal[...] = ...` that tells adapters apart. A module of `official/`
    has a `CARD` as well.
    """

    Settings: type[Strict]

    def records(self, settings: Any, root: Path, problems: Problems) -> Iterator[Entry | Record]:
        """Yield the images in a fixed order, whatever the order of mappings in the settings.

        Entries are listed and read later, by any of several processes, or never: listing should open no image.
        Records, which are read at once, suit data that are generated. root: the data root. Images that are not in
        order become problems, not records.
        """
        ...

    def describe(self, settings: Any, root: Path, dataset: str) -> dict[str, Any]:
        """Return the fields of DatasetDescription but name, counts, mean and std."""
        ...

    def task_types(self, settings: Any) -> tuple[TaskType, ...]:
        """Return the task types whose annotations the records hold."""
        ...

    def raw_path(self, settings: Any) -> str | None:
        """Path of the raw files relative to the data root; None for generated datasets."""
        ...


def existing_folder(root: Path, path: str, dataset: str) -> Path:
    """Return root / path; DatasetError if it is not a folder."""
    folder = Path(root) / path
    if folder.is_dir():
        return folder
    found = "is a file" if folder.exists() else "does not exist"
    raise DatasetError(
        f"Dataset '{dataset}': the folder {folder} {found}. Expected the raw dataset there: fetch it "
        f"(`dvc pull {folder}` where {folder}.dvc exists, else from its authors), or correct `path`."
    )


def relative_to(path: Path, root: Path) -> str:
    """Name a file in messages relative to the data root, with forward slashes."""
    # as text: this is asked several times an image, and pathlib takes a quarter of a millisecond for it
    name, start = path.as_posix(), root.as_posix()
    if start == ".":
        return name
    start = start if start.endswith("/") else f"{start}/"
    return name[len(start) :] if name.startswith(start) else name


def leads_out(name: str) -> bool:
    """Whether a name that a file gives is none of a file below the folder it is meant in.

    Absolute names, names with `..`, and those that no file can have: lists come from others, and a name in them must
    reach nothing outside their dataset's folder.
    """
    parts = name.replace("\\", "/").split("/")
    return (
        not parts[0]
        or ".." in parts
        or UNNAMEABLE.search(name) is not None
        or len(name) > LONGEST_PATH
        or any(len(os.fsencode(part)) > LONGEST_NAME for part in parts)
    )
