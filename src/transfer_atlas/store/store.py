"""The store: where the results of runs live, and how they get there whole or not at all.

store/<kind>/<readable name>/<key>/run.json      provenance and metrics
store/<kind>/<readable name>/<key>/...           model.safetensors, dataset.json, shards/, ...
store/.publishing/, store/.leases/               what is on its way here, and who is computing what
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Collection
from pathlib import Path
from typing import Any, TypeGuard

from transfer_atlas.errors import AtlasError, LegitimateFailure
from transfer_atlas.store.files import RememberedDigests, digest_of, move_into, printable, remove, write_json
from transfer_atlas.store.keys import key_of

RUN_FILE = "run.json"
MODEL_FILE = "model.safetensors"
SAMPLES_FILE = "samples.safetensors"


class StoreError(AtlasError):
    """A result is missing, incomplete or damaged."""


def run_folder(store: Path, kind_folder: str, name: str, key: str) -> Path:
    """Folder of one run; kind_folder: the folder of its kind, such as `transfers`."""
    return Path(f"{store}/{kind_folder}/{name}/{key}")


def store_of(folder: Path) -> Path:
    """The store that a run's folder lies in."""
    return folder.parents[2]


def lease_of(folder: Path) -> Path:
    """The lease of the run that lives in `folder`."""
    return store_of(folder) / ".leases" / f"{folder.parents[1].name}-{folder.name}.json"


def read_run(folder: Path) -> dict[str, Any]:
    """The run.json of a finished run. Raises StoreError if it is missing or damaged."""
    path = Path(folder) / RUN_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"{path} is missing; run snakemake again to compute it, or pull it.") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged ({error}); remove {folder} and run snakemake again.") from None
    key = record.get("key") if isinstance(record, dict) else None
    if key != Path(folder).name:
        raise StoreError(
            f"{path} names key {key!r}, but stands in the folder of {Path(folder).name!r}; "
            f"results were moved by hand. Remove {folder} and run snakemake again."
        )
    return record


def parent_record(request: dict[str, Any], role: str) -> dict[str, Any]:
    """The run.json of a parent. Raises LegitimateFailure("source_failed") if the parent legitimately has no result."""
    record = read_run(Path(request["parents"][role]["folder"]))
    if record["status"] != "finished":
        raise LegitimateFailure(
            "source_failed", f"{record['name']} ({record['key']}) {record['status']}: {record['reason']}"
        )
    return record


def problems_of(folder: Path, only: Collection[str] | None = None, *, remembered: bool = False) -> list[str]:
    """What is wrong with the result of a run, each problem as a sentence that names the file; empty if whole.

    The run.json must be there and be that of the folder, its key must follow from what it says (else the result's
    provenance is unknown), and every file must have the size and sha256 that it states; no other may lie there.
    only: names of the files whose content is looked at; all if None. remembered: whether a file that was hashed on
    this machine and has not changed since needs no hashing again.
    """
    try:
        record = read_run(folder)
    except StoreError as error:
        return [str(error)]
    path = Path(folder) / RUN_FILE
    facts = record.get("files")
    told = ("kind", "settings", "versions", "parents", "code_versions")
    if not _are_facts(facts) or any(name not in record for name in told):
        return [f"{path} does not say how the result was made: its provenance is unknown."]
    identity = {"code" if name == "code_versions" else name: record[name] for name in told}
    if key_of(identity) != record["key"]:
        return [
            f"{path} was changed: what it says gives the key {key_of(identity)}. Its provenance is unknown."
        ]
    there = {file.relative_to(folder).as_posix() for file in Path(folder).rglob("*") if file.is_file()}
    problems = [
        f"{folder}/{printable(name)} is not named by {RUN_FILE}: its provenance is unknown."
        for name in sorted(there - facts.keys() - {RUN_FILE})
    ]
    hashed = []
    for name in facts if only is None else [name for name in facts if name in only]:
        file, expected = Path(folder) / name, facts[name]
        if name not in there:
            problems.append(f"{file} is missing.")
        elif (size := file.stat().st_size) != expected["bytes"]:
            problems.append(f"{file} is damaged: it has {size} bytes, expected {expected['bytes']}.")
        else:
            hashed.append(name)
    digests = RememberedDigests().of(folder, hashed) if remembered else _digests(folder, hashed)
    problems += [
        f"{folder}/{name} is damaged: its sha256 is not the one that {RUN_FILE} states."
        for name in hashed
        if digests[name] != facts[name]["sha256"]
    ]
    return problems


def is_whole(folder: Path) -> bool:
    """Whether a result is there with every file of the size that its run.json states; contents are not looked at."""
    return not problems_of(folder, only=()) and all(
        (folder / name).is_file() and (folder / name).stat().st_size == facts["bytes"]
        for name, facts in read_run(folder)["files"].items()
    )


def publishing_of(folder: Path, chosen: Path | str | None = None) -> Path:
    """Where a run's result is completed before it is renamed into its folder; chosen: instead of the store's own place.

    Raises StoreError where that is on another file system than the store, for a renaming would be none: readers would
    see half a result.
    """
    store = store_of(folder)
    if chosen is None:
        return store / ".publishing"
    for each in (store, Path(chosen)):
        each.mkdir(parents=True, exist_ok=True)
    if store.stat().st_dev != Path(chosen).stat().st_dev:
        raise StoreError(
            f"publishing: {chosen} is on another file system than the store {store}. Expected a folder on the same "
            "one, from which results can be renamed into it: choose another, or leave the setting out."
        )
    return Path(chosen)


def publish(
    work: Path,
    folder: Path,
    record: dict[str, Any],
    *,
    replace: bool = False,
    publishing: Path | str | None = None,
) -> bool:
    """Put everything in `work`, with a run.json, into the store's folder of the run, by one renaming.

    `work` may be on another file system. The record gets size and sha256 of every file, so that a copy can be verified.
    publishing: see `publishing_of`. Where a whole result is there already, it stays, unless `replace` is said.
    Returns whether this one was put there.
    """
    ready = publishing_of(folder, publishing) / f"{folder.name}-{os.getpid()}-{secrets.token_hex(4)}"
    ready.mkdir(parents=True)
    try:
        for path in sorted(work.iterdir()):
            move_into(path, ready)
        write_json(ready / RUN_FILE, record | {"files": file_facts(ready)})
        folder.parent.mkdir(parents=True, exist_ok=True)
        return _install(ready, folder, replace)
    finally:
        remove(ready)


def _install(ready: Path, folder: Path, replace: bool) -> bool:
    try:
        ready.rename(folder)  # where there is nothing, or an empty folder
        return True
    except OSError:
        if not folder.exists():
            raise
    if is_whole(folder) and not replace:
        return False
    old = ready.with_name(f"{ready.name}.old")
    folder.rename(old)
    try:
        ready.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    remove(old)
    return True


def tidy(folder: Path, publishing: Path | str | None = None) -> None:
    """Clear up after a process that was killed while it published; only for the holder of the run's lease.

    A result whose replacement was interrupted between its two renamings is brought back.
    """
    places = {publishing_of(folder), publishing_of(folder, publishing)}
    for left in sorted(path for place in places for path in place.glob(f"{folder.name}-*")):
        if left.suffix == ".old" and not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            left.rename(folder)
        else:
            remove(left)


def file_facts(folder: Path) -> dict[str, dict[str, Any]]:
    """Size in bytes and sha256 of every file below a folder, by relative path."""
    return {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": digest_of(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _digests(folder: Path, names: Collection[str]) -> dict[str, str]:
    return {name: digest_of(Path(folder) / name) for name in names}


def _are_facts(facts: Any) -> TypeGuard[dict[str, dict[str, Any]]]:
    """Whether `files` of a run.json is what it should be: names inside the folder, each with size and sha256."""
    return isinstance(facts, dict) and all(
        isinstance(name, str)
        and not name.startswith("/")
        and ".." not in name.split("/")
        and isinstance(entry, dict)
        and isinstance(entry.get("bytes"), int)
        and isinstance(entry.get("sha256"), str)
        for name, entry in facts.items()
    )
