"""The metrics that a study can score with: those of the registry whose inputs a pair's samples hold.

To add a metric: its file in `transferability/`, its entry in `scoring/registry.py`, and its stage in
`code_versions.yaml`.
"""

from __future__ import annotations

from transfer_atlas.scoring.registry import METRICS as REGISTRY
from transfer_atlas.scoring.registry import Metric

# What samples hold (`features.py`); a metric that needs more, such as boxes or logits, cannot be asked for yet.
HELD = {
    "features",
    "labels",
    "targets",
    "probabilities",
    "source_classes",
    "source_features",
    "source_labels",
    "seed",
}
OF_SOURCE = {"source_features", "source_labels"}  # what is sampled of the source's own dataset

METRICS: dict[str, Metric] = {
    name: metric
    for name, metric in REGISTRY.items()
    if set(metric.needs) <= HELD and len(metric.values) == 1 and metric.higher_is_better
}
DRAWS = ("samples", "repeats", "seed")  # settings of every score: how samples are drawn, and how often
SETTINGS = {
    "parc": ("parc_samples",),
    "otce": ("epsilon",),
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
