"""The runs that train: the ILSVRC checkpoint, a source, a transfer over its learning-rate grid."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models import origins
from transfer_atlas.models.backbone import Backbone, build_backbone
from transfer_atlas.models.checkpoints import load_backbone, save_checkpoint
from transfer_atlas.models.expected_input import whitening
from transfer_atlas.models.model import Model, MultiHeadModel
from transfer_atlas.progress import Progress
from transfer_atlas.store.files import write_json
from transfer_atlas.store.store import MODEL_FILE, parent_record, read_run
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.batches import Batches, InterleavedBatches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.fit import fit
from transfer_atlas.training.selection import selected_images
from transfer_atlas.training.settings import TrainingSettings

CACHE_BYTES = 2 * 1024**3  # of decoded images kept in memory; a small target's 150 images always fit


def ilsvrc(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """The ILSVRC checkpoint: taken from its origin, or trained. Returns the metrics of training, if any."""
    settings, location = request["settings"], request["location"]
    name = settings["backbone"]["name"]
    if settings["origin"] == "train":
        return _train(
            request, "classification", build_backbone(name, seed=settings["seed"]), scratch, progress_to
        )
    if settings["origin"] == "timm":
        backbone = origins.backbone_from_timm(name, settings["model"])
    elif settings["origin"] == "package":
        backbone = origins.backbone_from_package(name, settings["package"])
    else:
        backbone = origins.backbone_from_file(name, Path(location["path"]), settings.get("expects"))
    tensors = {f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}
    save_checkpoint(scratch / "output" / MODEL_FILE, tensors, _described(request, backbone))
    return {"parameters": sum(weight.numel() for weight in backbone.parameters())}


def source(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """A source: the ILSVRC checkpoint fine-tuned on the source's whole training set."""
    settings = request["settings"]
    backbone = _start(request, settings["seed"])
    if "datasets" in settings:
        return _train_together(request, backbone, scratch, progress_to)
    return _train(request, settings["task_type"], backbone, scratch, progress_to)


def _train(
    request: dict[str, Any], task_type: str, backbone: Backbone, scratch: Path, progress_to: TextIO
) -> dict[str, Any]:
    """Train backbone and a new head, evaluate, and leave the checkpoint in the run's output."""
    settings = request["settings"]
    training = TrainingSettings.from_hashed(settings["training"])
    task = TASK_TYPES[task_type]
    dataset = _open(request)
    indices = selected_images(dataset, settings)
    _need_images(indices, request)
    model = _with_head(backbone, task, dataset, training, settings["seed"])
    accelerator = make_accelerator(training.precision)
    progress = Progress(request["name"], training.steps, progress_to)
    curve = fit(
        model,
        task,
        Batches(dataset, task, indices, training, settings["seed"]),
        training,
        learning_rate=training.learning_rate,
        accelerator=accelerator,
        state=scratch / "state.safetensors",
        watch=lambda done, loss: progress.show(done, f"loss {loss:.3f}"),
    )
    metrics = evaluate(model, task, dataset, training, accelerator=accelerator, scoring=_scoring(settings))
    save_checkpoint(
        scratch / "output" / MODEL_FILE, model.state_dict(), _described(request, backbone, task, training)
    )
    return _metrics(task, metrics) | {"images": len(indices), "curve": curve}


def _train_together(
    request: dict[str, Any], backbone: Backbone, scratch: Path, progress_to: TextIO
) -> dict[str, Any]:
    """A multi-source: one backbone, a head per dataset, each batch from one dataset in turn (section 5.1)."""
    settings = request["settings"]
    shared = TrainingSettings.from_hashed(settings["training"])
    task = TASK_TYPES[settings["task_type"]]
    each, datasets, models, batches, images = {}, {}, {}, [], 0
    for name, own in sorted(settings["datasets"].items()):  # each takes its turn: their order means nothing
        each[name] = TrainingSettings.from_hashed(settings["training"] | own["training"])
        datasets[name] = _open(request, f"dataset_{name}", share=len(settings["datasets"]))
        indices = selected_images(datasets[name], settings)
        _need_images(indices, request)
        images += len(indices)
        models[name] = _with_head(backbone, task, datasets[name], each[name], settings["seed"])
        batches.append(Batches(datasets[name], task, indices, each[name], settings["seed"]))
    model = MultiHeadModel(models)
    accelerator = make_accelerator(shared.precision)
    progress = Progress(request["name"], shared.steps, progress_to)
    curve = fit(
        model,
        task,
        InterleavedBatches(batches),
        shared,
        parts=list(models.values()),
        learning_rate=shared.learning_rate,
        accelerator=accelerator,
        state=scratch / "state.safetensors",
        watch=lambda done, loss: progress.show(done, f"loss {loss:.3f}"),
    )
    found = {
        name: evaluate(
            models[name],
            task,
            dataset,
            each[name],
            accelerator=accelerator,
            scoring=_scoring(settings["datasets"][name]),
        )
        for name, dataset in datasets.items()
    }
    save_checkpoint(
        scratch / "output" / MODEL_FILE, model.state_dict(), _described(request, backbone, task, shared)
    )
    value = sum(metrics["value"] for metrics in found.values()) / len(found)
    return _metrics(task, {"value": value, "datasets": found}) | {"images": images, "curve": curve}


def transfer(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """A transfer: copy the source's backbone, new random head, fine-tune with every learning rate of the
    grid, keep the best (paper, section 5.1). Finished rates of an interrupted attempt are not repeated.
    """
    settings = request["settings"]
    task = TASK_TYPES[settings["task_type"]]
    rates, scoring = settings["learning_rates"], _scoring(settings)
    training = TrainingSettings.from_hashed(settings["training"] | {"learning_rate": rates[0]})
    dataset = _open(request)
    indices = selected_images(dataset, settings)
    _need_images(indices, request)
    fitted, held_out = _hold_out(indices, settings["held_out_fraction"], settings["selection_seed"] or 0)
    accelerator = make_accelerator(training.precision)
    progress = Progress(request["name"], training.steps * len(rates), progress_to)
    batches = Batches(dataset, task, fitted, training, settings["seed"])
    grid = []
    for number, rate in enumerate(rates):
        done_file = scratch / f"rate-{number}.json"
        if done_file.exists():
            grid.append(json.loads(done_file.read_text(encoding="utf-8")))
            progress.skip(training.steps)
            continue
        began = time.monotonic()
        entry: dict[str, Any] = {"learning_rate": rate, "status": "finished", "reason": None, "value": None}
        before = number * training.steps
        try:
            model = _with_head(_start(request, settings["seed"]), task, dataset, training, settings["seed"])
            entry["curve"] = fit(
                model,
                task,
                batches,
                training,
                learning_rate=rate,
                accelerator=accelerator,
                state=scratch / f"state-{number}.safetensors",
                watch=lambda done, loss, rate=rate, before=before: progress.show(
                    before + done, f"learning rate {rate:g}, loss {loss:.3f}"
                ),
            )
            if held_out is not None:
                found = evaluate(
                    model,
                    task,
                    dataset,
                    training,
                    accelerator=accelerator,
                    split="train",
                    indices=held_out,
                    scoring=scoring,
                )
                entry["held_out_value"] = found["value"]
            entry["metrics"] = evaluate(
                model, task, dataset, training, accelerator=accelerator, scoring=scoring
            )
            entry["value"] = entry["metrics"]["value"]
        except LegitimateFailure as failure:
            entry |= {"status": failure.status, "reason": failure.reason}
        entry["seconds"] = round(time.monotonic() - began, 3)
        write_json(done_file, entry)
        grid.append(entry)
    counts = {
        "images": len(fitted),
        "available_images": dataset.count("train"),
        "source_images": _source_images(request),
    }
    return _best_of_grid(grid, task, settings) | counts


def target_model(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """The model of a transfer, trained once more at the rate that the transfer found best, on the same images.

    On a processor it is the transfer's own model to the bit; `transfer_value` stands beside its `value`.
    """
    settings = request["settings"]
    found = parent_record(request, "transfer")["metrics"]
    task = TASK_TYPES[settings["task_type"]]
    training = TrainingSettings.from_hashed(
        settings["training"] | {"learning_rate": found["best_learning_rate"]}
    )
    dataset = _open(request)
    fitted, _ = _hold_out(
        selected_images(dataset, settings), settings["held_out_fraction"], settings["selection_seed"] or 0
    )
    accelerator = make_accelerator(training.precision)
    progress = Progress(request["name"], training.steps, progress_to)
    model = _with_head(_start(request, settings["seed"]), task, dataset, training, settings["seed"])
    curve = fit(
        model,
        task,
        Batches(dataset, task, fitted, training, settings["seed"]),
        training,
        learning_rate=training.learning_rate,
        accelerator=accelerator,
        state=scratch / "state.safetensors",
        watch=lambda done, loss: progress.show(done, f"loss {loss:.3f}"),
    )
    metrics = evaluate(model, task, dataset, training, accelerator=accelerator, scoring=_scoring(settings))
    save_checkpoint(
        scratch / "output" / MODEL_FILE,
        model.state_dict(),
        _described(request, model.backbone, task, training),
    )
    return _metrics(task, metrics) | {
        "images": len(fitted),
        "curve": curve,
        "transfer_value": found["value"],
    }


def _scoring(settings: dict[str, Any]) -> EvaluationSettings | None:
    """How predictions are scored, where the task type leaves a choice."""
    return EvaluationSettings.from_hashed(settings["evaluation"]) if "evaluation" in settings else None


def _best_of_grid(grid: list[dict[str, Any]], task: TaskType, settings: dict[str, Any]) -> dict[str, Any]:
    finished = [entry for entry in grid if entry["status"] == "finished"]
    if not finished:
        reasons = dict.fromkeys(
            entry["reason"] for entry in grid
        )  # a failed source is the same for all rates
        raise LegitimateFailure(grid[0]["status"], "; ".join(reasons))
    chosen_by = "held_out_value" if settings["select_on"] == "held_out" else "value"
    sign = 1 if task.higher_is_better else -1
    best = max(finished, key=lambda entry: sign * entry[chosen_by])
    summary = [{k: v for k, v in entry.items() if k not in ("metrics", "seconds")} for entry in grid]
    return _metrics(task, best["metrics"]) | {"best_learning_rate": best["learning_rate"], "grid": summary}


def _metrics(task: TaskType, found: dict[str, Any]) -> dict[str, Any]:
    return {"primary": task.metric, "higher_is_better": task.higher_is_better, **found}


def _open(request: dict[str, Any], role: str = "dataset", share: int = 1) -> PreparedDataset:
    """A prepared dataset among the parents, with its share of the memory for decoded images."""
    folder = request["parents"][role]["folder"]
    return PreparedDataset.open(folder, cache_bytes=CACHE_BYTES // share, threads=torch.get_num_threads())


def _with_head(
    backbone: Backbone, task: TaskType, dataset: PreparedDataset, settings: TrainingSettings, seed: int
) -> Model:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = task.head(backbone, dataset.description)
    description = dataset.description
    return Model(backbone, head, *whitening(settings.statistics, description.mean, description.std))


def _described(
    request: dict[str, Any],
    backbone: Backbone,
    task: TaskType | None = None,
    training: TrainingSettings | None = None,
) -> dict[str, Any]:
    """The description of a checkpoint; task, training: of one that was trained here."""
    expects = backbone.expects
    if training is not None:
        expects = replace(expects, statistics=training.statistics)
    described = {"backbone": request["settings"]["backbone"], "expects": expects.described()}
    return described if task is None else described | {"task_type": task.name, "key": request["key"]}


def _start(request: dict[str, Any], seed: int) -> Backbone:
    """The backbone a run starts from: its source's, the ILSVRC checkpoint's, or random weights (scratch).

    Raises LegitimateFailure("source_failed") if the parent legitimately has no weights.
    """
    backbone = build_backbone(request["settings"]["backbone"]["name"], seed=seed)
    for role in ("source", "ilsvrc"):
        if role in request["parents"]:
            parent_record(request, role)
            load_backbone(backbone, Path(request["parents"][role]["folder"]) / MODEL_FILE)
            return backbone
    return backbone


def _source_images(request: dict[str, Any]) -> int | None:
    """How many images the source was trained on: a column of the tables, where the source itself may be absent."""
    if "source" not in request["parents"]:
        return None
    return (read_run(Path(request["parents"]["source"]["folder"]))["metrics"] or {}).get("images")


def _hold_out(indices: np.ndarray, fraction: float | None, seed: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Positions to fit on, and those held out to pick the learning rate on (None if it is not asked for)."""
    if fraction is None:
        return indices, None
    if len(indices) < 2:
        raise LegitimateFailure("no_training_images", "one training image cannot be both fitted and held out")
    count = min(len(indices) - 1, max(1, round(fraction * len(indices))))
    held_out = np.random.default_rng([seed, 2]).permutation(len(indices))[:count]
    return np.delete(indices, held_out), np.sort(indices[held_out])


def _need_images(indices: np.ndarray, request: dict[str, Any]) -> None:
    if not len(indices):
        raise LegitimateFailure("no_training_images", f"{request['name']}: the training split holds no image")
