"""What it takes to combine sources for targets: OTCE scores, samples to fuse, and multi-sources that may be trained.

Which sources are trained together follows from scores, which no plan knows. So what is handed to the script is, for
every task type, the multi-source of all candidates, of which a multi-source of some is a part (`of_some`): the very run
that a study with these `multi_sources` would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.identity import PLAIN, Wanted, wanted
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.recommendation import PIXELS, REGIME, SAMPLES
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.scores import Scoring
from transfer_atlas.planning.transfers import Builder
from transfer_atlas.scoring.settings import TransferabilitySettings
from transfer_atlas.study.settings import MultiSource
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import ILSVRC, MULTI, Task, is_multi, task_of

METRIC = "otce"  # what weighs and proposes (Tan et al.)
TOGETHER, SEEDS = 2, 3  # sources that are combined, and seeds of the transfers, unless told otherwise
FEWEST = 2  # sources of which anything can be combined


@dataclass(frozen=True)
class Asked:
    """What a user asks for: targets as text, how many sources are combined, how many seeds, how sharply scores
    weigh.
    """

    targets: tuple[str, ...]
    together: int = TOGETHER
    seeds: int = SEEDS
    temperature: float = 1.0


@dataclass(frozen=True)
class OneTarget:
    """What combining sources for one target is made of.

    Attributes
    ----------
    sources
        Candidates by name: the study's sources of one dataset each, of its own backbone, not trained on the target.
    scores
        Of each by OTCE.
    wholes
        By task type, the multi-source of all candidates of that type; none where there are fewer than are combined.
    baselines
        The transfer of ILSVRC by seed, which every other one is like but for its start.
    """

    target: str
    sources: dict[str, Run]
    scores: list[Wanted]
    wholes: dict[str, Run]
    baselines: dict[int, Run]


@dataclass(frozen=True)
class Combination:
    """What `snakemake combine` is asked, and what it looks at."""

    asked: Asked
    targets: list[OneTarget] = field(default_factory=list)

    @property
    def wanted(self) -> list[Wanted]:
        """Identities of all that has to be there before anything is combined."""
        return [each for target in self.targets for each in target.scores]

    @property
    def runs(self) -> list[Run]:
        """All that has to be there before anything is combined."""
        return [each.run for each in self.wanted]


def asked_of(config: Mapping[str, Any]) -> Asked | None:
    """What of a configuration `combine` is asked; None where no target is named.

    Raises ConfigurationError for what is no number, or out of range.
    """
    text = config.get("targets")
    if text is None:
        return None
    names = text if isinstance(text, list) else str(text).split(",")
    together = _number(config, "together", TOGETHER, int, FEWEST)
    seeds = _number(config, "seeds", SEEDS, int, 1)
    temperature = _number(config, "temperature", 1.0, float, 0.0)
    return Asked(tuple(str(name).strip() for name in names), int(together), int(seeds), temperature)


def combination_for(
    study: Study,
    plan: Plan,
    build: Builder,
    asked: Asked,
    *,
    has_images: Callable[[Run], bool] = lambda prepared: True,
) -> Combination:
    """The runs that combining sources for some targets asks for.

    build: knows the versions of the targets' datasets, which no experiment need use. has_images: whether the images of
    a prepared dataset can be had, which OTCE asks of a source: without them its score is `not_applicable`, and others
    go on. Raises ConfigurationError for an unknown target, or one for which there are not enough sources.
    """
    targets = study.expand(list(asked.targets), "targets")
    found = [_of_target(study, plan, build, asked, target, has_images) for target in targets]
    return Combination(asked, found)


def combination_settings(study: Study) -> TransferabilitySettings:
    """Settings of the scores that weigh sources: those of the study with fewer samples, one draw, and OTCE alone."""
    settings = study.transferability or TransferabilitySettings()
    return settings.model_copy(
        update={
            "metrics": [METRIC],
            "pixels": min(PIXELS, settings.pixels),
            "samples": min(SAMPLES, settings.samples),
            "repeats": 1,
        }
    )


def of_some(whole: Run, tasks: Sequence[str]) -> Run:
    """The multi-source of some tasks, from that of more; the same run as one planned for these alone.

    Raises ValueError for a task that is not among them.
    """
    places = [Task.parse(task).place for task in tasks]
    surplus = sorted(set(places) - set(whole.settings["datasets"]))
    if surplus:
        raise ValueError(f"{', '.join(surplus)}: not among the datasets of {whole.name}")
    chosen = {place: whole.settings["datasets"][place] for place in places}
    kept = {f"dataset_{place}" for place in places}
    parents = {
        role: run for role, run in whole.parents.items() if not role.startswith("dataset_") or role in kept
    }
    return Run(whole.kind, whole.name, whole.settings | {"datasets": chosen}, whole.code, parents=parents)


def _of_target(
    study: Study, plan: Plan, build: Builder, asked: Asked, target: str, has_images: Callable[[Run], bool]
) -> OneTarget:
    task = Task.parse(target)
    baselines = {seed: build.transfer(ILSVRC, task, REGIME, seed, PLAIN) for seed in range(asked.seeds)}
    sources = {name: _source(build, name, task) for name in _candidates(study, plan, task)}
    if len(sources) < FEWEST:
        raise ConfigurationError(
            f"there is nothing to combine for {target}: the experiments have {len(sources)} source"
            f"{'' if len(sources) == 1 else 's'} of the study's backbone that {'was' if len(sources) == 1 else 'were'} "
            f"not trained on it{' (' + ', '.join(sources) + ')' if sources else ''}. Name two or more."
        )
    scoring = Scoring(build, combination_settings(study))
    transfer = baselines[0]
    limits: dict[str, Any] = {
        name: transfer.settings[name] for name in ("images", "shots") if name in transfer.settings
    }
    limits["selection_seed"] = transfer.settings["selection_seed"]
    resolution = transfer.settings["training"]["resolution"]
    scores = []
    for name, source in sources.items():
        samples = scoring.samples(source, transfer.parents["dataset"], task, resolution, limits)
        here = all(has_images(run) for role, run in source.parents.items() if role.startswith("dataset"))
        score = scoring.scores(samples, source, task, own_samples=here)[METRIC]
        scores.append(wanted(score, source=name, target=target, regime=REGIME, metric=METRIC))
    return OneTarget(target, sources, scores, _wholes(study, build, task, sources, asked.together), baselines)


def _candidates(study: Study, plan: Plan, task: Task) -> list[str]:
    """Names of the study's sources of one task each that can be combined for a target, sorted."""
    found = {each["source"] for each in plan.wanted_of("transfer") if "source" in each.run.parents}
    return sorted(
        name
        for name in found
        if not is_multi(name)
        and study.network(name) == study.backbone.hashed()
        and (trained_on := task_of(name)) is not None
        and trained_on.place != task.place
    )


def _source(build: Builder, name: str, task: Task) -> Run:
    return build.transfer(name, task, REGIME, 0, PLAIN).parents["source"]


def _wholes(
    study: Study, build: Builder, task: Task, sources: Mapping[str, Run], together: int
) -> dict[str, Run]:
    by_type: dict[str, list[str]] = {}
    for name in sources:
        by_type.setdefault(Task.parse(name).type, []).append(name)
    found = {}
    for task_type, names in sorted(by_type.items()):
        if len(names) < together:
            continue
        name = f"{MULTI}{task_type}"
        known = study.multi_sources.get(name)
        own_training = {} if known is None else {"training": known.training}
        whole = MultiSource(tasks=names, **own_training)
        derived = study.model_copy(update={"multi_sources": {**study.multi_sources, name: whole}})
        own = replace(build, study=derived, _made={}, _of_targets={})
        found[task_type] = _source(own, name, task)
    return found


def _number(config: Mapping[str, Any], name: str, default: Any, kind: type, least: float) -> Any:
    value = config.get(name, default)
    try:
        found = kind(value)
        enough = found >= least if kind is int else found > least
        if isinstance(value, bool) or found != float(value) or not enough or found == float("inf"):
            raise ValueError
    except (TypeError, ValueError):
        expected = f"whole number of at least {least:g}" if kind is int else f"number above {least:g}"
        raise ConfigurationError(
            f"{name} is {value!r}; expected a {expected}, such as {name}={default}."
        ) from None
    return found
