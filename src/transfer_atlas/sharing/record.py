"""Records finished runs: their files go into DVC's cache, their versions into `dvc.lock` and `recorded/`.

`dvc commit` hashes and stores what is there. What was recorded before and is not here, as after a partial
pull, stays recorded: the new version of a layer is the union.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from transfer_atlas.sharing.layers import (
    RECORDED,
    Layer,
    layers_of,
    locked_version,
    parse_lock,
    read_lock,
    write_layers,
)
from transfer_atlas.sharing.records import Files, Records
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.sharing.summary import write_summary
from transfer_atlas.store.store import problems_of


@dataclass
class Recorded:
    """What recording a layer came to: runs that are new or replaced, runs that differ from the record, refusals."""

    layer: Layer
    records: Records
    new: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def record(repository: Repository, *, replace: bool = False) -> list[Recorded]:
    """Record all finished runs of all layers, and the tables. Needs no remote; `dvc push` comes after it.

    A run whose files are not what its run.json says, or that has none, is not recorded; it is among the problems.
    Of a run that is recorded already and was computed here again, the recorded version stays, unless `replace`.
    """
    layers = layers_of(repository)
    before = read_lock(repository)
    write_summary(repository.folder / "results")
    for layer in layers:
        if locked_version(before.get(layer.name)) is None:
            # A layer without any version would make every `dvc pull` fail: an empty one is recorded instead.
            (repository.folder / layer.folder).mkdir(parents=True, exist_ok=True)
    present = [layer for layer in layers if (repository.folder / layer.folder).is_dir()]
    if present:
        repository.dvc_well("commit", "--quiet", "--force", *(layer.name for layer in present))
    lock = read_lock(repository)
    results = []
    for layer in layers:
        if layer.keyed and layer in present:
            version = locked_version(lock.get(layer.name))
            results.append(_merged(repository, layer, _listed(repository, layer, version), replace))
        elif layer.keyed:
            results.append(Recorded(layer, layer.records(repository)))
    write_layers(repository, lock, {result.layer: result.records for result in results})
    return results


def merge(repository: Repository) -> list[Recorded]:
    """Finish a git merge of two branches that both recorded runs: every run of either stays recorded.

    The lists of runs were merged by union. From them follows `dvc.lock`, whether or not git could merge it; of the
    tables, which Snakemake makes anew, this side's version stays. Needs neither network nor remote.
    """
    layers = layers_of(repository)
    records = {layer: layer.records(repository) for layer in layers if layer.keyed}
    write_layers(repository, _lock_of_either_side(repository), records)
    paths = ["dvc.lock", *(path.as_posix() for path in [Path(RECORDED)])]
    if repository.git("add", "--", *paths) is None:
        raise SharingError(f"`git add {' '.join(paths)}` failed in {repository.folder}; add them by hand.")
    return [Recorded(layer, found, new=list(found.twice)) for layer, found in records.items()]


def run_folders(folder: Path) -> Iterator[Path]:
    """Folders `<readable name>/<key>` of a layer, sorted."""
    if Path(folder).is_dir():
        for name in sorted(Path(folder).iterdir()):
            if name.is_dir():
                yield from (run for run in sorted(name.iterdir()) if run.is_dir())


def _listed(repository: Repository, layer: Layer, version: str | None) -> dict[str, dict[str, str]]:
    """What `dvc commit` found in a layer's folder: md5 by file, by run."""
    path = repository.cache_file(str(version))
    try:
        entries = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SharingError(
            f"DVC recorded {layer.folder} as {version}, but {path} cannot be read ({error}). "
            "If the cache is set outside .dvc/config, set cache.dir there."
        ) from None
    runs: dict[str, dict[str, str]] = {}
    for entry in entries:
        parts = entry["relpath"].split("/", 2)
        if len(parts) == 3:
            runs.setdefault("/".join(parts[:2]), {})[parts[2]] = entry["md5"]
    return runs


def _merged(
    repository: Repository, layer: Layer, listed: dict[str, dict[str, str]], replace: bool
) -> Recorded:
    """The recorded runs of a layer with those that are new or differ, if they are whole."""
    known = layer.records(repository)
    runs: dict[str, Files] = dict(known.runs)
    result = Recorded(layer, known)
    for run, digests in sorted(listed.items()):
        recorded = {name: md5 for name, (md5, _) in runs.get(run, {}).items()}
        if digests.items() <= recorded.items():
            continue  # as it is recorded, or a part of that
        folder = layer.folder / run
        found = problems_of(repository.folder / folder)
        if found:
            result.problems += [problem.replace(f"{repository.folder}/", "") for problem in found]
            continue
        if recorded and digests.keys() <= recorded.keys() and not replace:
            result.other.append(run)
            continue
        sizes = {name: (repository.folder / folder / name).stat().st_size for name in digests}
        runs[run] = {name: (digests[name], sizes[name]) for name in sorted(digests)}
        result.new.append(run)
    result.records = Records(runs)
    return result


def _lock_of_either_side(repository: Repository) -> dict:
    """Stages of dvc.lock; where it has conflicts, this side's, and those that only the other side has."""
    try:
        return read_lock(repository)
    except SharingError:
        stages: dict = {}
        for side in (":3:dvc.lock", ":2:dvc.lock"):  # git's names of the other side's file, and this side's
            stages |= parse_lock(repository.git("show", side) or "")
        return stages
