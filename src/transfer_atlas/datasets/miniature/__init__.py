"""The miniature world: rendered scenes with consistent annotations of every task type."""

from transfer_atlas.datasets.miniature.rendering import render
from transfer_atlas.datasets.miniature.worlds import MiniatureSpecification, describe, names, specification

__all__ = ["MiniatureSpecification", "describe", "names", "render", "specification"]
