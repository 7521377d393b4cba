"""Results that no current study reaches: lists them with their size, and removes them when told to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.errors import AtlasError, DatasetError
from transfer_atlas.planning.content_versions import absent_datasets, content_versions
from transfer_atlas.planning.plan import make_plan
from transfer_atlas.sharing.layers import Layer, layers_of, read_lock, write_layers
from transfer_atlas.sharing.record import run_folders
from transfer_atlas.sharing.records import Records
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.study.study import load_study


@dataclass(frozen=True)
class Unreached:
    """A run that no study reaches. size: bytes here, or in the remote if it is only recorded."""

    run: Path
    size: int
    here: bool
    recorded: bool
    pushed: bool


def reached(repository: Repository, study_files: Iterable[Path]) -> set[Path]:
    """Folders of all runs of some studies, relative to the repository.

    Raises SharingError if one of them cannot be planned: what it reaches is then not known.
    """
    found = set()
    for file in study_files:
        try:
            study = load_study(file)
            plan = make_plan(study, *content_versions(study))
            absent = absent_datasets(study, plan)
            if absent:  # the keys of its runs hold the version of the data
                raise DatasetError(absent)
        except AtlasError as error:
            raise SharingError(
                f"{file} cannot be planned, so what it still needs is not known and nothing is listed. "
                f"Mend it, or name the studies that count with --study. {error}"
            ) from None
        found |= {repository.relative(run.folder(study.store)) for run in plan}
    return {folder for folder in found if folder is not None}


def unreached(repository: Repository, needed: Collection[Path]) -> list[Unreached]:
    """Runs here or recorded that are not among the needed ones."""
    found = []
    for layer in layers_of(repository):
        if not layer.keyed:
            continue
        records = layer.records(repository)
        here = {
            folder.relative_to(repository.folder): _size(folder)
            for folder in run_folders(repository.folder / layer.folder)
        }
        recorded = {layer.folder / run: files for run, files in records.runs.items()}
        not_pushed = None
        for run in sorted((here.keys() | recorded.keys()) - set(needed)):
            if not_pushed is None and run in recorded:
                not_pushed = unpushed(repository, layer)
            size = here.get(run) or sum(size for _, size in recorded.get(run, {}).values())
            pushed = run in recorded and not _touches(run, not_pushed or set())
            found.append(Unreached(run, size, run in here, run in recorded, pushed))
    return found


def unpushed(repository: Repository, layer: Layer) -> set[Path]:
    """Recorded files of a layer that the remote lacks; the layer's folder itself if that cannot be found out."""
    done = repository.dvc("data", "status", "--not-in-remote", "--granular", "--json", layer.folder)
    try:
        if done.returncode or not repository.has_remote():
            return {layer.folder}
        return {Path(path) for path in json.loads(done.stdout).get("not_in_remote", [])}
    except (ValueError, AttributeError):
        return {layer.folder}


def remove(repository: Repository, runs: Iterable[Unreached]) -> None:
    """Remove runs from the store and from the record; DVC's cache and the remote are left to `dvc gc`."""
    chosen = {entry.run for entry in runs}
    kept = {}
    for layer in layers_of(repository):
        if layer.keyed:
            records = layer.records(repository)
            left = {run: files for run, files in records.runs.items() if layer.folder / run not in chosen}
            if len(left) < len(records.runs):
                kept[layer] = Records(left)
    if kept:
        write_layers(repository, read_lock(repository), kept)
    for run in chosen:
        shutil.rmtree(repository.folder / run, ignore_errors=True)
        parent = (repository.folder / run).parent
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _touches(run: Path, paths: Collection[Path]) -> bool:
    return any(path.is_relative_to(run) or run.is_relative_to(path) for path in paths)
