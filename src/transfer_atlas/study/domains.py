"""The domains of AT/DT: which dataset has which annotations, and whether all that is needed is there."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from typing import Any, Protocol

from transfer_atlas.atdt.settings import DEEPEST, AtdtExperiment, AtdtSettings, NetworkSettings
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.study.messages import nearest


class WithDomains(Protocol):
    """What of a study is looked at here."""

    @property
    def atdt(self) -> AtdtSettings | None:
        """Its settings of AT/DT."""

    @property
    def datasets(self) -> Mapping[str, Any]:
        """Its datasets by name."""


def tasks_of_direction(direction: str) -> tuple[str, str]:
    """Task 1, which is learned on both domains, and task 2, which is asked for on B."""
    first, second = direction.split("_to_")
    return first, second


def dataset_of(study: WithDomains, domain: str, task_type: str) -> str:
    """The dataset that has a domain's annotations for a task type: of `atdt.domains`, or the domain's own name."""
    assert study.atdt is not None
    given = study.atdt.domains.get(domain)
    return domain if given is None else getattr(given, task_type) or ""


def network_of(settings: AtdtSettings, task_type: str, batch_norm: bool | None = None) -> NetworkSettings:
    """The network of a task type, with or without batch normalisation if it is said."""
    found = settings.networks.get(task_type, settings.network)
    if batch_norm is None:
        return found
    return NetworkSettings.model_validate(found.model_dump() | {"batch_norm": batch_norm})


def check_atdt(study: WithDomains) -> None:
    """Raise ConfigurationError for domains without the annotations that AT/DT needs, or networks that do not fit."""
    if study.atdt is None:
        return
    for name, domain in study.atdt.domains.items():
        for task_type in ("segmentation", "depth", "normals"):
            dataset = getattr(domain, task_type)
            if dataset is not None and dataset not in study.datasets:
                raise ConfigurationError(
                    f"atdt.domains.{name}.{task_type}: unknown dataset {dataset!r}"
                    f"{nearest(dataset, list(study.datasets))}"
                )
    for name in study.atdt.centre_crop:
        if name not in study.datasets:
            raise ConfigurationError(
                f"atdt.centre_crop: unknown dataset {name!r}{nearest(name, list(study.datasets))}"
            )
    for index, experiment in enumerate(study.atdt.experiments):
        where = f"atdt.experiments[{index}]"
        _check_annotations(study, experiment, where)
        _check_networks(study.atdt, experiment, where)


def _check_annotations(study: WithDomains, experiment: AtdtExperiment, where: str) -> None:
    """All four sets: tasks 1 and 2 on A, task 1 on B to learn from, task 2 on B to evaluate on."""
    assert study.atdt is not None
    known = [*study.datasets, *study.atdt.domains]
    for side in ("a", "b"):
        domain = getattr(experiment, side)
        if domain not in known:
            raise ConfigurationError(f"{where}.{side}: unknown domain {domain!r}{nearest(domain, known)}")
    for direction in experiment.directions:
        first, second = tasks_of_direction(direction)
        needed = {
            f"task 1 ({first}) on A": ("a", first),
            f"task 2 ({second}) on A": ("a", second),
            f"task 1 ({first}) on B": ("b", first),
            f"task 2 ({second}) on B, to evaluate on": ("b", second),
        }
        missing = []
        for what, (side, task_type) in needed.items():
            domain = getattr(experiment, side)
            dataset = dataset_of(study, domain, task_type)
            if not dataset or task_type not in study.datasets[dataset].tasks:
                missing.append(
                    f"{what} ({domain}{f', dataset {dataset}' if dataset not in ('', domain) else ''})"
                )
        if missing:
            raise ConfigurationError(
                f"{where}: {direction} needs four sets of annotations, and lacks {'; '.join(missing)}. Add the task "
                "type under `tasks` of the dataset if it has it, name another dataset in `atdt.domains`, or take "
                "another pair."
            )
        if study.atdt.domains and dataset_of(study, experiment.a, first) == dataset_of(
            study, experiment.b, first
        ):
            raise ConfigurationError(
                f"{where}: A and B have the same dataset for {first}; AT/DT needs two domains."
            )


def _check_networks(settings: AtdtSettings, experiment: AtdtExperiment, where: str) -> None:
    for direction, level in product(experiment.directions, experiment.levels):
        networks = {task_type: network_of(settings, task_type) for task_type in tasks_of_direction(direction)}
        strides = {task_type: network.stride_at(level) for task_type, network in networks.items()}
        if len(set(strides.values())) > 1:
            told = ", ".join(f"{networks[t].encoder} for {t} has {stride}" for t, stride in strides.items())
            raise ConfigurationError(
                f"{where}.levels: after stage {level} the two encoders have other strides ({told}); G maps features of "
                "one size. Give both networks the same `output_stride`."
            )
        for task_type, network in networks.items():
            if network.is_hrnet and level != DEEPEST:
                raise ConfigurationError(
                    f"{where}.levels: {network.encoder}, the network for {task_type}, is split at its deepest features "
                    f"only; expected {DEEPEST}, found {level}."
                )
            if network.is_hrnet and False in experiment.batch_norm:
                raise ConfigurationError(
                    f"{where}.batch_norm: {network.encoder} is not made without batch normalisation; choose a ResNet."
                )
