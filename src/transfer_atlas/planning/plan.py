"""The plan: every run of a study with its settings, parents and key, from the configuration alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from transfer_atlas import code_versions
from transfer_atlas.datasets.registry import root_of
from transfer_atlas.planning.run import KINDS, Run
from transfer_atlas.planning.scores import scoring_runs
from transfer_atlas.store.keys import key_of
from transfer_atlas.study.settings import PackageOrigin, TimmOrigin, TrainOrigin
from transfer_atlas.study.study import Study


@dataclass(frozen=True)
class Plan:
    """All runs of a study, layer by layer, each once."""

    study: Study
    runs: tuple[Run, ...]

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def of_kind(self, kind: str) -> list[Run]:
        """Runs of one layer."""
        return [run for run in self.runs if run.kind == kind]

    def by_key(self) -> dict[tuple[str, str], Run]:
        """Runs by (kind, key)."""
        return {(run.kind, run.key): run for run in self.runs}

    def table_key(self) -> str:
        """Key of the study's tables: which transfers they show, and the code that makes them."""
        facts = {name: settings.domain for name, settings in self.study.datasets.items()}
        stages = ["analysis", "metrics"] if self.study.transferability else ["analysis"]
        code = code_versions.versions(stages)
        return key_of({"runs": sorted(run.key for run in self.runs), "domains": facts, "code": code})


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
    stages = _stages_of(study)
    declared = code_versions.versions({stage for group in stages.values() for stage in group})
    planner = _Planner(study, dataset_versions, origin_version, stages, declared)
    transfers = [
        planner.transfer(source, target, experiment.regime, seed)
        for index, experiment in enumerate(study.experiments)
        for target in study.expand(experiment.targets, f"experiments[{index}].targets")
        for source in [*experiment.baselines, *study.sources_of(experiment, f"experiments[{index}]")]
        for seed in experiment.seeds
        if target not in planner.left_out(source, experiment.to_own_targets)
    ]
    found: dict[tuple[str, str], Run] = {}
    for run in [*transfers, *scoring_runs(study, transfers)]:
        _collect(run, found)
    ordered = sorted(found.values(), key=lambda run: KINDS.index(run.kind))
    return Plan(study=study, runs=tuple(ordered))


def prepared_run(study: Study, name: str, version: str) -> Run:
    """The run that prepares one dataset of the study, whether or not its experiments use it."""
    stages = _stages_of(study)
    declared = code_versions.versions(stages[f"adapter:{study.datasets[name].adapter.name}"])
    return _Planner(study, {name: version}, None, stages, declared).prepared(name)


def used_datasets(study: Study) -> list[str]:
    """Names of the datasets that the experiments and the ILSVRC checkpoint read, in the study's order."""
    used = set()
    for index, experiment in enumerate(study.experiments):
        tasks = study.expand(experiment.targets, f"experiments[{index}].targets")
        for source in study.sources_of(experiment, f"experiments[{index}]"):
            tasks += study.tasks_of_multi_source(source) if source in study.multi_sources else [source]
        used |= {task.split("/")[1] for task in tasks}
    if isinstance(study.ilsvrc, TrainOrigin):
        used.add(study.ilsvrc.dataset)
    return [name for name in study.datasets if name in used]


def _collect(run: Run, found: dict[tuple[str, str], Run]) -> None:
    if (run.kind, run.key) not in found:
        for parent in run.parents.values():
            _collect(parent, found)
        found[run.kind, run.key] = run


def _stages_of(study: Study) -> dict[str, list[str]]:
    """Which stages of the code enter the keys of what: `code_versions.yaml` lists their modules."""
    adapters = {
        f"adapter:{s.adapter.name}": ["prepared", f"adapter_{s.adapter.name}"]
        for s in study.datasets.values()
    }
    types = {t for s in study.datasets.values() for t in s.tasks}
    training = {f"train:{t}": ["backbone", "training", f"task_{t}"] for t in types}
    return {**adapters, **training, "origin": ["backbone"]}


@dataclass
class _Planner:
    """Builds runs, each once."""

    study: Study
    dataset_versions: Mapping[str, str]
    origin_version: str | None
    stages: dict[str, list[str]]
    declared: dict[str, int]
    _made: dict[tuple[Any, ...], Run] = field(default_factory=dict)
    _of_targets: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def _code(self, group: str) -> dict[str, int]:
        return {stage: self.declared[stage] for stage in self.stages[group]}

    def prepared(self, name: str) -> Run:
        if ("prepared", name) not in self._made:
            dataset = self.study.datasets[name]
            settings = dataset.adapter.model_dump(mode="json")
            # Where the files are and whose they are changes no picture.
            location = {
                name: settings.pop(name) for name in ("path", "source", "licence") if name in settings
            }
            settings.pop("data_root", None)
            location["data_root"] = str(root_of(dataset.adapter, self.study.data_root))
            self._made["prepared", name] = Run(
                kind="prepared",
                name=name,
                settings={"name": name, "adapter": settings},
                identity={"dataset": name, "domain": dataset.domain},
                code=self._code(f"adapter:{dataset.adapter.name}"),
                versions={"dataset": self.dataset_versions[name]},
                location=location,
            )
        return self._made["prepared", name]

    def ilsvrc(self) -> Run:
        if ("ilsvrc",) not in self._made:
            origin, backbone = self.study.ilsvrc, self.study.backbone.model_dump(mode="json")
            settings: dict[str, Any] = {"backbone": backbone, "origin": origin.origin}
            parents, versions, location = {}, {}, {}
            code = self._code("origin")
            if isinstance(origin, TrainOrigin):
                task = f"classification/{origin.dataset}"
                parents["dataset"] = self.prepared(origin.dataset)
                settings |= {
                    "training": self.study.training(task, None).model_dump(mode="json"),
                    "seed": origin.seed,
                }
                code = self._code("train:classification")
            elif isinstance(origin, TimmOrigin):
                settings["model"] = origin.model
            elif isinstance(origin, PackageOrigin):
                settings["package"] = origin.package
                versions["package"] = str(self.origin_version)
            else:
                versions["file"] = str(self.origin_version)
                location["path"] = str(origin.path)
            self._made["ilsvrc",] = Run(
                kind="ilsvrc",
                name=self.study.backbone.name,
                settings=settings,
                identity={"origin": origin.origin},
                code=code,
                versions=versions,
                parents=parents,
                location=location,
            )
        return self._made["ilsvrc",]

    def left_out(self, source: str, to_own_targets: bool) -> list[str]:
        """The targets a source is not transferred to: those it was trained on; to_own_targets: of the experiment."""
        if source not in self.study.multi_sources:
            return [source]
        return [] if to_own_targets else self.study.tasks_of_multi_source(source)

    def multi_source(self, name: str, source_images: int | None, selection_seed: int) -> Run:
        """A source trained on several datasets; a limit on its images holds for each of them."""
        identity = ("source", name, source_images, selection_seed if source_images else None)
        if identity not in self._made:
            task_type = name.removeprefix("multi_")
            shared, each = self.study.multi_source_training(name)
            own = {"resolution", "crop", "scale", "batch_size"}
            datasets = {
                dataset: {
                    "training": training.model_dump(mode="json", include=own),
                    **self.study.evaluation(f"{task_type}/{dataset}"),
                }
                for dataset, training in each.items()
            }
            self._made[identity] = Run(
                kind="source",
                name=name.replace("_", "-") + (f"-{source_images}-images" if source_images else ""),
                settings={
                    "backbone": self.study.backbone.model_dump(mode="json"),
                    "task_type": task_type,
                    "training": shared.model_dump(mode="json"),
                    "datasets": datasets,
                    "images": source_images,
                    "selection_seed": selection_seed if source_images else None,
                    "seed": self.study.source_seed,
                },
                identity={"task": name, "images": source_images},
                code=self._code(f"train:{task_type}"),
                parents={"ilsvrc": self.ilsvrc()} | {f"dataset_{n}": self.prepared(n) for n in datasets},
            )
        return self._made[identity]

    def source(self, task: str, source_images: int | None, selection_seed: int) -> Run:
        identity = ("source", task, source_images, selection_seed if source_images else None)
        if identity not in self._made:
            task_type, dataset = task.split("/")
            name = f"{task_type}-{dataset}" + (f"-{source_images}-images" if source_images else "")
            self._made[identity] = Run(
                kind="source",
                name=name,
                settings={
                    "backbone": self.study.backbone.model_dump(mode="json"),
                    "task_type": task_type,
                    "training": self.study.training(task, None).model_dump(mode="json"),
                    "images": source_images,
                    "selection_seed": selection_seed if source_images else None,
                    "seed": self.study.source_seed,
                    **self.study.evaluation(task),
                },
                identity={"task": task, "images": source_images},
                code=self._code(f"train:{task_type}"),
                parents={"ilsvrc": self.ilsvrc(), "dataset": self.prepared(dataset)},
            )
        return self._made[identity]

    def _training_of_target(self, target: str, regime: str) -> dict[str, Any]:
        """Settings that all transfers to a target share, worked out once."""
        if (target, regime) not in self._of_targets:
            training = self.study.training(target, regime).model_dump(mode="json", exclude={"learning_rate"})
            rates = self.study.learning_rates(target, regime)
            self._of_targets[target, regime] = {"training": training, "learning_rates": rates}
        return self._of_targets[target, regime]

    def transfer(self, source: str, target: str, regime: str, seed: int) -> Run:
        task_type, dataset = target.split("/")
        chosen = self.study.regimes[regime]
        parents = {"dataset": self.prepared(dataset)}
        if source == "ilsvrc":
            parents["ilsvrc"] = self.ilsvrc()
        elif source != "scratch":
            make = self.multi_source if source in self.study.multi_sources else self.source
            parents["source"] = make(source, chosen.source_images, chosen.selection_seed)
        held_out = self.study.held_out_fraction if self.study.select_on == "held_out" else None
        images = chosen.target_images_of.get(dataset, chosen.target_images)
        return Run(
            kind="transfer",
            name=f"{source}--{target}--{regime}--seed{seed}".replace("/", "-"),
            settings={
                "backbone": self.study.backbone.model_dump(mode="json"),
                "task_type": task_type,
                "regime": regime,  # a baseline may be trained alike in two regimes, whose tables need one each
                **self._training_of_target(target, regime),
                "images": images,
                "selection_seed": chosen.selection_seed if images else None,
                "select_on": self.study.select_on,
                "held_out_fraction": held_out,
                "seed": seed,
                **self.study.evaluation(target),
            },
            identity={"source": source, "target": target, "regime": regime, "seed": seed},
            code=self._code(f"train:{task_type}"),
            parents=parents,
            location={"keep_model": "yes"} if self.study.keep_target_models else {},
        )
