"""Pulling as part of a workflow: what a plan lacks and DVC has recorded comes from the remote."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from transfer_atlas.errors import AtlasError
from transfer_atlas.planning.need import need
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.presence import Presence
from transfer_atlas.planning.run import Run, ancestry
from transfer_atlas.sharing.pull import (
    Pulled,
    Recordings,
    pull_records,
    pull_runs,
)
from transfer_atlas.sharing.raw_data import pull_data, raw_data_to_pull
from transfer_atlas.sharing.repository import Repository, SharingError
from transfer_atlas.store.store import RUN_FILE
from transfer_atlas.study.study import Study


@dataclass(frozen=True)
class Wants:
    """What is to be pulled: folders of runs, folders of runs of which the run.json is enough, raw datasets.

    Tables tell of every run (the number of its images, say), also of those whose files nobody needs here.
    """

    runs: list[str]
    records: list[str]
    data: list[str]
    size: int  # bytes of the runs

    def __bool__(self) -> bool:
        return bool(self.runs or self.records or self.data)

    def __str__(self) -> str:
        things = [f"{len(self.runs)} runs ({self.size / 1e6:.1f} MB)"] if self.runs else []
        things += [f"the run.json of {len(self.records)} others"] if self.records else []
        return ", ".join(things + [f"raw dataset {path}" for path in self.data])


@dataclass
class Puller:
    """Pulls for one study; `say` gets what people should know, a line at a time.

    After a failure it does not try again: without network, every attempt would cost time.
    """

    study: Study
    present: Presence
    say: Callable[[str], None]
    failed: bool = False
    refused: set[str] = field(default_factory=set)  # keys of runs, and data, that came damaged or not at all

    def pull_for(self, wanted: Iterable[Run], *, only_say: bool) -> None:
        """Pull what it takes to have some runs. What does not come is computed, and `say` is told.

        only_say: pull nothing, but count what would be pulled as present, for a dry run.
        """
        wanted = list(wanted)
        try:
            while not self.failed:
                repository = Repository.around(Path.cwd())
                wants, runs = self.what(repository, wanted)
                if not wants:
                    return
                self.say(f"{'would pull' if only_say else 'pulling'} {wants}")
                if only_say:
                    for run in runs:
                        self.present.add(run)
                    return
                self._report(pull(repository, wants))
                self.refused |= {path for path in wants.data if not Path(path).exists()}
                self.present.forget()
                refused = {run.key for run in runs if not self.present(run)}
                if not refused:
                    return
                self.refused |= refused  # what it takes to compute these may be there to be pulled
        except AtlasError as error:
            self._report(Pulled(problems=[str(error)], failed=True))

    def what(self, repository: Repository, wanted: Iterable[Run]) -> tuple[Wants, list[Run]]:
        """What to pull to have some runs; and those of it that are runs to be used, not only told about."""
        recordings = Recordings(repository)
        wanted = list(wanted)
        elsewhere = [run for run in wanted if recordings.find(run.folder(self.study.store)) is None]
        if elsewhere:
            raise SharingError(
                f"The store {self.study.store} is in no layer of dvc.yaml: nothing of it is shared. "
                "Expected `store: store`."
            )

        def recorded(run: Run) -> bool:
            files = recordings.files_of(run.folder(self.study.store))
            if files is None or run.key in self.refused:
                return False
            return all(path.name in files for path in run.outputs(self.study.store).values())

        found = need(wanted, self.present, recorded)
        folders = [run.folder(self.study.store) for run in found.pull]
        computed = {run.folder(self.study.store) for run in found.compute}
        told = {run.folder(self.study.store) for run in ancestry(wanted)} - computed - set(folders)
        records = [
            folder for folder in told if recordings.files_of(folder) and not (folder / RUN_FILE).exists()
        ]
        wants = Wants(
            runs=sorted(map(str, folders)),
            records=sorted(map(str, records)),
            data=[str(p) for p in raw_data_to_pull(self.study, found.compute) if str(p) not in self.refused],
            size=recordings.size_of(folders),
        )
        return wants, list(found.pull)

    def _report(self, pulled: Pulled) -> None:
        for problem in (*pulled.notes, *pulled.problems):
            self.say(problem)
        if pulled.problems:
            self.say("not everything could be pulled; going on with what can be computed")
        self.failed |= pulled.failed


def pull(repository: Repository, wants: Wants) -> Pulled:
    """Pull runs, the run.json of others, and raw datasets."""
    pulled = pull_runs(repository, map(Path, wants.runs))
    for act, paths in ((pull_records, wants.records), (pull_data, wants.data)):
        if not pulled.failed:  # without network or remote, one failure says it all
            found = act(repository, map(Path, paths))
            pulled.problems += found.problems
            pulled.notes += found.notes
            pulled.failed = found.failed
    return pulled


def leaves(plan: Plan) -> list[Run]:
    """Runs that no other run of the plan builds on: what tables are made of."""
    parents = {(parent.kind, parent.key) for run in plan for parent in run.parents.values()}
    return [run for run in plan if (run.kind, run.key) not in parents]
