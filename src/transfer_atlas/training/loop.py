"""Steps of training one after another: resumable at any of them, and the same to the bit if it was interrupted."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from transfer_atlas.errors import CheckpointError, LegitimateFailure
from transfer_atlas.models.checkpoints import load_checkpoint, save_checkpoint
from transfer_atlas.process.stopping import asked, stop_if_asked
from transfer_atlas.training.device import Device, memory_format, pins_memory

LOOK_EVERY = 20  # steps between looks at the loss: each look makes the host wait for the device
SAVE_EVERY_SECONDS = 60.0  # between saved states; TRANSFER_ATLAS_SAVE_SECONDS overrides it

Watch = Callable[[int, float], None]
Curve = list[tuple[int, float]]
Saved = Mapping[str, nn.Module | torch.optim.Optimizer]  # what a state holds, by name


class Steps(Protocol):
    """What gives the batches of the steps first..last-1: images (B, 3, H, W) uint8, and their targets."""

    def __call__(
        self, first: int, last: int, *, pin: bool = False
    ) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        """The batches; pin: for a GPU."""


def train(
    step: Callable[[int, Tensor, dict[str, Tensor]], Tensor],
    batches: Steps,
    *,
    steps: int,
    saved: Saved,
    accelerator: Device,
    state: Path,
    watch: Watch,
    about: str = "",
    saves: bool = True,
) -> Curve:
    """Take all steps, starting from the state saved in `state` if there is one.

    step: what a step does with its number, images and targets on the device; returns the loss without waiting for it.
    saved: modules and optimizers that make up the state, already on the device. watch: called with (steps done, loss)
    every LOOK_EVERY steps. about: words for the message of a loss that is not finite. saves: whether
    this process writes the state; where several take the steps together, one does.
    Returns the training curve: (step, mean loss since the step before).
    Asked to stop (SIGTERM), it saves the state of the step at hand and raises StoppedError.
    Raises LegitimateFailure("diverged") when the loss is not finite.
    """
    first, curve, losses = _resume(state, saved)
    losses = [loss.to(accelerator.device) for loss in losses]
    since = time.monotonic()
    save_every = float(os.environ.get("TRANSFER_ATLAS_SAVE_SECONDS", SAVE_EVERY_SECONDS))
    pin, order = pins_memory(accelerator.device), memory_format(accelerator.device)
    for number, (images, targets) in enumerate(batches(first, steps, pin=pin), start=first):
        images = images.to(accelerator.device, memory_format=order, non_blocking=True)
        targets = {name: value.to(accelerator.device, non_blocking=True) for name, value in targets.items()}
        losses.append(step(number, images, targets))
        done = number + 1
        if done % LOOK_EVERY == 0 or done == steps:
            loss = torch.stack(losses).mean().item()
            losses.clear()
            if not torch.isfinite(torch.tensor(loss)):
                raise LegitimateFailure("diverged", f"the loss was {loss} at step {done}{about}")
            curve.append((done, loss))
            watch(done, loss)
            if saves and time.monotonic() - since > save_every and done < steps:
                _save(state, saved, done, curve, losses)
                since = time.monotonic()
        if saves and asked():
            _save(state, saved, done, curve, losses)
            stop_if_asked(f"after step {done} of {steps}, of which the state is saved")
    return curve


def _save(path: Path, saved: Saved, done: int, curve: Curve, losses: list[Tensor]) -> None:
    """Write the state after `done` steps. losses: of the steps that are not in the curve yet."""
    tensors: dict[str, Tensor] = {}
    for name, each in saved.items():
        if isinstance(each, nn.Module):
            tensors |= {f"{name}.{key}": tensor for key, tensor in each.state_dict().items()}
            continue
        for index, buffers in each.state_dict()["state"].items():
            tensors |= {
                f"{name}.{index}.{key}": torch.as_tensor(value)
                for key, value in buffers.items()
                if value is not None
            }
    if losses:
        tensors["losses"] = torch.stack(losses)
    save_checkpoint(path, tensors, {"done": done, "curve": curve})


def _resume(path: Path, saved: Saved) -> tuple[int, Curve, list[Tensor]]:
    """Take up a saved state, if there is one: steps done, curve, and losses that are not in the curve yet."""
    if not path.exists():
        return 0, [], []
    try:
        tensors, description = load_checkpoint(path)
    except CheckpointError:
        # A state that cannot be read costs time, not correctness: begin again.
        path.unlink(missing_ok=True)  # perhaps another process of the team was faster
        return 0, [], []
    for name, each in saved.items():
        own = {key.removeprefix(f"{name}."): t for key, t in tensors.items() if key.startswith(f"{name}.")}
        if isinstance(each, nn.Module):
            each.load_state_dict(own)
            continue
        state: dict[int, dict[str, Any]] = {}
        for key, tensor in own.items():
            index, buffer = key.split(".")
            state.setdefault(int(index), {})[buffer] = tensor
        each.load_state_dict({"state": state, "param_groups": each.state_dict()["param_groups"]})
    curve = [(step, loss) for step, loss in description["curve"]]
    return description["done"], curve, list(tensors["losses"]) if "losses" in tensors else []
