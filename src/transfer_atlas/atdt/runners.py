"""The runs of AT/DT: a task network on one domain or several, the transfer network G, and an evaluation."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import torch
from torch import Tensor

from transfer_atlas.atdt.learning import (
    Frozen,
    Member,
    MemberBatches,
    Route,
    TaskNetworks,
    joint_loss,
    pooled_rows,
    transfer_loss,
)
from transfer_atlas.atdt.requested import (
    frozen,
    networks_of,
    places_of,
    start_from_ilsvrc,
    statistics_of,
    transfer_network_of,
    view_of,
)
from transfer_atlas.atdt.settings import DEEPEST
from transfer_atlas.atdt.shown import write_shown
from transfer_atlas.atdt.transfer_network import TransferNetwork, unexplained_share
from transfer_atlas.atdt.views import View
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.checkpoints import save_checkpoint
from transfer_atlas.process.progress import Progress
from transfer_atlas.scoring.sample_files import save_samples
from transfer_atlas.store.store import MODEL_FILE
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.device import make_accelerator, make_optimizer, memory_format
from transfer_atlas.training.evaluate import PER_IMAGE_FILE, evaluate
from transfer_atlas.training.finite import require_finite_weights
from transfer_atlas.training.fit import set_learning_rate
from transfer_atlas.training.geometry import complete_images
from transfer_atlas.training.loop import train
from transfer_atlas.training.settings import TrainingSettings

SHOWN_IMAGES = 24  # whose features are kept for t-SNE
SHOWN_ROWS = 400  # places of these images, drawn at random


def network(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Train a task network: N1 on A and B, N2 on A, the oracle on B, or No Transfer's, as `tasks` says.

    settings: `tasks` maps task types to the domains that have them; `encoders` is `shared` or `separate`.
    """
    settings = request["settings"]
    training = TrainingSettings.from_hashed(settings["training"])
    places = places_of(request)
    networks = TaskNetworks.of(settings, places)
    start_from_ilsvrc(request, networks)
    views = {place: view_of(request, place, settings, share=len(places)) for place in places}
    wanted = [(task, place) for task, its in sorted(settings["tasks"].items()) for place in sorted(its)]
    sizes = [len(part) for part in np.array_split(np.arange(training.batch_size), len(wanted))]
    members = []
    for number, ((task, place), size) in enumerate(zip(wanted, sizes, strict=True)):
        view, own = views[place], training.model_copy(update={"batch_size": size})
        _need_images(view, place)
        batches = Batches(
            view, TASK_TYPES[task], np.arange(view.count("train")), own, settings["seed"] + 1000 * number
        )
        members.append(Member(task, place, batches, statistics_of(view, settings["training"])))
    accelerator = make_accelerator(training.precision, tf32=training.tf32)
    networks.to(accelerator.device, memory_format=memory_format(accelerator.device)).train()
    optimizer = make_optimizer(training, networks, training.learning_rate)
    depth_maximum = settings.get("depth_maximum", 1.0)

    def step(number: int, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
        set_learning_rate(optimizer, training, training.learning_rate, number)
        optimizer.zero_grad(set_to_none=True)
        with accelerator.autocast():
            loss = joint_loss(networks, members, images, targets, depth_maximum)
        accelerator.backward(loss)
        if training.clip_gradients is not None:
            torch.nn.utils.clip_grad_norm_(networks.parameters(), training.clip_gradients)
        optimizer.step()
        return loss.detach()

    progress = Progress(request["name"], training.steps, progress_to)
    began = time.monotonic()
    curve = train(
        step,
        MemberBatches(members),
        steps=training.steps,
        saved={"networks": networks, "optimizer": optimizer},
        accelerator=accelerator,
        state=scratch / "state.safetensors",
        watch=lambda done, loss: progress.show(done, f"loss {loss:.3f}"),
        about=f" (learning rate {training.learning_rate:g})",
    )
    rate = training.steps / max(1e-9, time.monotonic() - began)
    require_finite_weights(networks)
    save_checkpoint(scratch / "output" / MODEL_FILE, networks.state_dict(), {"key": request["key"]})
    return {
        "curve": curve,
        "images": {place: view.count("train") for place, view in views.items()},
        "parameters": sum(weight.numel() for weight in networks.parameters()),
        "steps_per_second": round(rate, 3),
    }


def transfer_network(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Train G on A to map N1's features to N2's, both frozen (paper, section 3.5).

    `value` is the share of the variance of N2's features on A's evaluation set that G leaves unexplained.
    """
    settings = request["settings"]
    training = TrainingSettings.from_hashed(settings["training"])
    (place,) = places_of(request)
    _, own = networks_of(request, "n2")
    view = view_of(request, place, own)
    _need_images(view, place)
    accelerator = make_accelerator(training.precision, tf32=training.tf32)
    first = frozen(request, "n1", settings["from_task"], place, view, settings["level"]).to(
        accelerator.device
    )
    second = frozen(request, "n2", settings["to_task"], place, view, settings["level"]).to(accelerator.device)
    channels = [frozen_.encoder.channels_at(settings["level"]) for frozen_ in (first, second)]
    made = (*channels, settings["channels"])
    learned = TransferNetwork(*made, seed=settings["seed"])
    learned.to(accelerator.device, memory_format=memory_format(accelerator.device))
    optimizer = make_optimizer(training, learned, training.learning_rate)
    task = TASK_TYPES[settings["to_task"]]
    batches = Batches(view, task, np.arange(view.count("train")), training, settings["seed"])

    def step(number: int, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
        set_learning_rate(optimizer, training, training.learning_rate, number)
        optimizer.zero_grad(set_to_none=True)
        with accelerator.autocast():
            loss = transfer_loss(learned, first, second, images)
        accelerator.backward(loss)
        optimizer.step()
        return loss.detach()

    progress = Progress(request["name"], training.steps, progress_to)
    began = time.monotonic()
    curve = train(
        step,
        batches,
        steps=training.steps,
        saved={"network": learned, "optimizer": optimizer},
        accelerator=accelerator,
        state=scratch / "state.safetensors",
        watch=lambda done, loss: progress.show(done, f"loss {loss:.4f}"),
        about=f" (learning rate {training.learning_rate:g})",
    )
    rate = training.steps / max(1e-9, time.monotonic() - began)
    require_finite_weights(learned)
    rows = feature_rows(view, training, settings["to_task"], first, second, learned, accelerator.device)
    save_checkpoint(
        scratch / "output" / MODEL_FILE, learned.state_dict(), {"key": request["key"], "channels": list(made)}
    )
    return {
        "curve": curve,
        "primary": "unexplained_share",
        "higher_is_better": False,
        "value": unexplained_share(rows["mapped"], rows["wanted"]),
        "images": view.count("train"),
        "parameters": sum(weight.numel() for weight in learned.parameters()),
        "steps_per_second": round(rate, 3),
    }


def evaluation(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Evaluate D2(G(E1(x))), or D2(E2(x)), on a domain's evaluation set (paper, section 3.6).

    With G among the parents, features on the way are kept as well, for t-SNE (supplement, Fig. 1).
    """
    settings = request["settings"]
    training = TrainingSettings(
        **{name: settings[name] for name in ("resolution", "batch_size", "precision")}
    )
    task = TASK_TYPES[settings["task_type"]]
    (place,) = places_of(request)
    networks, own = networks_of(request, "decoder")
    view = view_of(request, place, own, centre_crop=settings.get("centre_crop"))
    level = settings.get("level", DEEPEST)
    whiten = statistics_of(view, own["training"])
    last = Frozen(networks.encoder(place), networks.decoders[task.name], whiten, level)
    accelerator = make_accelerator(training.precision, tf32=training.tf32)
    first = learned = None
    if "transfer_network" in request["parents"]:
        learned = transfer_network_of(request)
        first = frozen(request, "encoder", settings["from_task"], place, view, level)
    route = Route(task.name, last, own.get("depth_maximum", 1.0), encoder=first, network=learned)
    output = scratch / "output"
    metrics = evaluate(
        route, task, view, training, accelerator=accelerator, per_image=output / PER_IMAGE_FILE
    )
    shown = write_shown(route, task, view, training, output, accelerator=accelerator)
    if first is not None and learned is not None:
        rows = feature_rows(view, training, task.name, first, last, learned, accelerator.device)
        chosen = np.random.default_rng([settings["seed"], 5]).permutation(len(rows["given"]))[:SHOWN_ROWS]
        save_samples(output, {name: values[chosen].numpy() for name, values in rows.items()}, {})
        metrics["unexplained_share"] = unexplained_share(rows["mapped"], rows["wanted"])
    return {
        "primary": metrics.get("primary", task.metric),
        "higher_is_better": task.higher_is_better,
        **metrics,
        "images": view.count("val"),
        "shown": shown,
    }


@torch.inference_mode()
def feature_rows(
    view: View,
    training: TrainingSettings,
    task_type: str,
    first: Frozen,
    second: Frozen,
    learned: TransferNetwork,
    device: torch.device,
) -> dict[str, Tensor]:
    """Features at all places of some images of the evaluation set, as rows (N, C) float32.

    given: of N1, mapped: what G makes of them, wanted: of N2. Images are spread evenly over the evaluation set.
    """
    count = view.count("val")
    places = sorted({round(at) for at in np.linspace(0, count - 1, min(SHOWN_IMAGES, count)).tolist()})
    samples = view.read("val", places, task_type)
    learned.to(device).eval()
    found: dict[str, list[Tensor]] = {"given": [], "mapped": [], "wanted": []}
    for _, inputs, _ in complete_images(samples, training.resolution, view.description.mean):
        images = inputs.to(device, memory_format=memory_format(device))
        given = first.to(device).encode(images)
        for name, values in (
            ("given", given),
            ("mapped", learned(given)),
            ("wanted", second.to(device).encode(images)),
        ):
            found[name].append(pooled_rows(values).float().cpu())
    return {name: torch.cat(values) for name, values in found.items()}


def _need_images(view: View, place: str) -> None:
    if not view.count("train"):
        raise LegitimateFailure("no_training_images", f"{place}: the training split holds no image")
