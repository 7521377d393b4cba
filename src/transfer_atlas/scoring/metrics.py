"""The metrics that a study can score with: where each is computed, what it takes, and which settings it uses.

To add a metric: its file in `transferability/`, its entry here, and its stage in `code_versions.yaml`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """What is known of a metric.

    module: of `transferability/`, which computes it and whose stage of code, metric_<module>, is in the key of its
    scores; settings: those of `TransferabilitySettings` that it uses beside those of the draws; source_samples:
    whether it compares the target with samples of the source's own dataset; by_covariance: whether classes have a
    covariance, spherical for images, diagonal for pixels; recommended: whether `recommend` asks it by default.
    """

    module: str
    settings: tuple[str, ...] = ()
    source_samples: bool = False
    by_covariance: bool = False
    recommended: bool = True

    @property
    def stage(self) -> str:
        """Its stage of code."""
        return f"metric_{self.module}"


METRICS: dict[str, Metric] = {
    "leep": Metric("leep"),
    "nce": Metric("leep"),
    "n_leep": Metric("n_leep"),
    "h_score": Metric("h_score"),
    "shrinkage_h_score": Metric("h_score"),
    "logme": Metric("logme"),
    "gbc": Metric("gbc", by_covariance=True),
    "transrate": Metric("transrate", recommended=False),
    "parc": Metric("parc", settings=("parc_samples",), recommended=False),
    "otce": Metric("otce", settings=("epsilon",), source_samples=True, recommended=False),
}
DRAWS = ("samples", "repeats", "seed")  # settings of every score: how samples are drawn, and how often
