"""The runs that train: the ILSVRC checkpoint, a source, a transfer over its learning-rate grid."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models import origins
from transfer_atlas.models.backbone import Backbone, backbone_of
from transfer_atlas.models.checkpoints import save_checkpoint
from transfer_atlas.models.model import MultiHeadModel
from transfer_atlas.process.progress import Progress
from transfer_atlas.store.files import move_into, write_json
from transfer_atlas.store.store import MODEL_FILE, parent_record
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.assess import assess
from transfer_atlas.training.batches import Batches, InterleavedBatches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.evaluate import evaluate
from transfer_atlas.training.fit import fit
from transfer_atlas.training.methods.registry import called
from transfer_atlas.training.methods.starting import StartingPoint, method_of
from transfer_atlas.training.notes import RATE_AT_EDGE, rate_at_edge
from transfer_atlas.training.requested import (
    describe_dataset,
    described,
    hold_out,
    need_images,
    open_dataset,
    scoring_of,
    source_images,
    start,
    trained_on,
    with_head,
)
from transfer_atlas.training.selection import selected_images
from transfer_atlas.training.settings import TrainingSettings


def ilsvrc(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """The ILSVRC checkpoint: taken from its origin, or trained. Returns the metrics of training, if any."""
    settings, location = request["settings"], request["location"]
    name = settings["backbone"]["name"]
    if settings["origin"] == "train":
        begin = backbone_of(settings["backbone"], seed=settings["seed"])
        return _train(request, "classification", begin, scratch, progress_to)
    if settings["origin"] == "scratch":
        backbone = backbone_of(settings["backbone"], seed=settings["seed"])
    elif settings["origin"] == "timm":
        backbone = origins.backbone_from_timm(name, settings["model"])
    elif settings["origin"] == "package":
        backbone = origins.backbone_from_package(name, settings["package"])
    else:
        backbone = origins.backbone_from_file(name, Path(location["path"]), settings.get("expects"))
    tensors = {f"backbone.{key}": tensor for key, tensor in backbone.state_dict().items()}
    save_checkpoint(scratch / "output" / MODEL_FILE, tensors, described(request, backbone))
    return {"parameters": sum(weight.numel() for weight in backbone.parameters())}


def source(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """A source: the ILSVRC checkpoint fine-tuned on the source's whole training set, or as its method has it."""
    settings = request["settings"]
    own = method_of(settings).source
    if own is not None:
        return called(own)(request, scratch, progress_to)
    backbone = start(request, settings["seed"])
    if "datasets" in settings:
        return _train_together(request, backbone, scratch, progress_to)
    return _train(request, settings["task_type"], backbone, scratch, progress_to)


def _train(
    request: dict[str, Any], task_type: str, backbone: Backbone, scratch: Path, progress_to: TextIO
) -> dict[str, Any]:
    """Train backbone and a new head, evaluate, and leave the checkpoint in the run's output."""
    settings = request["settings"]
    training = TrainingSettings.from_hashed(settings["training"])
    dataset = open_dataset(request)
    indices = selected_images(dataset, settings)
    need_images(indices, request)
    return _train_and_keep(
        request, TASK_TYPES[task_type], backbone, training, dataset, indices, scratch, progress_to
    )


def _train_and_keep(
    request: dict[str, Any],
    task: TaskType,
    backbone: Backbone,
    training: TrainingSettings,
    dataset: PreparedDataset,
    indices: np.ndarray,
    scratch: Path,
    progress_to: TextIO,
) -> dict[str, Any]:
    """Train on some images at the settings' rate, evaluate, and keep the model among the run's files; its metrics."""
    settings = request["settings"]
    model = with_head(backbone, task, dataset, training, settings["seed"])
    accelerator = make_accelerator(training.precision, tf32=training.tf32)
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
    metrics = assess(
        model,
        task,
        dataset,
        training,
        indices,
        curve,
        accelerator=accelerator,
        scoring=scoring_of(settings),
        output=scratch / "output",
        seed=settings["seed"],
    )
    about = {dataset.description.name: describe_dataset(*trained_on(dataset, training, settings))}
    save_checkpoint(
        scratch / "output" / MODEL_FILE,
        model.state_dict(),
        described(request, backbone, task, training, about),
    )
    return _metrics(task, metrics) | {"images": len(indices), "curve": curve}


def _train_together(
    request: dict[str, Any], backbone: Backbone, scratch: Path, progress_to: TextIO
) -> dict[str, Any]:
    """A multi-source: one backbone, a head per dataset, each batch from one dataset in turn (section 5.1)."""
    settings = request["settings"]
    shared = TrainingSettings.from_hashed(settings["training"])
    task = TASK_TYPES[settings["task_type"]]
    each, datasets, models, fitted, batches, images = {}, {}, {}, {}, [], 0
    for name, own in sorted(settings["datasets"].items()):  # each takes its turn: their order means nothing
        each[name] = TrainingSettings.from_hashed(settings["training"] | own["training"])
        datasets[name] = open_dataset(request, f"dataset_{name}", share=len(settings["datasets"]))
        indices = selected_images(datasets[name], settings)
        need_images(indices, request)
        images += len(indices)
        fitted[name] = indices
        models[name] = with_head(backbone, task, datasets[name], each[name], settings["seed"])
        batches.append(Batches(datasets[name], task, indices, each[name], settings["seed"]))
    model = MultiHeadModel(models)
    accelerator = make_accelerator(shared.precision, tf32=shared.tf32)
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
        name: assess(
            models[name],
            task,
            dataset,
            each[name],
            fitted[name],
            curve,
            accelerator=accelerator,
            scoring=scoring_of(settings["datasets"][name]),
            output=scratch / "output" / name,
            seed=settings["seed"],
        )
        for name, dataset in datasets.items()
    }
    about = {
        name: describe_dataset(*trained_on(dataset, each[name], settings["datasets"][name]))
        for name, dataset in datasets.items()
    }
    save_checkpoint(
        scratch / "output" / MODEL_FILE,
        model.state_dict(),
        described(request, backbone, task, shared, about),
    )
    value = sum(metrics["value"] for metrics in found.values()) / len(found)
    notes = sorted({note for metrics in found.values() for note in metrics["notes"]})
    together = {"value": value, "datasets": found, "notes": notes}
    return _metrics(task, together) | {"images": images, "curve": curve}


def transfer(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """A transfer: copy the source's backbone, new random head, fine-tune with every learning rate of the
    grid, keep the best (paper, section 5.1). Finished rates of an interrupted attempt are not repeated.

    A method may make something else of the source first, or do without fine-tuning (`methods/registry.py`).
    """
    settings = request["settings"]
    own = method_of(settings).transfer
    if own is not None:
        return called(own)(request, scratch, progress_to)
    task = TASK_TYPES[settings["task_type"]]
    rates, scoring = settings["learning_rates"], scoring_of(settings)
    training = TrainingSettings.from_hashed(settings["training"] | {"learning_rate": rates[0]})
    dataset = open_dataset(request)
    indices = selected_images(dataset, settings)
    need_images(indices, request)
    fitted, held_out = hold_out(indices, settings["held_out_fraction"], settings["selection_seed"] or 0)
    accelerator = make_accelerator(training.precision, tf32=training.tf32)
    begin = StartingPoint(
        request, dataset, fitted, training, accelerator=accelerator, scratch=scratch, progress_to=progress_to
    )
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
            model = with_head(begin.backbone(), task, dataset, training, settings["seed"])
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
            entry["metrics"] = assess(
                model,
                task,
                dataset,
                training,
                fitted,
                entry["curve"],
                accelerator=accelerator,
                scoring=scoring,
                output=_anew(scratch / f"shown-{number}"),
                seed=settings["seed"],
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
        "source_images": source_images(request),
    }
    best, metrics = _best_of_grid(grid, task, settings)
    for path in sorted((scratch / f"shown-{best}").iterdir()):
        move_into(path, scratch / "output")
    return metrics | counts | begin.told


def target_model(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """The model of a transfer, trained once more at the rate that the transfer found best, on the same images.

    On a processor it is the transfer's own model to the bit; `transfer_value` stands beside its `value`.
    """
    settings = request["settings"]
    if method_of(settings).transfer is not None:
        raise LegitimateFailure(
            "not_applicable", f"{settings['method']} leaves no model of its own to be kept"
        )
    found = parent_record(request, "transfer")["metrics"]
    task = TASK_TYPES[settings["task_type"]]
    training = TrainingSettings.from_hashed(
        settings["training"] | {"learning_rate": found["best_learning_rate"]}
    )
    dataset = open_dataset(request)
    fitted, _ = hold_out(
        selected_images(dataset, settings), settings["held_out_fraction"], settings["selection_seed"] or 0
    )
    begin = StartingPoint(
        request,
        dataset,
        fitted,
        training,
        accelerator=make_accelerator(training.precision, tf32=training.tf32),
        scratch=scratch,
        progress_to=progress_to,
    )
    metrics = _train_and_keep(
        request, task, begin.backbone(), training, dataset, fitted, scratch, progress_to
    )
    return metrics | {"transfer_value": found["value"]} | begin.told


def _anew(folder: Path) -> Path:
    """An empty folder, also where an interrupted attempt left something."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _best_of_grid(
    grid: list[dict[str, Any]], task: TaskType, settings: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """Place of the best learning rate in the grid, and the metrics of the transfer."""
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
    metrics = _metrics(task, best["metrics"])
    rates = [entry["learning_rate"] for entry in grid]
    if rate_at_edge(rates, best["learning_rate"]):
        metrics["notes"] = [*metrics["notes"], RATE_AT_EDGE]
    return grid.index(best), metrics | {"best_learning_rate": best["learning_rate"], "grid": summary}


def _metrics(task: TaskType, found: dict[str, Any]) -> dict[str, Any]:
    return {"primary": task.metric, "higher_is_better": task.higher_is_better, **found}
