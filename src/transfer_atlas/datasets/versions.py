"""Content versions of raw datasets: what DVC recorded, or else a hash of all files."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import yaml

from transfer_atlas.datasets.manifest import manifest_file, manifest_version
from transfer_atlas.errors import DatasetError

ABSENT = "absent"  # instead of a version, where a dataset is neither here nor recorded: enough to plan with


def is_absent(path: Path) -> bool:
    """Whether there is neither a raw dataset at `path` nor a file beside it that records its version."""
    recorded = (path.with_name(path.name + ".dvc"), manifest_file(path))
    return not path.exists() and not any(file.exists() for file in recorded)


def dataset_version(path: Path, cache_file: Path | None = None) -> str:
    """Return the content version of the raw dataset at `path`: 32 hexadecimal digits.

    Where `<path>.dvc` or `<path>.manifest.json` exists, the md5 it records, whether or not the files are there;
    a folder's ends in `.dir`. Else the md5 over the sorted relative paths, sizes and md5s of all files, hidden
    ones left out. cache_file: JSON file in which the md5s of files are kept by relative path, size and time of
    change, so that a second call only asks for these; one file serves any number of datasets.

    Raises DatasetError if there is neither, or the .dvc file is not one.
    """
    path = Path(path)
    dvc_file = path.with_name(path.name + ".dvc")
    if dvc_file.is_file():
        return _recorded(dvc_file)
    if manifest_file(path).is_file():
        return manifest_version(manifest_file(path))
    if path.is_dir():
        return _hashed(path, cache_file)
    found = "is a file" if path.exists() else "does not exist"
    raise DatasetError(
        f"The raw dataset {path} {found}, and there is no {dvc_file.name} beside it. Expected a folder, or a "
        f".dvc file that records its version: put the files there, or correct the dataset's `path`."
    )


def _recorded(dvc_file: Path) -> str:
    """Read the md5 of a .dvc file: outs[0].md5 (a folder's ends in .dir)."""
    try:
        content = yaml.safe_load(dvc_file.read_text(encoding="utf-8"))
        version = content["outs"][0]["md5"]
        if not isinstance(version, str) or not version:
            raise TypeError(f"md5 is {version!r}")
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, IndexError, TypeError) as error:
        raise DatasetError(
            f"{dvc_file} records no version ({type(error).__name__}: {error}). Expected outs[0].md5 as "
            "`dvc add` writes it: run `dvc add` again, or restore the file."
        ) from error
    return version


def _hashed(folder: Path, cache_file: Path | None) -> str:
    """Hash all files of a folder, using and updating the cache."""
    caches, name = _load(cache_file), folder.absolute().as_posix()
    cache = caches.get(name, {})
    entries, used = [], {}
    for relative, path in sorted(_files(folder)):
        status = path.stat()
        key = f"{relative}|{status.st_size}|{status.st_mtime_ns}"
        digest = cache.get(key)
        if digest is None:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "md5").hexdigest()
        used[key] = digest
        entries.append([relative, status.st_size, digest])
    if not entries:
        raise DatasetError(
            f"The raw dataset {folder} is empty. Expected its files: put them there, or correct the "
            "dataset's `path`."
        )
    if cache_file is not None and used != cache:
        _save(cache_file, caches | {name: used})
    text = json.dumps(entries, ensure_ascii=True, separators=(",", ":"))
    return hashlib.md5(text.encode("ascii")).hexdigest()


def _files(folder: Path) -> list[tuple[str, Path]]:
    """All files below a folder but hidden ones, as (relative path with forward slashes, path)."""
    files = []
    for directory, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths = (Path(directory, name) for name in names if not name.startswith("."))
        files += [(path.relative_to(folder).as_posix(), path) for path in paths]
    return files


def _load(cache_file: Path | None) -> dict[str, dict[str, str]]:
    """Read the cache; a missing or damaged one counts as empty: all in it can be computed again."""
    if cache_file is None:
        return {}
    try:
        content = json.loads(Path(cache_file).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _save(cache_file: Path, cache: dict[str, dict[str, str]]) -> None:
    """Write the cache in one step: another process may be reading or writing it."""
    cache_file = Path(cache_file)
    cache_file.parent.mkdir(parents=True, exist_ok=True)
    temporary = cache_file.with_name(f"{cache_file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(cache, indent=0, sort_keys=True), encoding="utf-8")
    temporary.replace(cache_file)
