"""Reading a study: its sections one by one, then the checks that take more than one of them."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transfer_atlas.datasets.registry import task_types
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.packages import WEIGHT_PACKAGES
from transfer_atlas.study.domains import check_atdt
from transfer_atlas.study.messages import explain, nearest
from transfer_atlas.study.reading import read_values
from transfer_atlas.study.settings import (
    BackboneSettings,
    FileOrigin,
    IlsvrcOrigin,
    PackageOrigin,
    TimmOrigin,
    TrainOrigin,
)
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import MULTI, Task, is_multi


def load_study(path: Path) -> Study:
    """Read and validate a study file. Raises ConfigurationError that names the file."""
    return parse_study(read_values(Path(path)))


def parse_study(values: dict[str, Any]) -> Study:
    """Validate a configuration as read from YAML. Raises ConfigurationError with one line per problem."""
    try:
        study = Study.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(explain(error, values, "the configuration", Study)) from None
    _check_regimes(study, values.get("regimes") or {})
    for index, experiment in enumerate(study.experiments):
        study.sources_of(experiment, f"experiments[{index}]")
        study.expand(experiment.targets, f"experiments[{index}].targets")
    _check_task_types(study)
    _check_multi_sources(study)
    _check_exceptions(study, values.get("regimes") or {})
    _check_backbone(study)
    if isinstance(study.ilsvrc, TrainOrigin):
        study.expand([f"classification/{study.ilsvrc.dataset}"], "ilsvrc.dataset")
    _check_held_out(study)
    _check_there_is_something_to_do(study)
    check_atdt(study)
    return study


def _check_task_types(study: Study) -> None:
    """Every task type of a dataset must be one that its adapter delivers."""
    for name, dataset in study.datasets.items():
        try:
            delivered = task_types(dataset.adapter)
        except ConfigurationError as error:
            raise ConfigurationError(f"datasets.{name}.adapter: {error}") from None
        for task_type in dataset.tasks:
            if task_type not in delivered:
                raise ConfigurationError(
                    f"datasets.{name}.tasks: {task_type} is not among what the adapter {dataset.adapter.name} delivers "
                    f"here ({', '.join(delivered)}); remove the task type, or name another adapter."
                )
            if dataset.tasks[task_type].evaluation is not None and task_type != "detection":
                raise ConfigurationError(
                    f"datasets.{name}.tasks.{task_type}.evaluation: there is one way to score {task_type}; "
                    "remove the key."
                )


def _check_held_out(study: Study) -> None:
    """Whoever picks the rate on held-out images needs two training images at least."""
    for name in {experiment.regime for experiment in study.experiments}:
        regime = study.regimes[name]
        if study.select_on == "held_out" and 1 in (regime.target_images, *regime.target_images_of.values()):
            raise ConfigurationError(
                f"regimes.{name}: one training image of the target cannot be both fitted and held out; allow two, or "
                "`select_on: evaluation_set`."
            )


def _check_multi_sources(study: Study) -> None:
    """A multi-source is named after its task type, and has at least two tasks of it."""
    for name in study.multi_sources:
        where, tasks = f"multi_sources.{name}", study.tasks_of_multi_source(name)
        expected = sorted({f"{MULTI}{Task.parse(task).type}" for task in tasks})
        if len(expected) > 1 or (name != expected[0] and not name.startswith(f"{expected[0]}_")):
            raise ConfigurationError(
                f"{where}: its tasks are of {', '.join(e.removeprefix(MULTI) for e in expected)}; expected tasks of "
                f"one task type, and the name multi_<task type> ({' or '.join(expected)}), or that with a word behind "
                "it (multi_<task type>_<word>)."
            )
        if len(tasks) < 2:
            raise ConfigurationError(f"{where}.tasks: only {tasks[0]}; expected two tasks or more.")


def _check_regimes(study: Study, given: Collection[str]) -> None:
    """Experiments and settings by regime name regimes that there are; shots are for classification.

    given: the regimes that the study states; one that no experiment uses and that is nearly another's name is a slip.
    """
    known = list(study.regimes)
    used = {experiment.regime for experiment in study.experiments}
    for regime in set(given) - used:
        meant = difflib.get_close_matches(regime, [name for name in known if name not in given], 1, 0.8)
        if meant:
            raise ConfigurationError(
                f"regimes.{regime}: no experiment uses it (did you mean {meant[0]}?); correct the name, or remove it."
            )
    named = [(f"experiments[{i}].regime", e.regime) for i, e in enumerate(study.experiments)]
    named += [(f"task_types.{t}.regimes", r) for t, s in study.task_types.items() for r in s.regimes]
    for name, dataset in study.datasets.items():
        for task_type, task in dataset.tasks.items():
            named += [(f"datasets.{name}.tasks.{task_type}.regimes", regime) for regime in task.regimes]
    for where, regime in named:
        if regime not in known:
            raise ConfigurationError(
                f"{where}: unknown regime {regime!r}{nearest(regime, known)}. Name it under `regimes`."
            )
    for index, experiment in enumerate(study.experiments):
        for target in study.expand(experiment.targets, f"experiments[{index}].targets"):
            if study.regimes[experiment.regime].target_shots and Task.parse(target).type != "classification":
                raise ConfigurationError(
                    f"regimes.{experiment.regime}.target_shots counts images of each class, which {target} has not; "
                    "use target_images for it."
                )


def _check_there_is_something_to_do(study: Study) -> None:
    """A study without a single transfer would end with empty tables, unless it is of AT/DT."""
    if not study.experiments:
        if study.atdt is None:
            raise ConfigurationError(
                "the configuration asks for nothing: add `experiments`, the transfers to run, or `atdt`, learning "
                "across tasks and domains."
            )
        return
    for index, experiment in enumerate(study.experiments):
        where = f"experiments[{index}]"
        targets = study.expand(experiment.targets, f"{where}.targets")
        for source in [*experiment.baselines, *study.sources_of(experiment, where)]:
            own = [source]
            if is_multi(source):
                own = [] if experiment.to_own_targets else study.tasks_of_multi_source(source)
            if set(targets) - set(own):
                return
    raise ConfigurationError(
        "experiments: there is no transfer to run: a task is no source of itself, and no baseline is asked for. Name "
        "another source, or `baselines: [ilsvrc]`."
    )


def _check_exceptions(study: Study, given: dict[str, Any]) -> None:
    """Exceptions that a study states must be for datasets it has; the defaults name the paper's."""
    for regime in given:
        for name in (given[regime] or {}).get("target_images_of") or {}:
            if name not in study.datasets:
                raise ConfigurationError(
                    f"regimes.{regime}.target_images_of: unknown dataset {name!r}{nearest(name, list(study.datasets))}"
                )


def _check_backbone(study: Study) -> None:
    """Pretrained weights must be of the backbone that is asked for."""
    _check_weights(study.backbone, study.ilsvrc, "backbone.name", "ilsvrc")
    for name, backbone in study.backbones.items():
        where = f"backbones.{name}"
        _check_weights(backbone, backbone.ilsvrc, f"{where}.name", f"{where}.ilsvrc")
        if isinstance(backbone.ilsvrc, FileOrigin):
            raise ConfigurationError(
                f"{where}.ilsvrc: a file is for the study's own backbone; name a timm model."
            )
        if isinstance(backbone.ilsvrc, TrainOrigin):
            study.expand([f"classification/{backbone.ilsvrc.dataset}"], f"{where}.ilsvrc.dataset")


def _check_weights(backbone: BackboneSettings, origin: IlsvrcOrigin, named: str, where: str) -> None:
    if isinstance(origin, PackageOrigin):
        weights_of, key = WEIGHT_PACKAGES[origin.package][3], "package"
    elif isinstance(origin, TimmOrigin):
        weights_of, key = origin.model.split(".")[0], "model"
    else:
        return
    if weights_of != backbone.name:
        raise ConfigurationError(
            f"{named} is {backbone.name!r}, but the weights of {where}.{key} are for {weights_of!r}; "
            f"set {named} to it, or take other weights."
        )
