"""Checks results against their run.json and their record; removes or fetches again what is not as it should be."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.sharing import cache, compare
from transfer_atlas.sharing.layers import Layer, run_layers
from transfer_atlas.sharing.pull import Recordings, discard, pull_runs
from transfer_atlas.sharing.record import run_folders
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.store.checked import checked_problems
from transfer_atlas.store.store import RUN_FILE


@dataclass(frozen=True)
class Finding:
    """A run that is not whole, or not what is recorded: its folder relative to the repository, and why.

    refused: whether it is damaged or changed; else it was computed here again, with other numbers.
    """

    run: Path
    problems: tuple[str, ...]
    recorded: bool
    refused: bool = True


@dataclass(frozen=True)
class Verified:
    """What a check came to. count: runs looked at. notes: what is remarkable, and no fault."""

    count: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]


def verify(repository: Repository, below: Iterable[Path] = ()) -> Verified:
    """Check every run that is here, and what is recorded.

    below: folders; only runs in them, or runs themselves, are looked at.
    Raises SharingError for one outside the layers. An empty folder, as jobs have before they begin, is passed over.
    """
    recordings = Recordings(repository)
    count, findings, notes = 0, [], []
    for run, layer in _runs(repository, recordings, list(below)):
        names = os.listdir(repository.folder / run)  # noqa: PTH208 (one system call)
        if not names:
            continue
        count += 1
        only_record = names == [
            RUN_FILE
        ]  # pulled for the tables; Snakemake does not take the run for present
        recorded = recordings.files_of(run) is not None
        problems = checked_problems(repository.folder / run, only=() if only_record else None)
        if problems:
            shown = tuple(problem.replace(f"{repository.folder}/", "") for problem in problems)
            findings.append(Finding(run, shown, recorded))
            continue
        name = run.relative_to(layer.folder).as_posix()
        said = compare.compare(repository.folder / run, name, recordings.records(layer), run)
        if said.verdict in (compare.CHANGED, compare.OTHER):
            findings.append(Finding(run, (said.text,), recorded, refused=said.verdict == compare.CHANGED))
        elif said.text:
            notes.append(said.text)
    for layer, records in recordings.all().items():
        notes += records.problems
        if layer.keyed and not list(below):
            notes += [
                n for run in records.runs for n in compare.between_versions(layer.folder / run, records, run)
            ]
    return Verified(count, tuple(findings), tuple(notes))


def remove(repository: Repository, findings: Iterable[Finding]) -> None:
    """Remove these runs; Snakemake computes them again, or `pull` fetches those that are recorded."""
    for finding in findings:
        discard(repository, finding.run)


def fetch_again(repository: Repository, findings: Iterable[Finding]) -> tuple[list[str], list[str]]:
    """Replace these runs by the recorded ones. Returns the runs that came, and the problems.

    A run that is not recorded, or does not come, is left as it is, and is among the problems: what is damaged of it may
    be its run.json alone.
    """
    findings = list(findings)
    recorded = [finding for finding in findings if finding.recorded]
    recordings = Recordings(repository)
    for finding in recorded:  # the cache may hold the damaged file itself, by a link
        cache.discard_damaged(repository, recordings.files_of(finding.run) or {})
    pulled = pull_runs(repository, [finding.run for finding in recorded])
    problems = [
        f"{finding.run} is not recorded, so there is nothing to fetch; remove it with `verify --remove`."
        for finding in findings
        if not finding.recorded
    ]
    return pulled.runs, pulled.problems + problems


def _runs(repository: Repository, recordings: Recordings, below: list[Path]) -> Iterator[tuple[Path, Layer]]:
    """Folders of runs in all layers of runs, relative to the repository."""
    layers = run_layers(recordings.layers())
    places = [place_of(repository, path, layers) for path in below]
    for layer in layers:
        for folder in run_folders(repository.folder / layer.folder):
            run = folder.relative_to(repository.folder)
            if not places or any(run.is_relative_to(place) for place in places):
                yield run, layer


def place_of(repository: Repository, path: Path, layers: list[Layer]) -> Path:
    """A folder that the user named, relative to the repository; a layer's name stands for its folder."""
    named = {layer.name: layer.folder for layer in layers}
    found = named.get(str(path)) or repository.relative(path)
    if found is None or not any(
        found.is_relative_to(layer.folder) or layer.folder.is_relative_to(found) for layer in layers
    ):
        raise SharingError(f"{path} is in no layer; expected a folder in one, or one of {', '.join(named)}.")
    return found
