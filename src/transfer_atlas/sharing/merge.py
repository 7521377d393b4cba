"""Finishes a git merge of two branches that both recorded runs: every run of either stays recorded.

Records are files of their own for each version, so git merges them by itself. `dvc.lock`, which has one hash for each
layer, is made anew from them. Only where both sides decided about the same version (one set it aside, the other
removed it) have records a conflict; then the stronger decision stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transfer_atlas.sharing import tables
from transfer_atlas.sharing.compare import between_versions
from transfer_atlas.sharing.layers import (
    RECORDED,
    Layer,
    layers_of,
    parse_lock,
    read_lock,
    write_layers,
)
from transfer_atlas.sharing.record_files import both_sides, is_conflicted, replace_file
from transfer_atlas.sharing.records import STATES, Records, parse_version, records_of
from transfer_atlas.sharing.repository import Repository, SharingError


@dataclass(frozen=True)
class Merged:
    """A layer after a merge. notes: runs that two sides computed with other numbers, tables to be made anew."""

    layer: Layer
    records: Records
    notes: tuple[str, ...]


def merge(repository: Repository) -> list[Merged]:
    """Resolve conflicts in recorded/ and dvc.lock, and add both. Needs neither network nor remote."""
    layers = layers_of(repository)
    for path in conflicts(repository):
        if path.parts[0] == RECORDED and path.suffix == ".json":
            _resolve(repository, path, {layer.name: layer for layer in layers})
    records = {layer: layer.records(repository) for layer in layers}
    agreeing = tables.agreeing_versions({layer.folder.name: r for layer, r in records.items() if layer.keyed})
    merged = []
    for layer, found in records.items():
        if layer.keyed:
            notes = [note for run in found.runs for note in between_versions(layer.folder / run, found, run)]
        else:
            kept = tables.pruned(found, agreeing)
            records[layer] = records_of(kept, found.problems)
            digits = {md5[: tables.DIGITS] for versions in agreeing.values() for md5 in versions}
            notes = [
                f"{layer.folder / version.run}: its tables show runs that are not the recorded ones; "
                "pull these, and snakemake makes the tables anew"
                for version in kept
                if not set(map(str, version.told.get("shows", []))) <= digits
            ]
        merged.append(Merged(layer, records[layer], (*notes, *found.problems)))
    write_layers(repository, _lock_of_either_side(repository), records)
    if repository.git("add", "--all", "--", "dvc.lock", RECORDED) is None:
        raise SharingError(f"`git add dvc.lock {RECORDED}` failed in {repository.folder}; add them by hand.")
    return merged


def conflicts(repository: Repository) -> list[Path]:
    """Files that a git merge left in conflict, relative to the repository."""
    listed = repository.git("diff", "--name-only", "--diff-filter=U", "--relative", "-z") or ""
    return [Path(name) for name in listed.split("\0") if name]


def _resolve(repository: Repository, path: Path, layers: dict[str, Layer]) -> None:
    """Make one version of what both sides say of it: removed before set aside before neither."""
    sides = [repository.git("show", f":{stage}:./{path.as_posix()}") for stage in (2, 3)]
    layer = layers.get(path.parts[1]) if len(path.parts) == 4 else None
    parse = tables.parse_tables if layer is not None and not layer.keyed else parse_version
    found = both_sides([None if side is None else side.encode() for side in sides], parse)
    if layer is None or not found or any(version.place != "/".join(path.parts[2:]) for version in found):
        raise SharingError(f"{path} is in conflict, and neither side is a record. Restore it with git.")
    strongest = max(found, key=lambda version: (STATES.index(version.state), version.text()))
    replace_file(repository.folder / path, strongest.text())


def _lock_of_either_side(repository: Repository) -> dict[str, Any]:
    """Stages of dvc.lock; where it has conflicts, this side's, and those that only the other side has."""
    if not is_conflicted(repository.folder / "dvc.lock"):
        return read_lock(repository)
    stages: dict[str, Any] = {}
    for side in (":3:./dvc.lock", ":2:./dvc.lock"):  # git's names of the other side's file, and this side's
        stages |= parse_lock(repository.git("show", side) or "")
    return stages
