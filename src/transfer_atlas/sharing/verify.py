"""Checks results against their run.json and their record; removes or fetches again what is not whole."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.sharing.layers import Layer, layers_of
from transfer_atlas.sharing.pull import Recordings, discard, pull_runs
from transfer_atlas.sharing.record import run_folders
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.store.store import RUN_FILE, problems_of


@dataclass(frozen=True)
class Finding:
    """A run that is not whole: its folder relative to the repository, what is wrong, whether it is recorded."""

    run: Path
    problems: tuple[str, ...]
    recorded: bool


def verify(repository: Repository, below: Iterable[Path] = ()) -> tuple[int, list[Finding]]:
    """Check every run that is here. Returns how many were looked at, and those that are not whole.

    below: folders; only runs in them, or runs themselves, are looked at.
    Raises SharingError for one outside the layers. An empty folder, as jobs have before they begin, is passed over.
    """
    recordings = Recordings(repository)
    count, findings = 0, []
    for run in _runs(repository, list(below)):
        names = os.listdir(repository.folder / run)  # noqa: PTH208 (one system call)
        if not names:
            continue
        count += 1
        only_record = names == [
            RUN_FILE
        ]  # pulled for the tables; Snakemake does not take the run for present
        problems = problems_of(repository.folder / run, only=() if only_record else None)
        if problems:
            shown = tuple(problem.replace(f"{repository.folder}/", "") for problem in problems)
            findings.append(Finding(run, shown, recordings.files_of(run) is not None))
    return count, findings


def remove(repository: Repository, findings: Iterable[Finding]) -> None:
    """Remove runs that are not whole; Snakemake computes them again, or `pull` fetches those that are recorded."""
    for finding in findings:
        discard(repository, finding.run)


def fetch_again(repository: Repository, findings: Iterable[Finding]) -> tuple[list[str], list[str]]:
    """Replace runs that are not whole by what the remote has. Returns the runs that came, and the problems.

    A run that is not recorded is left as it is, and is among the problems.
    """
    findings = list(findings)
    recorded = [finding for finding in findings if finding.recorded]
    remove(repository, recorded)
    pulled = pull_runs(repository, [finding.run for finding in recorded])
    problems = [
        f"{finding.run} is not recorded, so there is nothing to fetch; remove it with `verify --remove`."
        for finding in findings
        if not finding.recorded
    ]
    return pulled.runs, pulled.problems + problems


def _runs(repository: Repository, below: list[Path]) -> Iterator[Path]:
    """Folders of runs in all keyed layers, relative to the repository."""
    layers = [layer for layer in layers_of(repository) if layer.keyed]
    places = [_place(repository, path, layers) for path in below]
    for layer in layers:
        for folder in run_folders(repository.folder / layer.folder):
            run = folder.relative_to(repository.folder)
            if not places or any(run.is_relative_to(place) for place in places):
                yield run


def _place(repository: Repository, path: Path, layers: list[Layer]) -> Path:
    """A folder that the user named, relative to the repository; a layer's name stands for its folder."""
    named = {layer.name: layer.folder for layer in layers}
    found = named.get(str(path)) or repository.relative(path)
    if found is None or not any(
        found.is_relative_to(layer.folder) or layer.folder.is_relative_to(found) for layer in layers
    ):
        raise SharingError(f"{path} is in no layer; expected a folder in one, or one of {', '.join(named)}.")
    return found
