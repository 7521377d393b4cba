"""The metrics that a study can score with: those of the registry whose inputs a pair's samples hold.

To add a metric: its file in `transferability/`, its entry in `scoring/registry.py`, and its stage in
`code_versions.yaml`.
"""

from __future__ import annotations

from collections.abc import Iterable

from transfer_atlas.scoring.registry import DENSE, Metric
from transfer_atlas.scoring.registry import METRICS as REGISTRY

# What samples hold (`features.py`), the last three only where a metric that is asked for needs them.
HELD = {
    "features",
    "labels",
    "targets",
    "probabilities",
    "source_classes",
    "source_features",
    "source_labels",
    "seed",
    "boxes",
    "logits",
    "places",
}
ON_REQUEST = ("boxes", "logits", "places")
TASK_TYPES = {"boxes": ("detection",), "places": DENSE}  # of targets that have it; all have the others
OF_SOURCE = {"source_features", "source_labels"}  # what is sampled of the source's own dataset

METRICS: dict[str, Metric] = {
    name: metric for name, metric in REGISTRY.items() if set(metric.needs) <= HELD and metric.higher_is_better
}
DRAWS = ("samples", "repeats", "seed")  # settings of every score: how samples are drawn, and how often
SETTINGS = {
    "parc": ("parc_samples",),
    "otce": ("epsilon",),
    "dense_h_score": ("superpixels",),
    "dense_shrinkage_h_score": ("superpixels",),
}  # of `TransferabilitySettings`, by the metric that uses it
BY_COVARIANCE = {"gbc"}  # classes have a covariance, spherical for images, diagonal for pixels

# What a study scores with unless it says otherwise; the others of METRICS on request.
USUAL = (
    "gbc",
    "h_score",
    "leep",
    "logme",
    "n_leep",
    "nce",
    "otce",
    "parc",
    "shrinkage_h_score",
    "transrate",
)
# What `recommend` asks: quick, and without an image of the source, which candidates may come without.
RECOMMENDED = ("gbc", "h_score", "leep", "logme", "n_leep", "nce", "shrinkage_h_score")


def stage_of(name: str) -> str:
    """The stage of code of a metric: that of the module that computes it."""
    return f"metric_{module_of(name)}"


def module_of(name: str) -> str:
    """The module of `transferability/` that computes a metric."""
    return METRICS[name].function.split(":")[0]


def needs_source(name: str) -> bool:
    """Whether a metric compares the target with samples of the source's own dataset."""
    return bool(OF_SOURCE & set(METRICS[name].needs))


def sampling_of(name: str) -> str:
    """How the metric's paper draws the pixels of a segmentation target: `class_balanced` or `uniform`."""
    return "uniform" if METRICS[name].sampling == "uniform" else "class_balanced"


def kept_for(names: Iterable[str], task_type: str) -> list[str]:
    """What samples must hold beyond the usual for some metrics and a target's task type, sorted."""
    needs = {need for name in names for need in METRICS[name].needs}
    if "targets" in needs and task_type == "detection":
        needs.add("boxes")  # which are what is regressed there
    return [name for name in ON_REQUEST if name in needs and task_type in TASK_TYPES.get(name, (task_type,))]
