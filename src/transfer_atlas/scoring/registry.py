"""Every transferability metric in one entry: where it is, what it needs, how its values are to be read.

Nothing is imported until a metric is asked for, so that planning can read this table without NumPy's company.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Need = Literal[
    "features",  # (n, d) of the target's samples, as the source's backbone sees them
    "labels",  # (n,) classes of these samples
    "targets",  # (n,) or (n, K) real numbers: depth, boxes
    "places",  # (n, 2) row and column of each pixel in its image, relative to height and width
    "boxes",  # (n, 4) of the target's objects: centre x, centre y, width, height, relative to the image
    "probabilities",  # (n, S) of the source's own head at these samples
    "logits",  # (n, S) of the same head, before the softmax
    "source_features",  # (m, d) of samples of the source's own dataset
    "source_labels",  # (m,) their classes
    "source_classes",  # (n,) the most probable class of the source's own head at the target's samples
    "target_images",  # (n, d) pooled features of the target's images, all by one backbone
    "source_images",  # (m, d) the same of the source's images
    "seed",  # of what is drawn inside
]

CLASSES = (
    "segmentation",
    "detection",
    "keypoints",
    "depth",
    "normals",
    "classification",
)  # depth: in classes of equal numbers; normals: in 20 directions
DENSE = ("segmentation", "depth", "normals")  # a label in every pixel
PACKAGE = "transfer_atlas.transferability"


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes
    ----------
    function
        "module:function", relative to `transferability`.
    needs
        What the function is called with, in its order; "seed" as a keyword.
    higher_is_better
        False for distances.
    values
        Names of the numbers it gives: its own name for a function that returns a float, else "name_attribute" for the
        attributes that count. higher_is_better holds for all but `ncti_collapse`, which counts in `COMBINED` only.
    task_types
        Of the target.
    sampling
        How its paper draws pixels: "class_balanced", "uniform", or "images" and "objects" where there are no pixels.
    from_moments
        "module:function" of the same metric from `class_moments(features, labels)`, called with (moments) or
        (moments, features, labels); the moments are shared by all metrics of a draw. None if there is none.
    tie
        Differences up to this share of the largest value are rounding, and so a tie (`ties.rounded`).
    most_samples
        Beyond which it is too slow or refuses; None for no limit.
    """

    function: str
    needs: tuple[Need, ...]
    higher_is_better: bool
    values: tuple[str, ...]
    task_types: tuple[str, ...] = CLASSES
    sampling: str = "class_balanced"
    from_moments: str | None = None
    tie: float = 1e-9
    most_samples: int | None = None

    def load(self) -> Callable[..., Any]:
        """The function, imported now."""
        return _load(self.function)

    def load_from_moments(self) -> Callable[..., Any] | None:
        """The same from shared moments, imported now; None if there is none."""
        return None if self.from_moments is None else _load(self.from_moments)

    @property
    def stage_module(self) -> str:
        """The module whose code the metric's version is about; what it imports follows from it."""
        return f"transferability/{self.function.split(':')[0].replace('.', '/')}.py"


def _load(place: str) -> Callable[..., Any]:
    module, name = place.split(":")
    return getattr(importlib.import_module(f"{PACKAGE}.{module}"), name)


FEATURES: tuple[Need, ...] = ("features", "labels")

METRICS: dict[str, Metric] = {
    "leep": Metric("leep:leep", ("probabilities", "labels"), True, ("leep",)),
    "nce": Metric("leep:nce", ("source_classes", "labels"), True, ("nce",)),
    "n_leep": Metric(
        "n_leep:n_leep", (*FEATURES, "seed"), True, ("n_leep",), from_moments="n_leep:n_leep_of"
    ),
    "h_score": Metric("h_score:h_score", FEATURES, True, ("h_score",), from_moments="h_score:h_score_of"),
    "shrinkage_h_score": Metric(
        "h_score:shrinkage_h_score",
        FEATURES,
        True,
        ("shrinkage_h_score",),
        from_moments="h_score:shrinkage_h_score_of",
    ),
    "dense_h_score": Metric(
        "dense_h_score:dense_h_score",
        (*FEATURES, "places"),
        True,
        ("dense_h_score_score",),
        DENSE,
        "uniform",
    ),
    "dense_shrinkage_h_score": Metric(
        "dense_h_score:dense_shrinkage_h_score",
        (*FEATURES, "places"),
        True,
        ("dense_shrinkage_h_score_score",),
        DENSE,
        "uniform",
    ),
    "logme": Metric("logme:logme", FEATURES, True, ("logme",), from_moments="logme:logme_of"),
    "logme_regression": Metric(
        "logme:logme_regression", ("features", "targets"), True, ("logme_regression",), ("depth",), "uniform"
    ),
    "gbc": Metric("gbc:gbc", FEATURES, True, ("gbc",), from_moments="gbc:gbc_of"),
    "transrate": Metric("transrate:transrate", FEATURES, True, ("transrate",)),
    "parc": Metric("parc:parc", FEATURES, True, ("parc",), most_samples=20_000),
    "otce": Metric(
        "otce:otce",
        ("source_features", "source_labels", "features", "labels"),
        True,
        ("otce_score",),
        sampling="uniform",
        tie=1e-4,
    ),
    "sfda": Metric("sfda:sfda", FEATURES, True, ("sfda",)),
    "ncti": Metric("ncti:ncti", FEATURES, True, ("ncti_geometry", "ncti_nearest_centre", "ncti_collapse")),
    "tmi": Metric("tmi:tmi", FEATURES, True, ("tmi",), most_samples=20_000),
    "pactran_dirichlet": Metric(
        "pactran:pactran_dirichlet", ("probabilities", "labels"), True, ("pactran_dirichlet",)
    ),
    "pactran_gaussian": Metric("pactran:pactran_gaussian", FEATURES, True, ("pactran_gaussian",), tie=1e-6),
    "etran_energy": Metric("etran:etran_energy", ("logits",), True, ("etran_energy",), sampling="uniform"),
    "etran_classification": Metric("etran:etran_classification", FEATURES, True, ("etran_classification",)),
    "etran_regression": Metric(
        "etran:etran_regression",
        ("features", "targets"),
        True,
        ("etran_regression",),
        ("depth", "detection"),
        "uniform",
    ),
    "det_logme": Metric(
        "det_logme:det_logme",
        ("features", "labels", "boxes"),
        True,
        ("det_logme_unified", "det_logme_overlap"),
        ("detection",),
        "objects",
    ),
    "domain_distance": Metric(
        "domain_distance:domain_distance",
        ("target_images", "source_images"),
        False,
        ("domain_distance",),
        CLASSES,
        "images",
    ),
    "class_mean_distance": Metric(
        "domain_distance:class_mean_distance",
        ("source_features", "source_labels", "features", "labels"),
        False,
        ("class_mean_distance",),
        sampling="uniform",
    ),
}

# Sums of values brought to one scale over all sources of a target (`combine_parts`), with their weights.
COMBINED: dict[str, dict[str, float]] = {
    "ncti": {"ncti_geometry": 1.0, "ncti_nearest_centre": 1.0, "ncti_collapse": -1.0},
    "det_logme": {"det_logme_unified": 1.0, "det_logme_overlap": 1.0},
    "etran": {"etran_energy": 1.0, "etran_classification": 1.0},
    "etran_detection": {"etran_energy": 1.0, "etran_classification": 1.0, "etran_regression": 1.0},
}


def values_of(name: str, result: Any) -> dict[str, float]:
    """The named numbers of what metric `name` returned: a float, or a dataclass with the attributes in its values."""
    values = METRICS[name].values
    if values == (name,):
        return {name: float(result)}
    return {value: float(getattr(result, value.removeprefix(f"{name}_"))) for value in values}
