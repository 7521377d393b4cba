"""Whether a batch fits into a device's memory, by counting what a step must keep; said before training begins."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.model import Model
from transfer_atlas.training.settings import TrainingSettings

GIB = 2**30
USABLE = 0.9  # share of a device's memory; the rest goes to the library and to what lies between blocks


def activation_bytes(model: Model, crop: tuple[int, int]) -> int:
    """Bytes in float32 that the backward pass of one image of (height, width) needs from the forward pass.

    Counted on a copy without data: nothing is computed. The loss, and targets drawn on the device, come on top.
    """
    counted = copy.deepcopy(model).to("meta").train()
    weights = {_storage(weight) for weight in [*counted.parameters(), *counted.buffers()]}
    kept: dict[int, int] = {}
    alive = []  # so that no storage is given to another tensor while it is counted

    def keep(values: Tensor) -> Tensor:
        if _storage(values) not in weights:
            alive.append(values)
            kept[_storage(values)] = values.untyped_storage().nbytes()
        return values

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda values: values):
        outputs = counted(torch.empty((2, 3, *crop), device="meta"))  # batch statistics need two values
    del outputs
    return sum(kept.values()) // 2


def _storage(values: Tensor) -> int:
    return values.untyped_storage()._cdata


def needed_bytes(model: Model, settings: TrainingSettings) -> int:
    """Bytes of a step: weights, their gradients and the optimizer's state, and the activations of a part of a batch."""
    weights = sum(weight.numel() for weight in model.parameters())
    copies = 4 if settings.optimizer.name == "adam" else 3
    each = activation_bytes(model, settings.crop)
    if settings.precision == "bfloat16":
        each //= 2
    return 4 * weights * copies + each * (settings.batch_size // settings.accumulation)


def require_memory(model: Model, settings: TrainingSettings, available: int) -> None:
    """Raise ConfigurationError, with the settings that would do, where a step needs more than `available` bytes.

    With activations computed again nothing is said: what is kept then depends on the network's blocks.
    """
    if settings.checkpoint_activations:
        return
    needed = needed_bytes(model, settings)
    if needed <= USABLE * available:
        return
    remedies = ["checkpoint_activations: true"]
    if settings.precision == "float32":
        remedies.append("precision: bfloat16")
    for parts in range(settings.accumulation + 1, settings.batch_size + 1):
        smaller = settings.model_copy(update={"accumulation": parts})
        if settings.batch_size % parts == 0 and needed_bytes(model, smaller) <= USABLE * available:
            remedies.insert(0, f"accumulation: {parts}")
            break
    raise ConfigurationError(
        f"a step with {settings.batch_size // settings.accumulation} images of {settings.crop[0]} x "
        f"{settings.crop[1]} at a time needs about {needed / GIB:.1f} GiB, and the device has {available / GIB:.1f}. "
        f"Set one of these in `training`: {'; '.join(remedies)}."
    )
