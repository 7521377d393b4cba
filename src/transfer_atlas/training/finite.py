"""Whether what training left behind is finite: a run that diverged is a result of its own, in every task type."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from transfer_atlas.errors import LegitimateFailure


def require_finite_outputs(outputs: Any) -> None:
    """Raise LegitimateFailure("diverged") unless all of a head's outputs are finite.

    outputs: a tensor, or mappings and sequences of them. Looked at before anything is decoded: an argmax of NaN is a
    class, and a score of NaN no find, so that a metric would come out as if the model had answered.
    """
    for name, values in _tensors(outputs, "outputs"):
        if not bool(torch.isfinite(values).all()):
            raise LegitimateFailure("diverged", f"{name} of the evaluated model are not finite")


def require_finite_weights(model: nn.Module) -> None:
    """Raise LegitimateFailure("diverged") unless all weights and statistics of a model are finite."""
    for name, values in model.state_dict().items():
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            raise LegitimateFailure("diverged", f"{name} is not finite after the last step of training")


def require_finite_metrics(metrics: dict[str, Any]) -> None:
    """Raise LegitimateFailure("diverged") that names the first number of the metrics that is not finite."""
    for name, value in _numbers(metrics, ""):
        if not math.isfinite(value):
            raise LegitimateFailure("diverged", f"{name} is {value}")


def _tensors(values: Any, name: str) -> Iterator[tuple[str, Tensor]]:
    if isinstance(values, Tensor):
        yield name, values
    elif isinstance(values, dict):
        for key, inner in values.items():
            yield from _tensors(inner, f"{name} {key!r}")
    elif isinstance(values, list | tuple):
        for inner in values:
            yield from _tensors(inner, name)


def _numbers(values: Any, name: str) -> Iterator[tuple[str, float]]:
    if isinstance(values, float):
        yield name, values
    elif isinstance(values, dict):
        for key, inner in values.items():
            yield from _numbers(inner, f"{name}.{key}" if name else str(key))
    elif isinstance(values, list | tuple):
        for index, inner in enumerate(values):
            yield from _numbers(inner, f"{name}[{index}]")
