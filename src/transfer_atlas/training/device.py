"""Device and precision of the arithmetic, through Accelerate."""

from __future__ import annotations

import os
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from transfer_atlas.training.settings import TrainingSettings

SHARING_VARIABLE = "TRANSFER_ATLAS_RUNS_PER_GPU"  # set by the workflow: how many runs share a device


def make_accelerator(precision: str, *, tf32: bool = False) -> Accelerator:
    """The device at hand (a GPU if there is one; ACCELERATE_USE_CPU=true keeps to the CPU) and a precision.

    tf32: whether a GPU may round the factors of float32 products; set for the process either way, since torch's own
    defaults differ between products and convolutions.
    """
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    return Accelerator(mixed_precision={"float32": "no", "bfloat16": "bf16"}[precision])


def device_memory(device: torch.device) -> int | None:
    """Bytes of a device's memory that a run may count on: its share of it where runs share a device; None on a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.mem_get_info(device)[1] // max(1, int(os.environ.get(SHARING_VARIABLE, "1")))


def use_threads(count: int) -> None:
    """Arithmetic threads of this process; results are repeatable to the bit for the same number.

    Deterministic kernels are asked for throughout; where a GPU has none, torch warns into the run's log.
    """
    torch.set_num_threads(max(1, count))
    torch.use_deterministic_algorithms(True, warn_only=True)


def parameter_groups(settings: TrainingSettings, model: nn.Module) -> list[dict[str, Any]]:
    """Weights in groups with their `rate_factor` and weight decay: one group unless the settings tell them apart."""
    decay = settings.optimizer.weight_decay
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        factor = 1.0 if name.startswith("backbone.") else settings.head_rate_factor
        # biases, and weights of normalisation layers, have one dimension
        decayed = settings.decay_norms_and_biases or weight.ndim > 1
        groups.setdefault((factor, decay if decayed else 0.0), []).append(weight)
    return [
        {"params": weights, "rate_factor": factor, "weight_decay": decayed}
        for (factor, decayed), weights in groups.items()
    ]


def make_optimizer(
    settings: TrainingSettings, model: nn.Module, learning_rate: float
) -> torch.optim.Optimizer:
    """The configured optimizer over all weights of the model."""
    groups, chosen = parameter_groups(settings, model), settings.optimizer
    if chosen.name == "adam":
        return torch.optim.Adam(groups, lr=learning_rate)
    return torch.optim.SGD(groups, lr=learning_rate, momentum=chosen.momentum)
