"""The store: where the results of runs live, and how they get there whole or not at all.

store/<kind>/<readable name>/<key>/run.json      provenance and metrics, written last
store/<kind>/<readable name>/<key>/...           model.safetensors, dataset.json, shards/, ...
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

from transfer_atlas.errors import AtlasError

FOLDERS = {
    "prepared": "prepared",
    "ilsvrc": "ilsvrc",
    "source": "sources",
    "transfer": "transfers",
    "image_features": "image_features",
    "features": "features",
    "score": "scores",
}  # by kind
RUN_FILE = "run.json"
MODEL_FILE = "model.safetensors"


class StoreError(AtlasError):
    """A result is missing, incomplete or damaged."""


def run_folder(store: Path, kind: str, name: str, key: str) -> Path:
    """Folder of one run."""
    return Path(f"{store}/{FOLDERS[kind]}/{name}/{key}")


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(value, file, indent=1, sort_keys=True, allow_nan=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def read_run(folder: Path) -> dict[str, Any]:
    """The run.json of a finished run. Raises StoreError if it is missing or damaged."""
    path = Path(folder) / RUN_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path} is missing; run snakemake again to compute it, or pull it.") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} is damaged ({error}); remove {folder} and run snakemake again.") from None
    key = record.get("key") if isinstance(record, dict) else None
    if key != Path(folder).name:
        raise StoreError(
            f"{path} names key {key!r}, but stands in the folder of {Path(folder).name!r}; "
            f"results were moved by hand. Remove {folder} and run snakemake again."
        )
    return record


def publish(work: Path, folder: Path, record: dict[str, Any]) -> None:
    """Move everything in `work` into the store folder, then write run.json, whose presence says: complete.

    `work` may be on another file system. Files are put under their final names by renaming only. The record
    gets size and sha256 of every file, so that a copy can be verified.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = record | {"files": file_facts(work)}
    (folder / RUN_FILE).unlink(missing_ok=True)  # of an earlier result: it is not whole from here on
    for path in sorted(work.iterdir()):
        target = folder / path.name
        part = folder / f".{path.name}.part"
        _remove(part)
        try:
            shutil.move(path, part)
            _remove(target)
            part.replace(target)
        except shutil.Error as error:  # of many files; a full disk must be recognisable as one
            if f"[Errno {errno.ENOSPC}]" in str(error):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from error
            raise
        finally:
            _remove(part)
    write_json(folder / RUN_FILE, record)


def file_facts(folder: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes and sha256 of every file below a folder, by relative path."""
    facts = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            facts[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": digest}
    return facts


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
