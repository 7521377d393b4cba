"""The part of the plan that scores: samples of each target seen by each source, and scores of every pair."""

from __future__ import annotations

from collections.abc import Iterable

from transfer_atlas import code_versions
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.run import Run
from transfer_atlas.study.settings import TransferabilitySettings
from transfer_atlas.study.study import Study

FEATURE_STAGES = (
    "backbone",
    "features",
    "training",
)  # `training` holds how images are read and brought to size
SCORING = ("image_features", "features", "score")  # the kinds of runs planned here
SAMPLING = ("sampling", "pixels", "depth_bins", "seed")


def scoring_runs(study: Study, transfers: Iterable[Run]) -> list[Run]:
    """Runs that score the sources of `transfers` for their targets; none unless the study asks for scores.

    One `features` run per source, target and regime, on the very images that the transfer is trained on; one more
    per source on its own dataset, for OTCE; one `score` run per pair; and one `image_features` run per dataset, for
    domain distances. Raises ConfigurationError if the backbone of domain distances is no source of the study.
    """
    settings = study.transferability
    if settings is None:
        return []
    transfers = list(transfers)
    code = code_versions.versions([*FEATURE_STAGES, "metrics"])
    features = {stage: code[stage] for stage in FEATURE_STAGES}
    pairs: dict[tuple[str, str, str], Run] = {}
    for transfer in transfers:
        if "source" in transfer.parents:
            names = tuple(transfer.identity[name] for name in ("source", "target", "regime"))
            if names not in pairs:  # seeds differ in training, not in images
                pairs[names] = _score(transfer, settings, features, {"metrics": code["metrics"]})
    return [*pairs.values(), *_image_features(study, settings, transfers, features)]


def _score(
    transfer: Run, settings: TransferabilitySettings, features: dict[str, int], metrics: dict[str, int]
) -> Run:
    """The score of a transfer's source for its target, with the samples it builds on."""
    source = transfer.parents["source"]
    target = transfer.identity["target"]
    parents = {
        "features": _features(source, transfer.parents["dataset"], target, transfer, settings, features)
    }
    if "otce" in settings.metrics and "dataset" in source.parents:
        parents["source_features"] = _features(
            source, source.parents["dataset"], source.identity["task"], None, settings, features
        )
    names = ("metrics", "samples", "repeats", "parc_samples", "epsilon", "seed")
    identity = {name: transfer.identity[name] for name in ("source", "target", "regime")}
    return Run(
        kind="score",
        name="{source}--{target}--{regime}".format(**identity).replace("/", "-"),
        settings={name: value for name, value in settings.model_dump(mode="json").items() if name in names}
        | {"covariance": "spherical" if target.startswith("classification/") else "diagonal"},
        identity=identity,
        code=metrics,
        parents=parents,
    )


def _features(
    source: Run,
    dataset: Run,
    task: str,
    transfer: Run | None,
    settings: TransferabilitySettings,
    code: dict[str, int],
) -> Run:
    """Samples of a task seen by a source: of a transfer's training images, or of the source's own (None)."""
    training = (transfer or source).settings["training"]
    return Run(
        kind="features",
        name=f"{source.name}--{task}".replace("/", "-")
        + (f"--{transfer.identity['regime']}" if transfer else ""),
        settings={
            "backbone": source.settings["backbone"],
            "source_task_type": source.settings["task_type"],
            "task_type": task.split("/")[0],
            "resolution": training["resolution"],
            "images": transfer.settings["images"] if transfer else settings.source_images,
            "selection_seed": transfer.settings["selection_seed"] if transfer else settings.seed,
            **{name: getattr(settings, name) for name in SAMPLING},
        },
        identity={"source": source.identity["task"], "target": task},
        code=code,
        parents={"source": source, "dataset": dataset},
    )


def _image_features(
    study: Study, settings: TransferabilitySettings, transfers: list[Run], code: dict[str, int]
) -> list[Run]:
    """Pooled features of every dataset that is a target, or the only dataset of a source."""
    name = settings.domain_features
    backbones: dict[str, Run] = {}
    for run in transfers:
        for start in (run, run.parents.get("source")):
            if start is not None and "ilsvrc" in start.parents:
                backbones["ilsvrc"] = start.parents["ilsvrc"]
        if "source" in run.parents:
            backbones[run.parents["source"].identity["task"]] = run.parents["source"]
    if name not in backbones:
        raise ConfigurationError(
            f"transferability.domain_features is {name!r}, which is no source of the experiments "
            f"(known: {', '.join(sorted(backbones))})."
        )
    places: dict[str, tuple[Run, str]] = {}  # dataset -> its run and a task on it
    for run in transfers:
        places.setdefault(
            run.identity["target"].split("/")[1], (run.parents["dataset"], run.identity["target"])
        )
        source = run.parents.get("source")
        if source is not None and "dataset" in source.parents:
            task = source.identity["task"]
            places.setdefault(task.split("/")[1], (source.parents["dataset"], task))
    found = []
    for dataset, (prepared, task) in places.items():
        found.append(
            Run(
                kind="image_features",
                name=f"{dataset}--{name}".replace("/", "-"),
                settings={
                    "backbone": study.backbone.model_dump(mode="json"),
                    "task_type": task.split("/")[0],
                    "resolution": list(study.training(task, None).resolution),
                    "images": settings.domain_images,
                    "selection_seed": settings.seed,
                },
                identity={"dataset": dataset, "backbone": name},
                code=code,
                parents={"model": backbones[name], "dataset": prepared},
            )
        )
    return found
