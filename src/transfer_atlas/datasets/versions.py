"""Content versions of raw datasets: the md5 DVC gives the folder, recorded or taken of the files.

A folder has one version, whether it is plain, under DVC or listed in a manifest, so that `dvc add` of a folder that
is used already changes no key.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from transfer_atlas.datasets.hashing import folder_md5, hash_files
from transfer_atlas.datasets.raw_files import belongs, list_raw_files
from transfer_atlas.datasets.recorded import Recorded, listed_files, recorded
from transfer_atlas.errors import DatasetError

ABSENT = "absent"  # instead of a version, where a dataset is neither here nor recorded: enough to plan with
CACHE_FILE = "content_versions.json"  # in the study's `cache`, or its scratch folder: md5s of files


def is_absent(path: Path) -> bool:
    """Whether there is neither a raw dataset at `path` nor a file that records its version."""
    return not Path(path).exists() and recorded(path) is None


def dataset_version(path: Path, cache_file: Path | None = None) -> str:
    """Return the content version of the raw dataset at `path`: 32 hexadecimal digits and `.dir`, as DVC's.

    Where `<path>.dvc` or `<path>.manifest.json` exists, the md5 it records, whether or not the files are there.
    Where a .dvc file records a folder above, the md5 that `path` itself would have, from DVC's list of that folder
    or, without it, from the files; with neither, `<md5 of the folder above>/<path below it>`, enough to plan with.
    Else the md5 of the files that `dvc add` would record. cache_file: JSON in which the md5s of files are kept by
    path, size, times and inode, so that a second call only asks for these; one serves any number of datasets.

    Raises DatasetError if there is neither, or the .dvc file is not one.
    """
    path = Path(path)
    record = recorded(path)
    if record is not None and record.folder == path:
        return record.version
    if record is not None:
        version = _of_part(record, path)
        if version is not None:
            return version
    if path.is_dir():
        return _hashed(path, cache_file)
    if record is not None:
        return f"{record.version}/{_below(record, path)}"
    found = "is a file" if path.exists() else "does not exist"
    raise DatasetError(
        f"The raw dataset {path} {found}, and there is no {path.name}.dvc beside it. Expected a folder, or a "
        f".dvc file that records its version: put the files there, or correct the dataset's `path`."
    )


def _below(record: Recorded, path: Path) -> str:
    absolute = Path(os.path.abspath(path))  # noqa: PTH100
    return absolute.relative_to(record.folder).as_posix()


def version_of_files(path: Path, patterns: Sequence[str], cache_file: Path | None = None) -> str:
    """Content version of some files of the raw dataset at `path`: the md5 that a folder of only these would have.

    patterns: of relative paths; `*` also stands for folders below. From DVC's list of the folder if it is recorded
    and the list is here, else from the files; with neither, the version of all with the patterns, enough to plan with.
    Raises DatasetError where no file belongs.
    """
    path = Path(path)
    record = recorded(path)
    listed = None
    if record is not None:
        listed = listed_files(record) if record.folder == path else part_of(record, path)
    if listed is None and path.is_dir():
        listed = hash_files(list_raw_files(path).only(patterns), cache_file, whole=False)
    if listed is None:
        return f"{dataset_version(path, cache_file)}?{','.join(sorted(patterns))}"
    chosen = {name: md5 for name, md5 in listed.items() if belongs(name, patterns)}
    if not chosen:
        raise DatasetError(
            f"No file of the raw dataset {path} matches {', '.join(patterns)}. Expected patterns of paths relative to "
            "it, such as */aachen/*: correct `files` of the part."
        )
    return folder_md5(chosen.items())


def part_of(record: Recorded, path: Path) -> dict[str, str] | None:
    """Md5s by relative path of the files of `path` in a recorded folder above; None where DVC's list is not here."""
    listed, below = listed_files(record), _below(record, path)
    if listed is None:
        return None
    if below == ".":
        return listed
    return {
        name.removeprefix(f"{below}/"): md5 for name, md5 in listed.items() if name.startswith(f"{below}/")
    }


def _of_part(record: Recorded, path: Path) -> str | None:
    part = part_of(record, path)
    return folder_md5(part.items()) if part else None


def _hashed(folder: Path, cache_file: Path | None) -> str:
    """Hash all files of a folder, using and updating the cache."""
    found = list_raw_files(folder)
    if not found.files:
        raise DatasetError(
            f"The raw dataset {folder} is empty. Expected its files: put them there, or correct the "
            "dataset's `path`."
        )
    return folder_md5(hash_files(found, cache_file).items())
