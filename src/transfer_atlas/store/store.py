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
from collections.abc import Collection
from pathlib import Path
from typing import Any

from transfer_atlas.errors import AtlasError
from transfer_atlas.store.keys import key_of

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


def problems_of(folder: Path, only: Collection[str] | None = None) -> list[str]:
    """What is wrong with the result of a run, each problem as a sentence that names the file; empty if whole.

    The run.json must be there and be that of the folder, its key must follow from what it says (else the result's
    provenance is unknown), and every file must have the size and sha256 that it states; no other may lie there.
    only: names of the files whose content is looked at; all if None.
    """
    try:
        record = read_run(folder)
    except StoreError as error:
        return [str(error)]
    path = Path(folder) / RUN_FILE
    facts = record.get("files")
    told = ("kind", "settings", "versions", "parents", "code_versions")
    if not isinstance(facts, dict) or any(name not in record for name in told):
        return [f"{path} does not say how the result was made: its provenance is unknown."]
    identity = {"code" if name == "code_versions" else name: record[name] for name in told}
    if key_of(identity) != record["key"]:
        return [
            f"{path} was changed: what it says gives the key {key_of(identity)}. Its provenance is unknown."
        ]
    problems = []
    there = {file.relative_to(folder).as_posix() for file in Path(folder).rglob("*") if file.is_file()}
    surplus = {name for name in there - facts.keys() - {RUN_FILE} if not name.endswith(".part")}
    problems += [
        f"{folder}/{name} is not named by {RUN_FILE}: its provenance is unknown." for name in sorted(surplus)
    ]
    for name in facts if only is None else [name for name in facts if name in only]:
        file, expected = Path(folder) / name, facts[name]
        if name not in there:
            problems.append(f"{file} is missing.")
        elif (size := file.stat().st_size) != expected["bytes"]:
            problems.append(f"{file} is damaged: it has {size} bytes, expected {expected['bytes']}.")
        elif _sha256(file) != expected["sha256"]:
            problems.append(f"{file} is damaged: its sha256 is not the one that {RUN_FILE} states.")
    return problems


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
            facts[path.relative_to(folder).as_posix()] = {
                "bytes": path.stat().st_size,
                "sha256": _sha256(path),
            }
    return facts


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
