"""Device and precision of the arithmetic, through Accelerate: what training and evaluation ask, and nothing else.

A device that Accelerate does not know, but torch does because a package of its maker brings it (torch-tpu), is used
through torch alone. Compiled code and its shapes: `fit.training_step`.
"""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from transfer_atlas.training.settings import TrainingSettings

SHARING_VARIABLE = "TRANSFER_ATLAS_RUNS_PER_GPU"  # set by the workflow: how many runs share a device


BY_TORCH_ALONE = {"tpu"}  # types of device that Accelerate does not know


class Device(Protocol):
    """Where the arithmetic happens: as much of Accelerate's Accelerator as is used."""

    device: torch.device

    def autocast(self) -> AbstractContextManager[Any]:
        """While this lasts, products are computed in the chosen precision."""

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those of the weights."""


@dataclass(frozen=True)
class PlainDevice:
    """A device used through torch alone."""

    device: torch.device
    precision: str

    def autocast(self) -> AbstractContextManager[Any]:
        """While this lasts, products are computed in the chosen precision."""
        wanted = self.precision == "bfloat16"
        return torch.autocast(self.device.type, dtype=torch.bfloat16) if wanted else nullcontext()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss to those of the weights."""
        loss.backward()


def make_accelerator(precision: str, *, tf32: bool = False) -> Device:
    """The device at hand (GPU or TPU if there is one; ACCELERATE_USE_CPU=true keeps to the CPU) and a precision.

    tf32: whether a GPU may round the factors of float32 products; set for the process either way, since torch's own
    defaults differ between products and convolutions.
    """
    torch.backends.cuda.matmul.allow_tf32 = tf32
    torch.backends.cudnn.allow_tf32 = tf32
    if (other := _other_device()) is not None:
        return PlainDevice(other, precision)
    return Accelerator(mixed_precision={"float32": "no", "bfloat16": "bf16"}[precision])


def _other_device() -> torch.device | None:
    """A device that torch knows and Accelerate does not, unless the CPU is asked for."""
    if os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes"):
        return None
    found = torch.accelerator.current_accelerator(check_available=True)
    return found if found is not None and found.type in BY_TORCH_ALONE else None


def memory_format(device: torch.device) -> torch.memory_format:
    """The order of values that convolutions are fastest with; compilers of other devices choose their own."""
    return torch.channels_last if device.type in ("cpu", "cuda", "mps") else torch.contiguous_format


def pins_memory(device: torch.device) -> bool:
    """Whether the device copies from pinned host memory while the host goes on."""
    return device.type == "cuda"


def device_count() -> int:
    """Devices on which processes of one run can train together."""
    return torch.cuda.device_count()


def group_backend(device: torch.device) -> str:
    """What processes that train together add numbers with."""
    return "nccl" if device.type == "cuda" else "gloo"


def environment_of(rank: int) -> dict[str, str]:
    """Variables that give a process of its own the device of a rank, of those that this process sees."""
    if not torch.cuda.is_available():
        return {}
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {"CUDA_VISIBLE_DEVICES": visible.split(",")[rank] if visible else str(rank)}


def device_memory(device: torch.device) -> int | None:
    """Bytes of a device's memory that a run may count on: its share of it where runs share a device; None on a CPU."""
    if device.type != "cuda":
        return None
    return torch.cuda.mem_get_info(device)[1] // max(1, int(os.environ.get(SHARING_VARIABLE, "1")))


def use_threads(count: int) -> None:
    """Arithmetic threads of this process; results are repeatable to the bit for the same number.

    Deterministic kernels are asked for throughout; where a GPU has none, torch warns into the run's log. What torch
    adds to them for finding mistakes, writing NaN over all memory that it allocates, is left out: it changes no result
    and costs a tenth of a training step.
    """
    torch.set_num_threads(max(1, count))
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False


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
