"""Results that no study needs: lists them with their size, and removes them when told to."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from transfer_atlas.sharing import compare
from transfer_atlas.sharing.layers import Layer, layers_of, read_lock, run_layers, write_layers, write_lock
from transfer_atlas.sharing.reach import Reach
from transfer_atlas.sharing.record import run_folders
from transfer_atlas.sharing.records import REMOVED, Records, records_of
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.store.store import StoreError


@dataclass(frozen=True)
class Unreached:
    """A run that no study needs. size: bytes here, or in the remote if it is only recorded.

    recorded: in the version that lies here, or that came to the same numbers. shared: whether runs of its kind are
    shared at all; those that are not are only here.
    """

    run: Path
    size: int
    here: bool
    recorded: bool
    pushed: bool
    shared: bool = True

    @property
    def safe(self) -> bool:
        """Whether removing it loses nothing but what can be computed in no time."""
        return self.pushed or not self.shared


def unreached(repository: Repository, needed: Reach) -> list[Unreached]:
    """Runs here or recorded that are not needed."""
    found, shared_layers = [], layers_of(repository)
    for layer in run_layers(shared_layers):
        shared = layer in shared_layers
        records = layer.records(repository)
        here = {
            folder.relative_to(repository.folder): _size(folder)
            for folder in run_folders(repository.folder / layer.folder)
        }
        recorded = {layer.folder / run: files for run, files in records.runs.items()}
        not_pushed = None
        for run in sorted(here.keys() | recorded.keys()):
            if needed.has(run):
                continue
            if not_pushed is None and run in recorded:
                not_pushed = unpushed(repository, layer)
            size = here.get(run) or sum(size for _, size in recorded.get(run, {}).values())
            known = run in recorded and not (run in here and _differs(repository, layer, records, run))
            pushed = known and not _touches(run, not_pushed or set())
            found.append(Unreached(run, size, run in here, known, pushed, shared))
    return found


def unpushed(repository: Repository, layer: Layer) -> set[Path]:
    """Recorded files of a layer that the remote lacks; the layer's folder itself if that cannot be found out."""
    records = {found: found.records(repository) for found in layers_of(repository)}
    write_lock(repository, read_lock(repository), records, careful=True)
    done = repository.dvc("data", "status", "--not-in-remote", "--granular", "--json", layer.folder)
    try:
        if done.returncode or not repository.has_remote():
            return {layer.folder}
        return {Path(path) for path in json.loads(done.stdout).get("not_in_remote", [])}
    except (ValueError, AttributeError):
        return {layer.folder}


def remove(repository: Repository, runs: Iterable[Unreached]) -> list[str]:
    """Remove runs from the store, and mark them in the record, so that no merge and no colleague brings them back.

    DVC's cache and the remote are left to `dvc gc`: another branch, a tag, or a clone with the same cache may need
    them. Returns why some still lie here, as one that is computed just now.
    """
    chosen = {entry.run for entry in runs}
    layers = layers_of(repository)
    records = {layer: layer.records(repository) for layer in layers}
    for layer in layers:
        if layer.keyed:
            versions = [
                replace(version, state=REMOVED) if layer.folder / run in chosen else version
                for run, found in records[layer].versions.items()
                for version in found
            ]
            records[layer] = records_of(versions, records[layer].problems)
    write_layers(repository, read_lock(repository), records)
    left = []
    for layer in run_layers(layers):
        for run in sorted(run for run in chosen if run.is_relative_to(layer.folder)):
            try:
                if (repository.folder / run).exists():
                    repository.remove(run, layer.folder)
            except SharingError as error:
                left.append(str(error))
            parent = (repository.folder / run).parent
            if parent.is_dir() and not any(parent.iterdir()):
                parent.rmdir()
    return left


def _differs(repository: Repository, layer: Layer, records: Records, run: Path) -> bool:
    """Whether what lies here is not what is recorded, and so perhaps nowhere else; what is damaged is no result."""
    folder = repository.folder / run
    try:
        said = compare.compare(folder, run.relative_to(layer.folder).as_posix(), records, run)
    except (StoreError, OSError):
        return False
    return said.verdict not in (compare.SAME, compare.AGAIN)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _touches(run: Path, paths: Collection[Path]) -> bool:
    return any(path.is_relative_to(run) or run.is_relative_to(path) for path in paths)
