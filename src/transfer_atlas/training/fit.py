"""Fits a model to a task: resumable at any step, and the same to the bit whether it was interrupted or not."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from transfer_atlas.errors import CheckpointError, LegitimateFailure
from transfer_atlas.models.checkpoints import load_checkpoint, save_checkpoint
from transfer_atlas.models.model import Model, MultiHeadModel
from transfer_atlas.stopping import asked, stop_if_asked
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.training.batches import Batches, InterleavedBatches
from transfer_atlas.training.device import device_memory, make_optimizer
from transfer_atlas.training.finite import require_finite_weights
from transfer_atlas.training.memory import require_memory
from transfer_atlas.training.modes import activations_computed_again, set_training_mode
from transfer_atlas.training.schedule import learning_rate_at
from transfer_atlas.training.settings import TrainingSettings

LOOK_EVERY = 20  # steps between looks at the loss: each look makes the host wait for the device
SAVE_EVERY_SECONDS = 60.0  # between saved states; TRANSFER_ATLAS_SAVE_SECONDS overrides it

Watch = Callable[[int, float], None]


def training_step(
    model: Model,
    task: TaskType,
    optimizer: torch.optim.Optimizer,
    accelerator: Accelerator,
    *,
    compiled: bool = False,
    accumulation: int = 1,
    clip: float | None = None,
) -> Callable[[Tensor, dict[str, Tensor]], Tensor]:
    """The step: forward, loss, backward, update. Returns the loss without waiting for it.

    compiled: by torch.compile, for one shape of batches; the weights stay those of `model`. accumulation: parts of the
    batch that are computed one after another, to the loss of the whole. clip: largest norm of all gradients.
    """
    forward, loss_of = model, task.loss
    if compiled:
        forward = torch.compile(model, fullgraph=True, dynamic=False)
        loss_of = torch.compile(task.loss, fullgraph=True, dynamic=False)

    def step(images: Tensor, targets: dict[str, Tensor]) -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        total, counts = None, None
        for number, part in enumerate(images.chunk(accumulation)):
            with accelerator.autocast():
                outputs = forward(part)
            if accumulation == 1:
                loss = loss_of(outputs, targets)
            else:
                counts = counts or task.counts(outputs, targets)
                loss = loss_of(outputs, _part(targets, number, accumulation), counts)
            accelerator.backward(loss)
            total = loss.detach() if total is None else total + loss.detach()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        return total

    return step


def _part(targets: dict[str, Tensor], number: int, parts: int) -> dict[str, Tensor]:
    return {name: values.chunk(parts)[number] for name, values in targets.items()}


def fit(
    model: Model | MultiHeadModel,
    task: TaskType,
    batches: Batches | InterleavedBatches,
    settings: TrainingSettings,
    *,
    parts: Sequence[Model] = (),
    learning_rate: float,
    accelerator: Accelerator,
    state: Path,
    watch: Watch,
) -> list[tuple[int, float]]:
    """Train `model` in place for all steps, starting from the state saved in `state` if there is one.

    parts: the models, sharing the weights of `model`, that take the steps in turn; `model` itself if not given.
    watch: called with (steps done, loss) every LOOK_EVERY steps.
    Returns the training curve: (step, mean loss since the step before).
    Asked to stop (SIGTERM), it saves the state of the step at hand and raises StoppedError.
    Raises LegitimateFailure("diverged") when the loss, or what is left of the weights, is not finite.
    """
    parts = parts or [model]
    for module in (model, *parts):
        module.to(accelerator.device, memory_format=torch.channels_last)
        set_training_mode(module, settings)
    if (memory := device_memory(accelerator.device)) is not None:
        for module in parts:
            require_memory(module, settings, memory)
    optimizer = make_optimizer(settings, model, learning_rate)
    first, curve, losses = _resume(state, model, optimizer)
    losses = [loss.to(accelerator.device) for loss in losses]
    steps = [
        training_step(
            part,
            task,
            optimizer,
            accelerator,
            compiled=settings.compile,
            accumulation=settings.accumulation,
            clip=settings.clip_gradients,
        )
        for part in parts
    ]
    saved = time.monotonic()
    save_every = float(os.environ.get("TRANSFER_ATLAS_SAVE_SECONDS", SAVE_EVERY_SECONDS))
    for number, (images, targets) in enumerate(
        batches(first, settings.steps, pin=accelerator.device.type == "cuda"), start=first
    ):
        rate = learning_rate_at(
            number,
            steps=settings.steps,
            start=learning_rate,
            schedule=settings.schedule,
            warm_up=settings.warm_up,
        )
        for group in optimizer.param_groups:
            group["lr"] = rate * group["rate_factor"]
        images = images.to(accelerator.device, memory_format=torch.channels_last, non_blocking=True)
        targets = {name: value.to(accelerator.device, non_blocking=True) for name, value in targets.items()}
        with activations_computed_again(model.backbone.body, settings.checkpoint_activations):
            losses.append(steps[number % len(steps)](images, targets))
        done = number + 1
        if done % LOOK_EVERY == 0 or done == settings.steps:
            loss = torch.stack(losses).mean().item()
            losses.clear()
            if not torch.isfinite(torch.tensor(loss)):
                raise LegitimateFailure(
                    "diverged", f"the loss was {loss} at step {done} (learning rate {learning_rate:g})"
                )
            curve.append((done, loss))
            watch(done, loss)
            if time.monotonic() - saved > save_every and done < settings.steps:
                _save(state, model, optimizer, done, curve, losses)
                saved = time.monotonic()
        if asked():
            _save(state, model, optimizer, done, curve, losses)
            stop_if_asked(f"after step {done} of {settings.steps}, of which the state is saved")
    require_finite_weights(model)  # the last losses say nothing of what the last updates did
    return curve


def _save(
    path: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    done: int,
    curve: list[tuple[int, float]],
    losses: list[Tensor],
) -> None:
    """Write the state after `done` steps. losses: of the steps that are not in the curve yet."""
    tensors = {f"model.{name}": tensor for name, tensor in model.state_dict().items()}
    for index, buffers in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{n}": torch.as_tensor(v) for n, v in buffers.items() if v is not None}
    if losses:
        tensors["losses"] = torch.stack(losses)
    save_checkpoint(path, tensors, {"done": done, "curve": curve})


def _resume(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, list[tuple[int, float]], list[Tensor]]:
    """Take up a saved state, if there is one: steps done, curve, and losses that are not in the curve yet."""
    if not path.exists():
        return 0, [], []
    try:
        tensors, description = load_checkpoint(path)
    except CheckpointError:
        # A state that cannot be read costs time, not correctness: begin again.
        path.unlink()
        return 0, [], []
    model.load_state_dict({n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")})
    buffers: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, buffer = name.split(".")
            buffers.setdefault(int(index), {})[buffer] = tensor
    optimizer.load_state_dict({"state": buffers, "param_groups": optimizer.state_dict()["param_groups"]})
    curve = [(step, loss) for step, loss in description["curve"]]
    return description["done"], curve, list(tensors["losses"]) if "losses" in tensors else []
