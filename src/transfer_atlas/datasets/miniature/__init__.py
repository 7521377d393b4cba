"""The miniature world: rendered scenes with consistent annotations of every task type.

What is drawn comes from `rendering`; what a dataset holds, from here: to plan a study nothing is drawn.
"""

from transfer_atlas.datasets.miniature.worlds import MiniatureSpecification, describe, names, specification

__all__ = ["MiniatureSpecification", "describe", "names", "specification"]
