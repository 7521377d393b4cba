"""Manifests: the version of a raw dataset that is too large to copy and is used where it lies.

data/imagenet -> /datasets/imagenet      a link, or the folder itself; ignored by git
data/imagenet.manifest.json              {"md5": ..., "files": ..., "bytes": ...}; under version control

The md5 is what `dvc add` would give the folder, so that a colleague who has it under DVC has the same version.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from transfer_atlas.errors import DatasetError

SUFFIX = ".manifest.json"


def manifest_file(path: Path) -> Path:
    """The manifest of a raw dataset."""
    return Path(path).with_name(Path(path).name + SUFFIX)


def write_manifest(path: Path) -> str:
    """Read all files of a raw dataset once and write its manifest. Returns a sentence about it."""
    content = _content(Path(path))
    file = manifest_file(path)
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    part.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    part.replace(file)
    return f"{file}: {content['files']} files, {content['bytes']} bytes, version {content['md5']}"


def check_manifest(path: Path) -> str:
    """Compare the files with the manifest. Raises DatasetError if they differ."""
    expected, found = _read(manifest_file(path)), _content(Path(path))
    if found != expected:
        differences = ", ".join(
            f"{name} {found[name]} instead of {expected.get(name)}"
            for name in found
            if found[name] != expected.get(name)
        )
        raise DatasetError(
            f"{path} is not what {manifest_file(path).name} records: {differences}. Restore the files; or, if "
            "the new ones are meant, write the manifest again: what was made of them then gets new keys."
        )
    return f"{path}: {found['files']} files are as recorded"


def manifest_version(file: Path) -> str:
    """The version that a manifest records. Raises DatasetError if it is damaged."""
    return str(_read(file)["md5"])


def _read(file: Path) -> dict[str, str | int]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content["md5"], str):
            raise TypeError(f"md5 is {content['md5']!r}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(
            f"{file} records no version ({type(error).__name__}: {error}). Expected what "
            "`transfer-atlas manifest` writes: run it again, or restore the file."
        ) from None
    return content


def _content(folder: Path) -> dict[str, str | int]:
    """Version, number of files and bytes; hashed as DVC hashes a folder: the md5 of the list of the files' md5s."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; expected a raw dataset, or a link to one.")
    entries, size = [], 0
    for directory, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name not in (".git", ".dvc")]
        for name in names:
            path = Path(directory, name)
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "md5").hexdigest()
            entries.append({"md5": digest, "relpath": path.relative_to(folder).as_posix()})
            size += path.stat().st_size
    if not entries:
        raise DatasetError(f"{folder} is empty; expected the files of a raw dataset.")
    entries.sort(key=lambda entry: entry["relpath"])
    version = hashlib.md5(json.dumps(entries, sort_keys=True).encode()).hexdigest() + ".dir"
    return {"md5": version, "files": len(entries), "bytes": size}
