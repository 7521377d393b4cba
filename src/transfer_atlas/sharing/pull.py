"""Pulls recorded runs instead of computing them, and refuses what is not what is recorded."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from transfer_atlas.sharing import cache
from transfer_atlas.sharing.layers import Layer, layer_of, layers_of, read_lock, run_layers, write_lock
from transfer_atlas.sharing.records import Files, Records
from transfer_atlas.sharing.repository import Repository, SharingError, batches, why
from transfer_atlas.store import checked
from transfer_atlas.store.checked import Unacceptable, checked_problems
from transfer_atlas.store.store import RUN_FILE

LONGEST = 500  # characters of what DVC says
MANY = 50  # runs from which on a whole layer is asked for: DVC is slow with many single targets


@dataclass
class Pulled:
    """What came of a pull; the runs are folders relative to the repository, as strings.

    failed: whether nothing could be fetched at all, as without network, and not only some result is missing.
    """

    runs: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failed: bool = False

    def fail(self, problem: str) -> None:
        """Add a problem that stands for all that was asked for."""
        self.problems.append(problem)
        self.failed = True


@dataclass
class Recordings:
    """The recorded runs of a repository, read once and when first asked for."""

    repository: Repository
    _layers: list[Layer] | None = None
    _records: dict[Layer, Records] = field(default_factory=dict)

    def files_of(self, folder: Path) -> Files | None:
        """Recorded files of the run whose folder is `folder`; None if it is not recorded."""
        found = self.find(folder)
        return None if found is None else self.records(found[0]).runs.get(found[1])

    def find(self, folder: Path) -> tuple[Layer, str] | None:
        """The layer of a run's folder, and its name there; None if it is in no layer of runs."""
        relative = self.repository.relative(folder)
        layer = None if relative is None else layer_of(relative, run_layers(self.layers()))
        if relative is None or layer is None:
            return None
        return layer, relative.relative_to(layer.folder).as_posix()

    def records(self, layer: Layer) -> Records:
        """The records of a layer."""
        if layer not in self._records:
            self._records[layer] = layer.records(self.repository)
        return self._records[layer]

    def all(self) -> dict[Layer, Records]:
        """The records of all layers."""
        return {layer: self.records(layer) for layer in self.layers()}

    def size_of(self, folders: Iterable[Path]) -> int:
        """Bytes of the files of recorded runs."""
        return sum(size for folder in folders for _, size in (self.files_of(folder) or {}).values())

    def layers(self) -> list[Layer]:
        """All layers."""
        if self._layers is None:
            self._layers = layers_of(self.repository)
        return self._layers


def pull_runs(repository: Repository, folders: Iterable[Path]) -> Pulled:
    """Pull the recorded runs in these folders, and check each against its record and its run.json.

    A run that does not come, or is not what is recorded, is not there afterwards, and the problems say why. One that
    is missing in the remote keeps no other from coming.
    """
    return _pull(repository, folders, None)


def pull_records(repository: Repository, folders: Iterable[Path]) -> Pulled:
    """Pull the run.json of some runs, and nothing else of them."""
    return _pull(repository, folders, (RUN_FILE,))


def _pull(repository: Repository, folders: Iterable[Path], only: tuple[str, ...] | None) -> Pulled:
    recordings, result = Recordings(repository), Pulled()
    wanted: dict[str, tuple[Layer, Files]] = {}
    for folder in folders:
        found, files = recordings.find(folder), recordings.files_of(folder)
        if found is None or files is None:
            result.problems.append(f"{folder} is not recorded in any layer, so there is nothing to pull.")
            continue
        layer, run = found
        wanted[f"{layer.folder}/{run}"] = (
            layer,
            {n: f for n, f in files.items() if only is None or n in only},
        )
    for layer in {layer for layer, _ in wanted.values()}:
        cache.keep_listing(repository, recordings.records(layer))  # so that DVC knows what it sees here
    lacking = {run: item for run, item in wanted.items() if not cache.is_cached(repository, item[1])}
    for _, files in lacking.values():
        cache.discard_damaged(repository, files)  # of another size: DVC would take it for there
    said = fetch(repository, recordings, lacking, result, whole=only is None) if lacking else ""
    came = any(not cache.missing(repository, files) for _, files in lacking.values())  # whole or damaged
    absent: dict[str, dict[str, str]] = {}
    for run, (layer, files) in sorted(wanted.items()):
        if names := cache.missing(repository, files):
            absent[run] = {name: files[name][0] for name in names}
            continue
        try:
            problems = _put(repository, run, files, layer, whole=only is None)
        except (SharingError, OSError) as error:  # a full disk, a job that computes it: the others still come
            result.problems.append(f"{run} was not put into the store: {error}")
            continue
        if problems:
            result.problems += [problem.replace(f"{repository.folder}/", "") for problem in problems]
            cache.discard_damaged(repository, files)
        else:
            result.runs.append(run)
    if not result.failed:  # else the one problem says it all
        result.problems += _reasons(absent, said)
    result.failed |= bool(lacking) and not came and not _names_missing(said)
    return result


def _put(repository: Repository, run: str, files: Files, layer: Layer, *, whole: bool) -> list[str]:
    """Put a run, or its run.json alone, from the cache into the store. Returns what is wrong with it."""
    folder, within = repository.folder / run, repository.folder / layer.folder
    if whole:
        return cache.place(
            repository, files, folder, within, functools.partial(_not_as_recorded, files=files)
        )
    problems = _damaged(repository, run, files) or _no_record(repository, run, files)
    for name, (digest, _) in files.items() if not problems else ():
        cache.place_file(repository, digest, folder / name, within)
    return problems


def fetch(
    repository: Repository,
    recordings: Recordings,
    lacking: dict[str, tuple[Layer, Files]],
    result: Pulled,
    *,
    whole: bool,
) -> str:
    """Have DVC fetch the files of runs into its cache, as many as there are. Returns what it complained of."""
    if not repository.has_remote():
        result.fail("no DVC remote is set: `dvc remote add --default NAME URL`.")
        return ""
    # DVC's list of the layer's folder follows from the records, whether or not anybody pushed it; and so does
    # dvc.lock, which is out of step after a merge of which a hosting service took one side.
    if write_lock(repository, read_lock(repository), recordings.all(), careful=True):
        result.notes.append("dvc.lock did not follow from recorded/, and was made anew; commit it")
    targets = []
    for layer in recordings.layers():
        mine = sorted(run for run, item in lacking.items() if item[0] == layer)
        if whole and len(mine) > MANY and 2 * len(mine) > len(recordings.records(layer).runs):
            targets.append(layer.folder.as_posix())
        else:
            targets += mine if whole else [f"{run}/{RUN_FILE}" for run in mine]
    said = []
    for portion in batches(targets):
        done = repository.dvc("fetch", *portion)
        if done.returncode or "WARNING:" in done.stderr:
            said.append(why(done))
    return "; ".join(said)


def pull_tables(repository: Repository) -> Pulled:
    """Put recorded tables and figures of studies into `results`; the runs of the result are studies' folders.

    Tables of this clone that are not the recorded ones stay as they are, and are named.
    """
    recordings, result = Recordings(repository), Pulled()
    for layer in recordings.layers():
        if layer.keyed:
            continue
        cache.keep_listing(repository, recordings.records(layer))
        for study, files in recordings.records(layer).runs.items():
            folder = repository.folder / layer.folder / study
            here = {name: folder / name for name in files if (folder / name).exists()}
            if any(cache.md5_of(path) != files[name][0] for name, path in here.items() if path.is_file()):
                result.notes.append(f"{layer.folder / study} has tables of this clone's own, which stay")
                continue
            lacking = {f"{layer.folder / study}": (layer, files)}
            if not cache.is_cached(repository, files):
                said = fetch(repository, recordings, lacking, result, whole=True)
                if names := cache.missing(repository, files):
                    absent = {str(layer.folder / study): {name: files[name][0] for name in names}}
                    result.problems += [] if result.failed else _reasons(absent, said)
                    continue
            if problems := _damaged(repository, str(layer.folder / study), files):
                result.problems += problems
                cache.discard_damaged(repository, files)
                continue
            for name, (digest, _) in files.items():
                if name not in here:
                    cache.place_file(repository, digest, folder / name, repository.folder / layer.folder)
            result.runs.append(str(layer.folder / study))
    return result


def discard(repository: Repository, run: Path) -> None:
    """Remove a run's folder, and from DVC's cache those of its files that are not what their names say."""
    recordings = Recordings(repository)
    found = recordings.find(run)
    if found is None:
        raise SharingError(f"{run} lies in no layer of runs, so it is not removed.")
    cache.discard_damaged(repository, recordings.files_of(run) or {})
    repository.remove(run, found[0].folder)


def _not_as_recorded(folder: Path, files: Files) -> list[str]:
    """What is wrong with a run that was pulled: run.json, which no sha256 vouches for, first."""
    digest, _ = files[RUN_FILE]
    found = cache.md5_of(folder / RUN_FILE)
    if found != digest:
        return [f"{folder}/{RUN_FILE} is not what is recorded: its md5 is {found}, expected {digest}."]
    return checked_problems(folder)


def _damaged(repository: Repository, run: str, files: Files) -> list[str]:
    """Cached files of a run whose content is not the recorded one."""
    return [
        f"{run}/{name} is not what is recorded: it does not have the md5 {digest}."
        for name, (digest, _) in files.items()
        if cache.md5_of(cache.cache_file(repository, digest)) != digest
    ]


def _no_record(repository: Repository, run: str, files: Files) -> list[str]:
    """What is wrong with the cached run.json of a run of which nothing else comes: tables read it."""
    content = cache.cache_file(repository, files[RUN_FILE][0]).read_bytes()
    try:
        checked.checked_record(checked.plain_json(content), run.rpartition("/")[2])
    except Unacceptable as error:
        return [f"{run}/{RUN_FILE}: {error}"]
    return []


def _reasons(absent: Mapping[str, Mapping[str, str]], said: str) -> list[str]:
    """Why runs did not come, each with what is missing of it and DVC's own words.

    absent: md5 of the missing files by name, by run. said: what DVC complained of.
    """
    lines, unexplained = said.split("; "), []
    problems = []
    for run, digests in absent.items():
        lost = {name: md5 for name, md5 in digests.items() if md5 in said or not said}
        if not lost:
            unexplained.append(run)
            continue
        named = ", ".join(f"{name} (md5 {md5})" for name, md5 in list(lost.items())[:3])
        words = next((line for line in lines if any(md5 in line for md5 in lost.values())), "")
        told = f" DVC: {words[:LONGEST]}" if words else ""
        problems.append(
            f"{run} did not come: the remote has no {named}. Whoever recorded it has to `dvc push`.{told}"
        )
    if unexplained:
        others = f" and {len(unexplained) - 1} more" if len(unexplained) > 1 else ""
        problems.append(f"{unexplained[0]}{others} did not come: {said[:LONGEST]}")
    return problems


def _names_missing(said: str) -> bool:
    """Whether DVC told of objects that are missing, which is not the same as no network."""
    return re.search(r"Missing cache files|No such file|404|does not exist|NoSuchKey", said) is not None
