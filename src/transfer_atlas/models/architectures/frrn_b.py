"""FRRN B, see `frrn.py`."""

from __future__ import annotations

from torch import nn

from transfer_atlas.models.architectures.frrn import network


def build(width: float) -> tuple[nn.Module, list[int], list[int]]:
    """The network, and channels and stride of its map."""
    return network("b", width)
