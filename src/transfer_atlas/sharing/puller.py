"""Pulling as part of a workflow: what a plan lacks and DVC has recorded comes from the remote."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from transfer_atlas.config import Study
from transfer_atlas.errors import AtlasError
from transfer_atlas.plan import Plan, Run
from transfer_atlas.sharing.need import need
from transfer_atlas.sharing.presence import Presence
from transfer_atlas.sharing.pull import Pulled, Recordings, pull_data, pull_runs, raw_data_to_pull
from transfer_atlas.sharing.repository import Repository


@dataclass
class Puller:
    """Pulls for one study; `say` gets what people should know, a line at a time.

    After a failure it does not try again: without network, every attempt would cost time.
    """

    study: Study
    present: Presence
    say: Callable[[str], None]
    failed: bool = False

    def pull_for(self, wanted: Iterable[Run], *, only_say: bool) -> None:
        """Pull what it takes to have some runs. What does not come is computed, and `say` is told.

        only_say: pull nothing, but count what would be pulled as present, for a dry run.
        """
        if self.failed:
            return
        try:
            repository = Repository.around(Path.cwd())
            runs, data, size = self.what(repository, wanted)
            if not runs and not data:
                return
            things = [f"{len(runs)} runs ({size / 1e6:.1f} MB)"] if runs else []
            things += [f"raw dataset {path}" for path in data]
            self.say(f"{'would pull' if only_say else 'pulling'} {', '.join(things)}")
            if not only_say:
                self._report(pull(repository, [run.folder(self.study.store) for run in runs], data))
                self.present.forget()
            for run in runs if only_say else ():
                self.present.add(run)
        except AtlasError as error:
            self._report(Pulled(problems=[str(error)]))

    def what(self, repository: Repository, wanted: Iterable[Run]) -> tuple[list[Run], list[Path], int]:
        """Runs to pull, raw datasets to pull, and the bytes of the runs."""
        recordings = Recordings(repository)

        def recorded(run: Run) -> bool:
            return recordings.files_of(run.folder(self.study.store)) is not None

        found = need(wanted, self.present, recorded)
        size = recordings.size_of(run.folder(self.study.store) for run in found.pull)
        return list(found.pull), raw_data_to_pull(self.study, found.compute), size

    def _report(self, pulled: Pulled) -> None:
        for problem in pulled.problems:
            self.say(problem)
        if pulled.problems:
            self.failed = True
            self.say("not everything could be pulled; going on with what can be computed")


def pull(repository: Repository, runs: Iterable[Path], data: Iterable[Path]) -> Pulled:
    """Pull runs by their folders, and raw datasets by their paths."""
    pulled = pull_runs(repository, runs)
    pulled.problems += pull_data(repository, data)
    return pulled


def leaves(plan: Plan) -> list[Run]:
    """Runs that no other run of the plan builds on: what tables are made of."""
    parents = {(parent.kind, parent.key) for run in plan for parent in run.parents.values()}
    return [run for run in plan if (run.kind, run.key) not in parents]
