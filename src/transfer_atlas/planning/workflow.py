"""A study as the workflow sees it: which runs there are, which are missing, what each job needs. Pure of Snakemake.

The rules ask this; it looks at the store once per run. What is there is no input of any job: Snakemake would ask the
file system several times for each of its files. The results themselves are no outputs of rules either, for Snakemake
removes the outputs of jobs that it starts or that fail, and a result in the store is nobody's to remove: each job
leaves a mark under `.snakemake/` when its run is in the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.combination import Combination
from transfer_atlas.planning.identity import Wanted
from transfer_atlas.planning.kinds import KINDS, gpus_of
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.presence import Presence
from transfer_atlas.planning.recommendation import (
    Recommendation,
)
from transfer_atlas.planning.request import request
from transfer_atlas.planning.resources import Experience, cores, memory_mb, minutes
from transfer_atlas.planning.run import Run, with_ancestry
from transfer_atlas.planning.shown import Shown
from transfer_atlas.planning.transfers import Builder
from transfer_atlas.study.study import Study

MARKS = ".snakemake/transfer_atlas"  # of finished jobs, in the working folder


@dataclass
class Workflow:
    """A planned study, what `recommend` or `combine` is asked, and what of it is in the store."""

    study: Study
    plan: Plan
    recommendation: Recommendation | None = None
    budget: str | None = None
    builder: Builder | None = None  # of what is asked
    versions: tuple[dict[str, str], str | None] = field(default_factory=lambda: ({}, None))
    combination: Combination | None = None

    def __post_init__(self) -> None:
        self.present = Presence(self.study.store)
        found = with_ancestry([*self.plan.runs, *(each.run for each in self._asked())])
        self.runs = {(run.kind, run.key): run for run in found}
        self.key = self.plan.table_key()
        self.shown = Shown(self.study, self.plan, self.key, self.present)

    def _asked(self) -> list[Wanted]:
        """What the questions of a user want beside the study's own."""
        questions = (self.recommendation, self.combination)
        return [each for question in questions if question is not None for each in question.wanted]

    def reachable(self, run: Run) -> bool:
        """Whether image features are there, or the images to make them of."""
        return self.present(run) or self.has_images(run.parents["dataset"])

    def has_images(self, prepared: Run) -> bool:
        """Whether a prepared dataset, or a part of one, is there, or the raw images to make it of."""
        if self.present(prepared):
            return True
        folder = raw_folder(self.study.datasets[prepared.name.split(".")[0]].adapter, self.study.data_root)
        return folder is None or folder.exists()

    def run(self, kind: str, name: str, key: str) -> Run:
        """The run of the plan that a path belongs to."""
        run = self.runs.get((kind, key))
        if run is None or run.name != name:
            raise ConfigurationError(
                f"no run of this study has the key {key} ({kind} {name}). Results of other studies or earlier "
                "settings are made by planning with these, not by asking for their path."
            )
        return run

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Those of some runs that are not in the store."""
        return [run for run in runs if not self.present(run)]

    def jobs_for(self, runs: Iterable[Run]) -> list[Run]:
        """One run for each job that some runs need: those of a pair are computed together by the job of the first."""
        first: dict[Any, Run] = {}
        for run in runs:
            first.setdefault(_job_of(run), run)
        return list(first.values())

    def together_with(self, run: Run) -> list[Run]:
        """The runs that the job of a run carries out, itself first: of its pair, all that are missing."""
        if not run.described.together:
            return [run]
        like = [each for each in self._pairs().get(_job_of(run), []) if each.key != run.key]
        return [run, *self.missing(like)]

    def _pairs(self) -> Mapping[Any, list[Run]]:
        if not hasattr(self, "_by_pair"):
            self._by_pair: dict[Any, list[Run]] = {}
            for run in self.runs.values():
                if run.described.together:
                    self._by_pair.setdefault(_job_of(run), []).append(run)
        return self._by_pair

    def parents(self, kind: str, name: str, key: str) -> list[Run]:
        """What a job builds on, each once."""
        found: dict[tuple[str, str], Run] = {}
        for run in self.together_with(self.run(kind, name, key)):
            found |= {(parent.kind, parent.key): parent for parent in run.parents.values()}
        return list(found.values())

    def job(self, kind: str, name: str, key: str) -> dict[str, Any]:
        """What a job needs, as one dict of built-ins: the requests of its runs, what people call them, and the folder
        of the transfer that a gain is over.
        """
        runs = self.together_with(self.run(kind, name, key))
        study = self.study
        elsewhere = {name: getattr(study, name) for name in ("scratch_copy", "cache", "publishing")}
        baseline = self._baselines().get(key)
        return {
            "baseline": self.folder(baseline) if baseline else None,
            "runs": [request(run, study.store, study.scratch, elsewhere) for run in runs],
            "what": self._what(runs),
        }

    def memory_mb(self, kind: str, name: str, key: str, experience: Experience, *, on_gpu: bool) -> int:
        """Host memory that a job asks for first, in MB: that of the largest of its runs, which take turns."""
        runs = self.together_with(self.run(kind, name, key))
        return max(memory_mb(run, experience, on_gpu=on_gpu) for run in runs)

    def minutes(self, kind: str, name: str, key: str, experience: Experience, *, on_gpu: bool) -> int:
        """Time that a job asks for first, in minutes, for all its runs."""
        runs = self.together_with(self.run(kind, name, key))
        return sum(minutes(run, experience, on_gpu=on_gpu) for run in runs)

    def cores(self, kind: str, name: str, key: str, threads: int, *, on_gpu: bool) -> int:
        """Processor cores that a job asks for."""
        return cores(self.run(kind, name, key), threads, on_gpu=on_gpu)

    def gpus(self, kind: str, name: str, key: str) -> int:
        """GPUs that a job asks for where there are any."""
        return gpus_of(kind, self.run(kind, name, key).settings)

    def _what(self, runs: list[Run]) -> str:
        """A job for people: `transfer segmentation/coco to depth/scannet, small target, seed 0`."""
        first = runs[0]
        wanted_for = self._wanted_for().get((first.kind, first.key))
        told = {"source", "target", "regime"} | (set() if first.described.together else {"seed", "method"})
        if wanted_for is None or not told <= wanted_for.identity.keys():
            return f"{KINDS[first.kind].noun} {first.name}"
        source, target = wanted_for["source"], wanted_for["target"]
        words = f"{KINDS[first.kind].noun} {source} to {target}, {wanted_for['regime'].replace('_', ' ')}"
        if first.described.together:
            return f"{words}, {len(runs)} metric{'' if len(runs) == 1 else 's'}"
        several = {each["method"] for each in self.plan.wanted_of("transfer")} - {wanted_for["method"]}
        return f"{words}, seed {wanted_for['seed']}" + (f", {wanted_for['method']}" if several else "")

    def _wanted_for(self) -> Mapping[Any, Wanted]:
        """The first identity of every run that has one."""
        if not hasattr(self, "_by_run"):
            self._by_run: dict[Any, Wanted] = {}
            for each in [*self.plan.wanted, *self._asked()]:
                self._by_run.setdefault((each.run.kind, each.run.key), each)
        return self._by_run

    def _baselines(self) -> Mapping[str, Run]:
        """By key of a transfer from a source, the one from ILSVRC that its gain is over."""
        if not hasattr(self, "_by_transfer"):
            transfers = self.plan.wanted_of("transfer")
            rest = ("target", "regime", "seed", "method")
            found = {
                tuple(each[name] for name in rest): each.run
                for each in transfers
                if each["source"] == "ilsvrc"
            }
            self._by_transfer: dict[str, Run] = {}
            for each in transfers:
                baseline = found.get(tuple(each[name] for name in rest))
                if baseline is not None and each["source"] != "ilsvrc":
                    self._by_transfer.setdefault(each.run.key, baseline)
        return self._by_transfer

    def runs_of_jobs(self, jobs: Iterable[tuple[str, str, str]]) -> list[Run]:
        """The runs that some jobs carry out, each given by kind, name and key."""
        return [run for job in jobs for run in self.together_with(self.run(*job))]

    def folder(self, run: Run) -> str:
        """Where a run lies, as a built-in."""
        return str(run.folder(self.study.store))


def _job_of(run: Run) -> Any:
    """What runs share that one job carries out: for scores, the pair's samples."""
    if run.described.together:
        return run.kind, run.parents["features"].key
    return run.kind, run.key
