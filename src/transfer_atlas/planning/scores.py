"""The part of the plan that scores: samples of each target seen by each source, and one score per metric of a pair."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.architectures.registry import stages_of
from transfer_atlas.planning.identity import PAIR, PLAIN, Wanted, wanted
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.transfers import Builder, named_limits
from transfer_atlas.scoring.metrics import (
    BY_COVARIANCE,
    DRAWS,
    METRICS,
    SETTINGS,
    kept_for,
    module_of,
    needs_source,
    sampling_of,
    stage_of,
)
from transfer_atlas.scoring.settings import TransferabilitySettings
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import ILSVRC, Task, backbone_name, start_name, task_of
from transfer_atlas.training.methods.registry import METHODS

PREFERRED = ("multi_segmentation", "ilsvrc")  # for domain distances: the paper's choice where a study has it
SAMPLING = ("pixels", "depth_bins", "seed")  # settings of samples
AS_PUBLISHED, BALANCED, UNIFORM = "as_published", "class_balanced", "uniform"


def metric_stages() -> set[str]:
    """Stages of code that enter the keys of scores."""
    return {"scores", *map(stage_of, METRICS)}


@dataclass(frozen=True)
class Scoring:
    """Builds the runs that score, from settings that a study or `recommend` gives."""

    build: Builder
    settings: TransferabilitySettings

    def samples(
        self,
        source: Run,
        dataset: Run,
        task: Task,
        resolution: list[int],
        limits: Mapping[str, Any],
        *,
        schemes: str | None = None,
    ) -> Run:
        """Samples of a task's training images as a source sees them, drawn as all metrics of the settings want it.

        schemes: how to draw pixels, if not as these metrics want it. limits: which images, as the settings of a
        transfer have it: `images`, `selection_seed`, perhaps `shots`.
        """
        kept = kept_for(self.settings.metrics, task.type)
        return Run(
            kind="features",
            name=f"{source.name}--{task.slug}--{named_limits(_numbers(limits))}",
            settings={
                "backbone": source.settings["backbone"],
                "source_task_type": source.settings.get("task_type", "classification"),
                "task_type": task.type,
                "resolution": list(resolution),
                **limits,
                "sampling": schemes or self._schemes(task),
                **{name: getattr(self.settings, name) for name in SAMPLING},
                **({"kept": kept} if kept else {}),
            },
            code=self.build.code("features") | self._architecture(source),
            parents={"source": source, "dataset": dataset},
        )

    def scores(self, features: Run, source: Run, task: Task, *, own_samples: bool = True) -> dict[str, Run]:
        """One score per metric of the settings, by metric.

        own_samples: whether the source's own dataset may be sampled, as OTCE needs it.
        """
        found = {}
        for name in self.settings.metrics:
            asked = (*DRAWS, *SETTINGS.get(name, ()))
            own = {setting: getattr(self.settings, setting) for setting in asked}
            if "+" in features.settings["sampling"]:
                own["sampling"] = sampling_of(name)
            if name in BY_COVARIANCE:
                own["covariance"] = "spherical" if task.type == "classification" else "diagonal"
            parents = {"features": features}
            if needs_source(name) and own_samples:
                parents |= self._of_source(source)
            found[name] = Run(
                kind="score",
                name=f"{features.name}--{name.replace('_', '-')}",
                settings={"metric": name, **own},
                code=self.build.code("score", metric=module_of(name)),
                parents=parents,
            )
        return found

    def _architecture(self, source: Run) -> dict[str, int]:
        return {stage: self.build.declared[stage] for stage in stages_of(source.settings["backbone"]["name"])}

    def _schemes(self, task: Task) -> str:
        """How pixels are drawn: one scheme, or those of the metrics' papers joined by `+`; of other tasks none is."""
        if self.settings.sampling != AS_PUBLISHED:
            return self.settings.sampling
        if task.type != "segmentation":
            return BALANCED
        return "+".join(sorted({sampling_of(name) for name in self.settings.metrics}))

    def _of_source(self, source: Run) -> dict[str, Run]:
        """Samples of a source's own datasets as it sees them, by role; none where it has no dataset.

        OTCE is what asks for them, and draws uniformly.
        """
        scheme = UNIFORM if self.settings.sampling == AS_PUBLISHED else self.settings.sampling
        limits = {"images": self.settings.source_images, "selection_seed": self.settings.seed}
        found = {}
        for role, dataset in source.parents.items():
            if not role.startswith("dataset") or "task_type" not in source.settings:
                continue
            place = role.removeprefix("dataset").removeprefix("_")
            task = Task(source.settings["task_type"], *place_of(dataset.name))
            training = (
                source.settings["datasets"][place]["training"] if place else source.settings["training"]
            )
            found[f"source_features_{place}" if place else "source_features"] = self.samples(
                source, dataset, task, training["resolution"], limits, schemes=scheme
            )
        return found


def wanted_scores(study: Study, transfers: Iterable[Wanted], build: Builder) -> list[Wanted]:
    """Scores of the sources of `transfers` for their targets, and image features; none unless the study asks for any.

    The samples are of the very images that the transfer is trained on. Raises ConfigurationError if the backbone of
    domain distances is no source of the study.
    """
    if study.transferability is None:
        return []
    transfers, scoring = list(transfers), Scoring(build, study.transferability)
    found, seen = [], set()
    for each in transfers:
        pair = tuple(each[name] for name in PAIR)
        source = each.run.parents.get("source") or _own_checkpoint(each)
        if source is None or METHODS[each.identity.get("method", PLAIN)].source is not None or pair in seen:
            continue  # seeds and methods differ in training, not in images
        seen.add(pair)
        run, task = each.run, Task.parse(each["target"])
        limits: dict[str, Any] = {
            name: run.settings[name] for name in ("images", "shots") if name in run.settings
        }
        limits["selection_seed"] = run.settings["selection_seed"]
        resolution = run.settings["training"]["resolution"]
        features = scoring.samples(source, run.parents["dataset"], task, resolution, limits)
        for metric, score in scoring.scores(features, source, task).items():
            found.append(wanted(score, **dict(zip(PAIR, pair, strict=True)), metric=metric))
    return [*found, *_image_features(study, study.transferability, transfers, build)]


def _image_features(
    study: Study, settings: TransferabilitySettings, transfers: list[Wanted], build: Builder
) -> list[Wanted]:
    """Pooled features of every dataset that is a target, or the only dataset of a source, by the backbone of domain
    distances; of the datasets of `appearance_of` by that of every source trained on them, too.
    """
    backbones: dict[str, Run] = {}
    places: dict[str, Run] = {}
    for each in transfers:
        source = each.run.parents.get("source")
        for start in (each.run, source):
            if start is not None and "ilsvrc" in start.parents and backbone_name(each["source"]) is None:
                backbones["ilsvrc"] = start.parents["ilsvrc"]
        places[Task.parse(each["target"]).place] = each.run.parents["dataset"]
        if source is not None:
            backbones.setdefault(each["source"], source)
            trained_on = task_of(each["source"])
            if trained_on is not None:
                places[trained_on.place] = source.parents["dataset"]
    chosen = domain_backbone(settings, backbones)
    if chosen == ILSVRC and chosen not in backbones:
        backbones[ILSVRC] = build.ilsvrc()
    if chosen not in backbones:
        raise ConfigurationError(
            f"transferability.domain_features is {chosen!r}, which is no source of the experiments "
            f"(known: {', '.join(sorted(backbones))})."
        )
    own = {place: [chosen] for place in places}
    for dataset in settings.appearance_of:
        if dataset not in places:
            raise ConfigurationError(
                f"transferability.appearance_of names {dataset!r}, which is no dataset of the experiments "
                f"(known: {', '.join(sorted(places))})."
            )
        trained = [name for name in backbones if name == "ilsvrc" or _trained_on(name, dataset)]
        own[dataset] = sorted({chosen, *trained})
    return [
        wanted(
            image_features_run(study, settings, build, place, places[place], backbones[name]),
            dataset=place,
            backbone=name,
        )
        for place, names in own.items()
        for name in names
    ]


def _trained_on(source: str, place: str) -> bool:
    task = task_of(source)
    return task is not None and task.place == place


def domain_backbone(settings: TransferabilitySettings, backbones: Collection[str]) -> str:
    """The backbone of domain distances: what the settings say, or the paper's where it is among those of a study."""
    return settings.domain_features or next((name for name in PREFERRED if name in backbones), PREFERRED[-1])


def image_features_run(
    study: Study, settings: TransferabilitySettings, build: Builder, place: str, prepared: Run, model: Run
) -> Run:
    """Pooled features of a place's images by the backbone of a source or of ILSVRC."""
    dataset, part = place_of(place)
    task = Task(min(study.datasets[dataset].tasks), dataset, part)
    resolution = settings.domain_resolution or study.training(task, None).resolution
    return Run(
        kind="image_features",
        name=f"{prepared.name}--{model.name}",
        settings={
            "backbone": model.settings["backbone"],
            "task_type": task.type,
            "resolution": list(resolution),
            "images": settings.domain_images,
            "selection_seed": settings.seed,
        },
        code=build.code("image_features"),
        parents={"model": model, "dataset": prepared},
    )


def _own_checkpoint(each: Wanted) -> Run | None:
    """The checkpoint of a transfer from `ilsvrc+resnet18`: pretrained models are scored like sources."""
    if start_name(each["source"]) == ILSVRC and backbone_name(each["source"]) is not None:
        return each.run.parents["ilsvrc"]
    return None


def place_of(name: str) -> tuple[str, str | None]:
    """Dataset and part of a place such as `cityscapes@aachen`, or of the name of its prepared run."""
    dataset, _, part = name.replace(".", "@").partition("@")
    return dataset, part or None


def _numbers(limits: Mapping[str, Any]) -> dict[str, int | None]:
    return {name: limits[name] for name in ("images", "shots") if name in limits}
