"""What is to be run: the study, and what follows from its sections for a task."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator

from transfer_atlas.atdt.settings import AtdtSettings
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.scoring.settings import TransferabilitySettings
from transfer_atlas.strict import Strict
from transfer_atlas.study.messages import explain, nearest
from transfer_atlas.study.settings import (
    TASK_TYPE_DEFAULTS,
    BackboneSettings,
    DatasetSettings,
    Experiment,
    IlsvrcOrigin,
    MultiSource,
    Name,
    OtherBackbone,
    RegimeSettings,
    TaskTypeName,
    TaskTypeSettings,
)
from transfer_atlas.study.task import ILSVRC, PLUS, Task, backbone_name, is_multi, type_of_multi
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.methods.settings import MethodSettings
from transfer_atlas.training.settings import TrainingOverrides, TrainingSettings


class Study(Strict):
    """A study: what is measured, on what, starting from what."""

    study: Name = Field(description="Name of the study.")
    data_root: Path = Field(Path("data"), description="Folder of the raw datasets.")
    store: Path = Field(
        Path("store"),
        description="Where results live, named by their keys; shared by studies. Only `store` itself, the default, is "
        "under DVC: of another folder nothing is recorded or pulled.",
    )
    scratch: Path = Field(
        Path("scratch"),
        description="Where unfinished runs keep their state: a fast disk, which machines share, or of each of its own "
        "with `scratch_copy`.",
    )
    scratch_copy: Path | None = Field(
        None,
        description="Shared folder that the state in `scratch` is copied to while a run goes on, and taken up from by "
        "whichever machine goes on with it; for a `scratch` that each machine has for itself.",
    )
    cache: Path | None = Field(
        None,
        description="Where the md5s of raw files are remembered, in a small file that machines share; in `scratch` if "
        "not given.",
    )
    publishing: Path | None = Field(
        None,
        description="Where results are completed before they are renamed into the store: on the same file system. In "
        "the store, as `.publishing`, if not given.",
    )
    results: Path = Field(Path("results"), description="Where tables and figures of this study are written.")
    pull: bool = Field(
        False,
        description="Pull missing runs and raw datasets that DVC has recorded, instead of computing them.",
    )
    backbone: BackboneSettings = BackboneSettings()
    ilsvrc: IlsvrcOrigin = Field(
        description="Where the ILSVRC checkpoint comes from; one set of weights throughout."
    )
    backbones: dict[Name, OtherBackbone] = Field(
        {},
        description="Backbones beside `backbone`, by a name that sources are given behind a plus sign: "
        "`segmentation/bdd+unet` is that source with that backbone, `ilsvrc+resnet18` its ILSVRC checkpoint, and `+*` "
        "stands for all of them.",
    )
    datasets: dict[Name, DatasetSettings] = Field(min_length=1)
    task_types: dict[TaskTypeName, TaskTypeSettings] = Field(
        {name: TaskTypeSettings.model_validate(values) for name, values in TASK_TYPE_DEFAULTS.items()},
        description="Settings by task type. Unless told otherwise, detection and keypoints are trained with Adam in "
        "batches of 128, depth in batches of 64 (paper, sections 4.4 to 4.6).",
    )
    regimes: dict[Name, RegimeSettings] = Field(
        {
            "small_target": RegimeSettings(
                target_images=150, target_images_of={"coco": 1000, "ade20k": 1000}
            ),
            "full_target": RegimeSettings(),
            "small_source_small_target": RegimeSettings(
                target_images=150, target_images_of={"coco": 1000, "ade20k": 1000}, source_images=1500
            ),
        },
        description="Regimes by name; the defaults are the paper's (section 5).",
    )
    multi_sources: dict[Name, MultiSource] = Field(
        {},
        description="Sources trained on several datasets, by name: `multi_<task type>`, or several of one task type as "
        "`multi_<task type>_<word>`.",
    )
    experiments: list[Experiment] = Field(
        [], description="The transfers to run, block by block; none where a study is of `atdt` alone."
    )
    select_on: Literal["evaluation_set", "held_out"] = Field(
        "evaluation_set",
        description="Where the best learning rate of the grid is picked. `evaluation_set` reproduces the paper, "
        "and is slightly optimistic; `held_out` picks it on images held out of the target's training set.",
    )
    held_out_fraction: float = Field(
        0.2, gt=0, lt=1, description="Share of training images held out by `held_out`."
    )
    source_seed: int = Field(0, ge=0, description="Seed of every source: one set of weights for each source.")
    transferability: TransferabilitySettings | None = Field(
        None, description="Scores without fine-tuning, and how well they predict; none if absent."
    )
    methods: MethodSettings = Field(
        MethodSettings(), description="Settings of the methods that experiments name beside `plain`."
    )
    keep_target_models: bool = Field(False, description="Keep the fine-tuned model of every transfer.")
    atdt: AtdtSettings | None = Field(
        None, description="Learning across tasks and domains (AT/DT); none if absent."
    )

    @field_validator(
        "data_root", "store", "scratch", "scratch_copy", "cache", "publishing", "results", mode="before"
    )
    @classmethod
    def _expanded(cls, value: Any) -> Any:
        """Folders as a shell would read them; braces would be wildcards to Snakemake."""
        if not isinstance(value, str | Path):
            return value
        found = os.path.expandvars(Path(value).expanduser())
        for sign in "{}$":
            if sign in found:
                what = "names a variable that is not set" if sign == "$" else "holds a brace"
                raise ValueError(f"the folder {what} (found {found}); write another")
        return found

    @field_validator("task_types", mode="before")
    @classmethod
    def _keep_default_task_types(cls, value: Any) -> Any:
        return _override(TASK_TYPE_DEFAULTS, value) if isinstance(value, dict) else value

    @field_validator("regimes", mode="before")
    @classmethod
    def _keep_default_regimes(cls, value: Any) -> Any:
        default = {name: regime.model_dump() for name, regime in cls.model_fields["regimes"].default.items()}
        return {**default, **value} if isinstance(value, dict) else value

    def tasks(self) -> list[str]:
        """All tasks of the study, in the order of the configuration; parts of a dataset after it."""
        return [
            str(Task(task_type, name, part))
            for name, dataset in self.datasets.items()
            for task_type in dataset.tasks
            for part in (None, *dataset.parts_of(task_type))
        ]

    def binary_tasks(self) -> dict[str, Any]:
        """Of every dataset with binary tasks: its families, and classes, modality and channels of each by place."""
        found = {}
        for name, dataset in sorted(self.datasets.items()):
            if dataset.binary is None:
                continue
            found[name] = {
                "families": {f: sorted(set(c)) for f, c in sorted(dataset.binary.families.items())},
                "tasks": {
                    f"{name}@{part}": {
                        "classes": list(task.classes),
                        "modality": task.modality,
                        "channels": list(task.channels),
                    }
                    for part, task in sorted(dataset.binary_tasks.items())
                },
            }
        return found

    def sources_of(self, experiment: Experiment, where: str) -> list[str]:
        """Sources of an experiment but baselines: tasks, and names of multi-sources, perhaps with a backbone."""
        found: dict[str, None] = {}
        for pattern in experiment.sources:
            start, plus, backbone = pattern.partition(PLUS)
            beside = [*self.multi_sources, *([ILSVRC] if plus else [])]
            names = self.expand([start], f"{where}.sources", beside=beside)
            chosen = self._backbones(backbone, f"{where}.sources") if plus else [None]
            found |= dict.fromkeys(
                name if b is None else f"{name}{PLUS}{b}" for b in chosen for name in names
            )
        return list(found)

    def _backbones(self, pattern: str, where: str) -> list[str]:
        found = list(self.backbones) if pattern == "*" else [n for n in self.backbones if n == pattern]
        if not found:
            raise ConfigurationError(
                f"{where}: unknown backbone {pattern!r}{nearest(pattern, list(self.backbones))}. Name it under "
                "`backbones`."
            )
        return found

    def network(self, source: str) -> dict[str, Any]:
        """The backbone of a source, as it enters keys: the study's own unless its name has another."""
        chosen = backbone_name(source)
        return self.backbone.hashed() if chosen is None else self.backbones[chosen].network()

    def origin(self, source: str) -> IlsvrcOrigin:
        """Where the ILSVRC checkpoint of a source's backbone comes from."""
        chosen = backbone_name(source)
        return self.ilsvrc if chosen is None else self.backbones[chosen].ilsvrc

    def tasks_of_multi_source(self, name: str) -> list[str]:
        """The tasks that a multi-source is trained on, sorted: their order means nothing."""
        return sorted(self.expand(self.multi_sources[name].tasks, f"multi_sources.{name}.tasks"))

    def expand(self, patterns: list[str], where: str, beside: Sequence[str] = ()) -> list[str]:
        """Tasks named by `patterns`: `segmentation/*` stands for all tasks of a task type, without parts of datasets,
        `segmentation/cityscapes@*` for all parts of one, `classification/digits@few_*` for those that begin so.

        beside: other names that may stand among them.
        """
        known = [*self.tasks(), *beside]
        chosen: list[str] = []
        for pattern in patterns:
            found = [name for name in known if name == pattern or _stands_for(pattern, name)]
            if not found:
                raise ConfigurationError(
                    f"{where}: unknown task {pattern!r}; expected `task type/dataset` with a dataset of this study"
                    f"{nearest(pattern, known)}. Add the dataset under `datasets`, or correct the name."
                )
            chosen += [name for name in found if name not in chosen]
        return chosen

    def training(self, task: Task, regime: str | None) -> TrainingSettings:
        """Settings for training on `task`: as a source (`regime` None) or as a target in a regime."""
        own = self.datasets[task.dataset].tasks[task.type]
        if regime is None:
            return self._merged(task.type, [own.training], str(task))
        small = self._of_type(task.type).regimes.get(regime)
        return self._merged(task.type, [small, own.training, own.regimes.get(regime)], str(task))

    def multi_source_training(self, name: str) -> tuple[TrainingSettings, dict[Task, TrainingSettings]]:
        """Settings that a multi-source's datasets share, and those of each of its tasks."""
        task_type, own = type_of_multi(name), self.multi_sources[name].training
        each = {}
        for task in map(Task.parse, self.tasks_of_multi_source(name)):
            layers = [self.datasets[task.dataset].tasks[task_type].training, own]
            each[task] = self._merged(task_type, layers, f"{name} on {task.place}")
        return self._merged(task_type, [own], name), each

    def _of_type(self, task_type: str) -> TaskTypeSettings:
        return self.task_types.get(task_type, TaskTypeSettings())

    def _merged(
        self, task_type: str, layers: Sequence[TrainingOverrides | None], what: str
    ) -> TrainingSettings:
        """The task type's settings with those of `layers` over them, the last on top."""
        merged = self._of_type(task_type).training.model_dump()
        for layer in layers:
            if layer is not None:
                merged = _override(merged, layer.model_dump(exclude_unset=True))
        try:
            return TrainingSettings.model_validate(merged)
        except ValidationError as error:
            raise ConfigurationError(explain(error, merged, f"the training of {what}", Study)) from None

    def evaluation(self, task: Task) -> dict[str, Any]:
        """How predictions on `task` are scored, as it enters its runs' settings: nothing where there is no choice."""
        if task.type != "detection":
            return {}
        chosen = self.datasets[task.dataset].tasks[task.type].evaluation or EvaluationSettings()
        return {"evaluation": chosen.hashed()}

    def learning_rates(self, task: Task, regime: str) -> list[float]:
        """The grid of learning rates for a target, highest first."""
        factors = self._of_type(task.type).learning_rate_factors
        start = self.training(task, regime).learning_rate
        return [start * factor for factor in sorted(set(factors), reverse=True)]


def _stands_for(pattern: str, name: str) -> bool:
    """Whether `segmentation/*` or `classification/digits@few_*` stands for the name of a task."""
    if is_multi(name) or name == ILSVRC:
        return False
    task = Task.parse(name)
    if task.part is None:
        return pattern == f"{task.type}/*"
    return pattern.endswith("*") and "@" in pattern and name.startswith(pattern[:-1])


def _override(settings: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """Settings with those of `layer` over them, sections key by key; a schedule of another policy as a whole."""
    merged = settings | layer
    for name, section in layer.items():
        below = settings.get(name)
        if isinstance(section, dict) and isinstance(below, dict):
            same_kind = section.get("policy") == below.get("policy")
            merged[name] = _override(below, section) if same_kind else section
    return merged
