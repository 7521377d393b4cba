"""Hashes raw files as DVC does, each once: the md5s are kept by what tells that a file is still the same."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from transfer_atlas.datasets.raw_files import RawFile, RawFiles
from transfer_atlas.store.files import replace_text

UNREADABLE = (
    "unreadable"  # instead of the md5 of a file that may not be read: planning goes on, preparing does not
)
THREADS = 4  # hashing lets go of the interpreter's lock


def folder_md5(entries: Iterable[tuple[str, str]]) -> str:
    """Version of a folder as `dvc add` gives it. entries: (path with forward slashes, md5) of its files."""
    listed = [{"md5": md5, "relpath": path} for path, md5 in sorted(entries)]
    return hashlib.md5(json.dumps(listed, sort_keys=True).encode()).hexdigest() + ".dir"


def hash_files(found: RawFiles, cache_file: Path | None = None, *, whole: bool = True) -> dict[str, str]:
    """Md5 of each file by its relative path. cache_file: JSON in which they are kept, shared by any datasets.

    whole: whether these are all files of the folder; of a part, what is known of the others is kept.
    """
    caches = _load(cache_file)
    name = Path(os.path.abspath(found.folder)).as_posix()  # noqa: PTH100 (as it is called, not where it leads)
    cache = caches.get(name)
    cache = cache if isinstance(cache, dict) else {}
    known = {file: cache.get(file.key) for file in found.files}
    new = [file for file, digest in known.items() if digest is None]
    with ThreadPoolExecutor(THREADS) as pool:
        known |= dict(zip(new, pool.map(_md5, new), strict=True))
    used = {file.key: digest for file, digest in known.items() if digest != UNREADABLE}
    if not whole:
        used = cache | used
    if cache_file is not None and used != cache:
        _save(cache_file, _load(cache_file) | {name: used})
    return {file.relative: digest for file, digest in known.items()}


def _md5(file: RawFile) -> str:
    try:
        with Path(file.path).open("rb") as opened:
            return hashlib.file_digest(opened, "md5").hexdigest()
    except OSError:
        return UNREADABLE


def _load(cache_file: Path | None) -> dict[str, dict[str, str]]:
    """Read the cache; a missing or damaged one counts as empty: all in it can be computed again."""
    if cache_file is None:
        return {}
    try:
        content = json.loads(Path(cache_file).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _save(cache_file: Path, cache: dict[str, dict[str, str]]) -> None:
    """Write the cache in one step: another process may be reading or writing it.

    It can be computed again: a disk without room, or a folder that is another user's, stops nothing, and is said.
    """
    cache_file = Path(cache_file)
    try:
        replace_text(cache_file, json.dumps(cache, indent=0, sort_keys=True))
    except OSError as error:
        warnings.warn(
            f"{cache_file} cannot be written ({error.strerror}): raw files will be read anew for their versions each "
            "time. Make room there, or name another folder by `cache` in the study",
            stacklevel=2,
        )
