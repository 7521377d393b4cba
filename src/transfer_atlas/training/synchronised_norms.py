"""Batch normalisation over the batch of all processes of a team, on any device that they can add numbers on.

Statistics of each process's share are combined as Chan, Golub and LeVeque (1979) do, with no difference of large
numbers; the gradient follows Ioffe and Szegedy (2015). torch's own SyncBatchNorm is for GPUs alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from transfer_atlas.training.modes import NORMS
from transfer_atlas.training.team import Team


@contextmanager
def synchronised_norms(model: nn.Module, team: Team) -> Iterator[None]:
    """While this lasts, batch normalisation that adapts takes its statistics over all processes of the team."""
    norms = [module for module in model.modules() if isinstance(module, NORMS)] if team.size > 1 else []
    for norm in norms:
        norm.forward = partial(_forward, norm, norm.forward, team)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward  # the class's own is seen again


def _forward(norm: Any, own: Any, team: Team, values: Tensor) -> Tensor:
    if not norm.training:
        return own(values)
    mean, variance, count = _statistics(values, team)
    if norm.track_running_stats:
        norm.num_batches_tracked.add_(1)
        share = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
        with torch.no_grad():
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), share)
            unbiased = variance * (count / (count - 1).clamp(min=1))
            norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), share)
    scale = (variance + norm.eps).rsqrt()
    normalised = _Normalised.apply(values, norm.weight, norm.bias, mean, scale, count, team)
    if isinstance(norm, BatchNormAct2d):
        normalised = norm.act(norm.drop(normalised))
    return normalised


@torch.no_grad()
def _statistics(values: Tensor, team: Team) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,) and biased variance (C,) of values (B, C, ...) over all processes, and how many there are a channel."""
    flat = _channels_last(values)
    count = torch.tensor(float(len(flat)), device=values.device, dtype=flat.dtype)
    mean = flat.mean(dim=0)
    squares = (flat - mean).square().sum(dim=0)
    told = torch.cat([count.reshape(1), mean, squares])
    found = torch.stack(team.gathered(told))  # (processes, 1 + 2 C)
    counts, means, squares = found.split([1, len(mean), len(mean)], dim=1)
    total = counts.sum()
    mean = (counts * means).sum(dim=0) / total
    variance = (squares + counts * (means - mean).square()).sum(dim=0) / total
    return mean, variance, total


def _channels_last(values: Tensor) -> Tensor:
    """(B, C, ...) as (B * ..., C) in at least float32."""
    wide = values.float() if values.dtype in (torch.float16, torch.bfloat16) else values
    return wide.movedim(1, -1).flatten(0, -2)


def _along(channels: Tensor, values: Tensor) -> Tensor:
    """(C,) so that it is applied to the channels of (B, C, ...)."""
    return channels.view(1, -1, *[1] * (values.ndim - 2))


class _Normalised(torch.autograd.Function):
    """weight * (values - mean) * scale + bias, where mean and scale follow from the values of all processes."""

    @staticmethod
    def forward(
        ctx: Any,
        values: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        scale: Tensor,
        count: Tensor,
        team: Team,
    ) -> Tensor:
        ctx.save_for_backward(values, weight, mean, scale, count)
        ctx.team = team
        factor = scale if weight is None else scale * weight
        shift = -mean * factor if bias is None else bias - mean * factor
        return (values * _along(factor, values) + _along(shift, values)).to(values.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, weight, mean, scale, count = ctx.saved_tensors
        flat = _channels_last(gradient)
        standard = (_channels_last(values) - mean) * scale
        of_bias, of_weight = flat.sum(dim=0), (flat * standard).sum(dim=0)
        sums = ctx.team.sum(torch.stack([of_bias, of_weight])) / count
        factor = scale if weight is None else scale * weight
        of_values = factor * (flat - sums[0] - standard * sums[1])
        shape = gradient.movedim(1, -1).shape
        of_values = of_values.reshape(shape).movedim(-1, 1).to(values.dtype)
        if weight is None:
            return of_values, None, None, None, None, None, None
        return of_values, of_weight.to(weight.dtype), of_bias.to(weight.dtype), None, None, None, None
