"""Device and precision of the arithmetic, through Accelerate."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import nn

from transfer_atlas.training.settings import Optimizer


def make_accelerator(precision: str) -> Accelerator:
    """The device at hand (a GPU if there is one; ACCELERATE_USE_CPU=true keeps to the CPU) and a precision."""
    return Accelerator(mixed_precision={"float32": "no", "bfloat16": "bf16"}[precision])


def use_threads(count: int) -> None:
    """Arithmetic threads of this process; results are repeatable to the bit for the same number.

    Deterministic kernels are asked for throughout; where a GPU has none, torch warns into the run's log.
    """
    torch.set_num_threads(max(1, count))
    torch.use_deterministic_algorithms(True, warn_only=True)


def make_optimizer(settings: Optimizer, model: nn.Module, learning_rate: float) -> torch.optim.Optimizer:
    """The configured optimizer over all weights of the model."""
    if settings.name == "adam":
        return torch.optim.Adam(model.parameters(), lr=learning_rate, weight_decay=settings.weight_decay)
    return torch.optim.SGD(
        model.parameters(), lr=learning_rate, momentum=settings.momentum, weight_decay=settings.weight_decay
    )
