"""The plan: every run of a study with its settings, parents and key, from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from transfer_atlas import code_versions
from transfer_atlas.models.architectures.registry import stages_of
from transfer_atlas.planning.atdt import atdt_datasets, wanted_atdt
from transfer_atlas.planning.identity import PLAIN, Wanted, wanted
from transfer_atlas.planning.kinds import KINDS, rank_of
from transfer_atlas.planning.run import Run, with_ancestry
from transfer_atlas.planning.scores import metric_stages, wanted_scores
from transfer_atlas.planning.transfers import Builder
from transfer_atlas.store.keys import canonical, key_of
from transfer_atlas.study.settings import TrainOrigin
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import BASELINES, ILSVRC, Task, is_multi, start_name
from transfer_atlas.training.methods.registry import METHODS

ANALYSIS = "analysis"  # the stage of code that makes tables and figures
NOT_SHOWN = ("target_model",)  # kinds that no table tells of


@dataclass(frozen=True)
class Plan:
    """All runs of a study, layer by layer, each once; and what they are wanted for, many to one."""

    study: Study
    wanted: tuple[Wanted, ...]

    @cached_property
    def runs(self) -> tuple[Run, ...]:
        """Every run, in the order data flows."""
        found = with_ancestry(each.run for each in self.wanted)
        return tuple(sorted(found, key=lambda run: rank_of(run.kind)))

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def of_kind(self, kind: str) -> list[Run]:
        """Runs of one layer."""
        return [run for run in self.runs if run.kind == kind]

    def wanted_of(self, kind: str) -> list[Wanted]:
        """Identities of one layer with their runs; several may share one."""
        return [each for each in self.wanted if each.run.kind == kind]

    def by_key(self) -> dict[tuple[str, str], Run]:
        """Runs by (kind, key)."""
        return {(run.kind, run.key): run for run in self.runs}

    def table_key(self) -> str:
        """What the study's tables and figures show, and the code that makes them, as a key."""
        facts = {name: settings.domain for name, settings in self.study.datasets.items()}
        code = code_versions.versions([ANALYSIS])
        binary = self.study.binary_tasks()
        shown = [
            [each.run.kind, each.run.key, each.identity]
            for each in self.wanted
            if each.run.kind not in NOT_SHOWN
        ]
        told = {"runs": sorted(shown, key=canonical), "domains": facts, "code": code}
        return key_of(told | ({"subtasks": binary} if binary else {}))


def make_plan(study: Study, dataset_versions: Mapping[str, str], origin_version: str | None = None) -> Plan:
    """Plan a study. Pure: reads no file but the declared code versions.

    Parameters
    ----------
    study
        The validated configuration.
    dataset_versions
        Content version of every dataset that the experiments use, by name.
    origin_version
        Content version of the ILSVRC checkpoint if it is a file or a package.
    """
    build = builder(study, dataset_versions, origin_version)
    transfers = [
        wanted(
            build.transfer(source, Task.parse(target), experiment.regime, seed, method),
            source=source,
            target=target,
            regime=experiment.regime,
            seed=seed,
            method=method,
        )
        for index, experiment in enumerate(study.experiments)
        for target in study.expand(experiment.targets, f"experiments[{index}].targets")
        for source in [*experiment.baselines, *study.sources_of(experiment, f"experiments[{index}]")]
        if target not in build.left_out(source, experiment.to_own_targets)
        for seed in sorted(set(experiment.seeds))
        for method in (sorted(set(experiment.methods)) if source not in BASELINES else [PLAIN])
    ]
    kept = []
    if study.keep_target_models:
        kept = [Wanted(build.target_model(each.run), each.identity) for each in transfers]
    found: dict[tuple, Wanted] = {}
    for each in [*transfers, *kept, *wanted_scores(study, transfers, build), *wanted_atdt(study, build)]:
        found.setdefault(each.names, each)
    return Plan(study=study, wanted=tuple(found.values()))


def builder(study: Study, dataset_versions: Mapping[str, str], origin_version: str | None = None) -> Builder:
    """What builds the runs of a study, with the versions of the code it needs."""
    return Builder(study, dataset_versions, origin_version, code_versions.versions(_stages(study)))


def used_datasets(study: Study) -> list[str]:
    """Names of the datasets that the experiments, AT/DT and the ILSVRC checkpoint read, in the study's order."""
    used = atdt_datasets(study)
    for index, experiment in enumerate(study.experiments):
        tasks = study.expand(experiment.targets, f"experiments[{index}].targets")
        for source in study.sources_of(experiment, f"experiments[{index}]"):
            start = start_name(source)
            if start != ILSVRC:
                tasks += study.tasks_of_multi_source(start) if is_multi(start) else [start]
        used |= {Task.parse(task).dataset for task in tasks}
    for origin in (study.ilsvrc, *(backbone.ilsvrc for backbone in study.backbones.values())):
        if isinstance(origin, TrainOrigin):
            used.add(origin.dataset)
    return [name for name in study.datasets if name in used]


def _stages(study: Study) -> Iterable[str]:
    """Stages of code that enter the keys of any run that the study's datasets allow."""
    types = {task_type for dataset in study.datasets.values() for task_type in dataset.tasks}
    found = set(metric_stages())
    for experiment in study.experiments:
        found |= {stage for method in experiment.methods for stage in METHODS[method].stages}
    for backbone in (study.backbone, *study.backbones.values()):
        found |= set(stages_of(backbone.name))
    for name, kind in KINDS.items():
        if name == "prepared":
            adapters = {dataset.adapter.name for dataset in study.datasets.values()}
            found |= {stage for adapter in adapters for stage in kind.stages(adapter=adapter)}
        elif name != "score":
            found |= {stage for task_type in types for stage in kind.stages(task_type=task_type)}
    return found
