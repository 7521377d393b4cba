"""How a model trains: activations kept or computed again, batch statistics adapting or frozen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from transfer_atlas.models.model import Model, MultiHeadModel
from transfer_atlas.training.settings import TrainingSettings

NORMS = (nn.modules.batchnorm._BatchNorm,)


def set_training_mode(model: Model | MultiHeadModel, settings: TrainingSettings) -> None:
    """Put a model into training mode; with frozen statistics, the backbone's batch normalisation stays as evaluated."""
    model.train()
    if settings.frozen_statistics:
        for module in model.backbone.modules():
            if isinstance(module, NORMS):
                module.eval()


@contextmanager
def activations_computed_again(body: nn.Module, wanted: bool) -> Iterator[None]:
    """While this lasts, the blocks of a backbone's network keep their inputs only, if it is wanted.

    Each block is computed again in the backward pass, to the same result; batch statistics count once.
    """
    blocks = blocks_of(body) if wanted else []
    for block in blocks:
        block.forward = _checkpointed(block)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward  # the class's own is seen again


def blocks_of(body: nn.Module) -> list[nn.Module]:
    """The parts of the outermost sequences of a network that hold weights: stages, or the blocks in them."""
    found: list[nn.Module] = []
    for child in body.children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            found += [each for each in child.children() if any(True for _ in each.parameters())]
        else:
            found += blocks_of(child)
    return found


def _checkpointed(block: nn.Module) -> Any:
    own = block.forward

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_left_alone(block)

    def untouched(*values: Any) -> Any:
        # HRNet's modules write into the list of branches that they are given, which is needed again
        return own(*(list(value) if isinstance(value, list) else value for value in values))

    def forward(*values: Any) -> Any:
        if not block.training:
            return own(*values)
        return checkpoint(untouched, *values, use_reentrant=False, context_fn=contexts)

    return forward


@contextmanager
def _statistics_left_alone(block: nn.Module) -> Iterator[None]:
    """Batch normalisation as in training, without a second step of its running statistics."""
    norms = [m for m in block.modules() if isinstance(m, NORMS) and m.training and m.track_running_stats]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
            norm.num_batches_tracked -= 1
