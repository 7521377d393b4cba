"""Fits a model to a task: resumable at any step, and the same to the bit whether it was interrupted or not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from transfer_atlas.models.model import Model, MultiHeadModel
from transfer_atlas.tasks.interface import TaskType
from transfer_atlas.training.batches import Batches, InterleavedBatches
from transfer_atlas.training.device import Device, device_memory, make_optimizer, memory_format
from transfer_atlas.training.finite import require_finite_weights
from transfer_atlas.training.loop import Steps, Watch, train
from transfer_atlas.training.memory import require_memory
from transfer_atlas.training.modes import activations_computed_again, set_training_mode
from transfer_atlas.training.schedule import learning_rate_at
from transfer_atlas.training.settings import TrainingSettings
from transfer_atlas.training.synchronised_norms import synchronised_norms
from transfer_atlas.training.team import ALONE, FitEnded, Team, joined


def training_step(
    model: Model,
    task: TaskType,
    optimizer: torch.optim.Optimizer,
    accelerator: Device,
    *,
    compiled: bool = False,
    accumulation: int = 1,
    clip: float | None = None,
    team: Team = ALONE,
) -> Callable[[Tensor, dict[str, Tensor]], Tensor]:
    """The step: forward, loss, backward, update. Returns the loss without waiting for it.

    compiled: by torch.compile, for one shape of batches; the weights stay those of `model`. accumulation: parts of the
    batch that are computed one after another, to the loss of the whole. clip: largest norm of all gradients. team: the
    processes that take the step together, each with its share of the batch.
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
            if accumulation == team.size == 1:
                loss = loss_of(outputs, targets)
            else:
                counts = counts or task.counts(outputs, team.whole(targets))
                loss = loss_of(outputs, _part(targets, number, accumulation), counts)
            accelerator.backward(loss)
            total = loss.detach() if total is None else total + loss.detach()
        total = team.sum_gradients(model, total)
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
    accelerator: Device,
    state: Path,
    watch: Watch,
) -> list[tuple[int, float]]:
    """Train `model` in place for all steps, starting from the state saved in `state` if there is one.

    parts: the models, sharing the weights of `model`, that take the steps in turn; `model` itself if not given.
    watch: called with (steps done, loss) every LOOK_EVERY steps.
    Returns the training curve: (step, mean loss since the step before).
    Asked to stop (SIGTERM), it saves the state of the step at hand and raises StoppedError.
    Raises LegitimateFailure("diverged") when the loss, or what is left of the weights, is not finite; FitEnded in a
    process that only helps another to fit.
    """
    with joined(settings, learning_rate, accelerator.device) as team:
        curve = _fit(
            model,
            task,
            partial(batches, places=partial(team.places, parts=settings.accumulation)),
            settings,
            parts=parts or [model],
            learning_rate=learning_rate,
            accelerator=accelerator,
            state=Path(team.told_by_leader("state", str(state))),
            watch=watch,
            team=team,
        )
        if not team.leads:
            raise FitEnded
    return curve


def _fit(
    model: Model | MultiHeadModel,
    task: TaskType,
    batches: Steps,
    settings: TrainingSettings,
    *,
    parts: Sequence[Model],
    learning_rate: float,
    accelerator: Device,
    state: Path,
    watch: Watch,
    team: Team,
) -> list[tuple[int, float]]:
    """`fit`, in one of the processes of a team."""
    for module in (model, *parts):
        module.to(accelerator.device, memory_format=memory_format(accelerator.device))
        set_training_mode(module, settings)
        team.agree(module)
    if (memory := device_memory(accelerator.device)) is not None:
        own = settings.model_copy(update={"batch_size": settings.batch_size // team.size})
        for module in parts:
            require_memory(module, own, memory)
    optimizer = make_optimizer(settings, model, learning_rate)
    steps = [
        training_step(
            part,
            task,
            optimizer,
            accelerator,
            compiled=settings.compile,
            accumulation=settings.accumulation,
            clip=settings.clip_gradients,
            team=team,
        )
        for part in parts
    ]

    def step(number: int, images: Tensor, targets: dict[str, Tensor]) -> Tensor:
        set_learning_rate(optimizer, settings, learning_rate, number)
        with (
            activations_computed_again(model.backbone.body, settings.checkpoint_activations),
            synchronised_norms(parts[number % len(parts)], team),
        ):
            return steps[number % len(steps)](images, targets)

    curve = train(
        step,
        batches,
        steps=settings.steps,
        saved={"model": model, "optimizer": optimizer},
        accelerator=accelerator,
        state=state,
        watch=watch,
        about=f" (learning rate {learning_rate:g})",
        saves=team.leads,
    )
    require_finite_weights(model)  # the last losses say nothing of what the last updates did
    return curve


def set_learning_rate(
    optimizer: torch.optim.Optimizer, settings: TrainingSettings, start: float, number: int
) -> None:
    """Give the optimizer the rate of a step, each group of weights its share of it."""
    rate = learning_rate_at(
        number, steps=settings.steps, start=start, schedule=settings.schedule, warm_up=settings.warm_up
    )
    for group in optimizer.param_groups:
        group["lr"] = rate * group["rate_factor"]
