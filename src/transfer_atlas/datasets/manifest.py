"""Manifests: the version of a raw dataset that is too large to copy and is used where it lies.

data/imagenet -> /datasets/imagenet      a link, or the folder itself; ignored by git
data/imagenet.manifest.json              {"md5": ..., "files": ..., "bytes": ...}; under version control

The md5 is what `dvc add` would give the folder, so that a colleague who has it under DVC has the same version.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from transfer_atlas.datasets.hashing import folder_md5, hash_files
from transfer_atlas.datasets.raw_files import list_raw_files
from transfer_atlas.datasets.recorded import manifest_file, read_manifest
from transfer_atlas.errors import DatasetError


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
    record, found = read_manifest(manifest_file(path), Path(path)), _content(Path(path))
    expected = {"md5": record.version, "files": record.files, "bytes": record.size}
    if found != expected:
        differences = ", ".join(
            f"{name} {found[name]} instead of {expected[name]}"
            for name in found
            if found[name] != expected[name]
        )
        raise DatasetError(
            f"{path} is not what {manifest_file(path).name} records: {differences}. Restore the files; or, if "
            "the new ones are meant, write the manifest again: what was made of them then gets new keys."
        )
    return f"{path}: {found['files']} files are as recorded"


def _content(folder: Path) -> dict[str, str | int]:
    """Version, number of files and bytes; every file is read, whatever is remembered of it."""
    if not folder.is_dir():
        raise DatasetError(f"{folder} is no folder; expected a raw dataset, or a link to one.")
    found = list_raw_files(folder)
    if not found.files:
        raise DatasetError(f"{folder} is empty; expected the files of a raw dataset.")
    version = folder_md5(hash_files(found).items())
    return {"md5": version, "files": len(found.files), "bytes": found.size}
