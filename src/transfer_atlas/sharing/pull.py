"""Pulls recorded runs and raw datasets instead of computing them, and refuses what is not whole."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from transfer_atlas.datasets.recorded import recorded
from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.planning.run import Run
from transfer_atlas.sharing.layers import Layer, layer_of, layers_of
from transfer_atlas.sharing.record import run_folders
from transfer_atlas.sharing.records import Files
from transfer_atlas.sharing.repository import Repository, SharingError, batches, why
from transfer_atlas.store.store import RUN_FILE, problems_of
from transfer_atlas.study.study import Study


@dataclass
class Pulled:
    """What came of a pull; the runs are folders relative to the repository, as strings.

    failed: whether DVC could not do it, and not only some result was damaged.
    """

    runs: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    failed: bool = False

    def fail(self, problem: str) -> None:
        """Add a problem that is DVC's."""
        self.problems.append(problem)
        self.failed = True


@dataclass
class Recordings:
    """The recorded runs of a repository, read once and when first asked for."""

    repository: Repository
    _layers: list[Layer] | None = None
    _runs: dict[Layer, dict[str, Files]] = field(default_factory=dict)

    def files_of(self, folder: Path) -> Files | None:
        """Recorded files of the run whose folder is `folder`; None if it is not recorded."""
        relative = self.repository.relative(folder)
        layer = None if relative is None else layer_of(relative, self._all_layers())
        if relative is None or layer is None or not layer.keyed:
            return None
        if layer not in self._runs:
            self._runs[layer] = dict(layer.records(self.repository).runs)
        return self._runs[layer].get(relative.relative_to(layer.folder).as_posix())

    def size_of(self, folders: Iterable[Path]) -> int:
        """Bytes of the files of recorded runs."""
        return sum(size for folder in folders for _, size in (self.files_of(folder) or {}).values())

    def _all_layers(self) -> list[Layer]:
        if self._layers is None:
            self._layers = layers_of(self.repository)
        return self._layers


def pull_runs(repository: Repository, folders: Iterable[Path]) -> Pulled:
    """Pull the recorded runs in these folders, and check each against its run.json.

    A run that does not come, or is not whole, is not there afterwards, and the problems say why.
    """
    wanted = sorted({str(repository.relative(folder)) for folder in folders})
    result = Pulled()
    if not wanted:
        return result
    if not repository.has_remote():
        result.fail("no DVC remote is set: `dvc remote add --default NAME URL`.")
        return result
    for run in wanted:
        # What an interrupted job or a damaged copy left would make DVC ask for leave to remove it.
        shutil.rmtree(repository.folder / run, ignore_errors=True)
    for portion in batches(_targets(repository, wanted)):
        done = repository.dvc("pull", "--quiet", *portion)
        if done.returncode:
            result.fail(f"`dvc pull` failed: {why(done)}")
    for run in wanted:
        folder = repository.folder / run
        if not (folder / RUN_FILE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            continue
        found = problems_of(folder)
        if found:
            result.problems += [problem.replace(f"{repository.folder}/", "") for problem in found]
            discard(repository, Path(run))
        else:
            result.runs.append(run)
    return result


def pull_records(repository: Repository, folders: Iterable[Path]) -> Pulled:
    """Pull the run.json of some runs, and nothing else of them."""
    result = Pulled()
    for portion in batches([f"{repository.relative(folder)}/{RUN_FILE}" for folder in folders]):
        done = repository.dvc("pull", "--quiet", *portion)
        if done.returncode:
            result.fail(f"`dvc pull` of run.json failed: {why(done)}")
    return result


def pull_data(repository: Repository, paths: Iterable[Path]) -> Pulled:
    """Pull raw datasets, whose `.dvc` files lie beside the given paths."""
    result, targets = Pulled(), [f"{path}.dvc" for path in paths]
    if targets:
        done = repository.dvc("pull", "--quiet", *targets)
        if done.returncode:
            result.fail(f"`dvc pull {' '.join(targets)}` failed: {why(done)}")
    return result


def discard(repository: Repository, run: Path) -> None:
    """Remove a run's folder, and from DVC's cache those of its files that are not what their names say."""
    files = Recordings(repository).files_of(run) or {}
    for digest, _ in files.values():
        cached = repository.cache_file(digest)
        if cached.exists() and _md5(cached) != digest:
            cached.chmod(0o644)
            cached.unlink()
    shutil.rmtree(repository.folder / run, ignore_errors=True)


def raw_data_to_pull(study: Study, runs: Iterable[Run]) -> list[Path]:
    """Raw datasets that are recorded in a .dvc file, are not there, and are needed to prepare datasets."""
    found = []
    for run in runs:
        if run.kind != "prepared":
            continue
        raw = raw_folder(study.datasets[run.name.split(".")[0]].adapter, study.data_root)
        if raw is None:
            continue
        if not raw.exists():
            record = recorded(raw)
            if record is not None and record.file.suffix == ".dvc":
                found.append(raw)
    return found


def _targets(repository: Repository, runs: list[str]) -> list[str]:
    """What to tell `dvc pull`: a layer's folder where all of it is wanted and nothing else is there, else runs.

    DVC replaces a folder as a whole and refuses if unrecorded runs lie in it; asked for a run it leaves the
    others alone. But many single targets are slow.
    """
    targets, left = [], set(runs)
    for layer in layers_of(repository):
        mine = sorted(run for run in left if Path(run).is_relative_to(layer.folder))
        if not mine:
            continue
        left.difference_update(mine)
        recorded = {f"{layer.folder.as_posix()}/{run}" for run in layer.records(repository).runs}
        whole = set(mine) == recorded and not any(run_folders(repository.folder / layer.folder))
        targets += [layer.folder.as_posix()] if whole else mine
    if left:
        raise SharingError(f"{min(left)} lies in no layer of dvc.yaml, so there is nothing to pull.")
    return targets


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
