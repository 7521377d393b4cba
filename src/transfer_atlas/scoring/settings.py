"""Settings of scores without fine-tuning, with every default and its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from transfer_atlas.scoring.metrics import METRICS, USUAL
from transfer_atlas.strict import Strict
from transfer_atlas.training.settings import Size

if TYPE_CHECKING:
    MetricName = str  # the table of metrics is unknown before the module runs
else:
    MetricName = Literal[tuple(sorted(METRICS))]


class TransferabilitySettings(Strict):
    """Scores of every source of the experiments for every target, without fine-tuning (docs/metrics.md)."""

    metrics: list[MetricName] = Field(
        sorted(USUAL), min_length=1, description="Metrics to score with; their order means nothing."
    )
    sampling: Literal["as_published", "class_balanced", "uniform", "boundary"] = Field(
        "as_published",
        description="Which pixels of segmentation are scored: `as_published` as each metric's paper draws them (OTCE "
        "and energies uniformly, all others by inverse class frequency), or one scheme for all metrics.",
    )
    pixels: int = Field(1000, ge=1, description="Pixels of each target image at most (Pandy et al.: 1000).")
    source_images: int = Field(150, ge=1, description="Images from which OTCE draws the source's pixels.")
    samples: int = Field(
        10_000, ge=10, description="Samples of either side in one repeat (Tan et al.: 10,000 pixels)."
    )
    repeats: int = Field(3, ge=1, description="Draws whose mean and deviation are reported (Tan et al.: 10).")
    parc_samples: int = Field(2000, ge=10, description="Samples of which PARC compares all pairs.")
    epsilon: float | None = Field(
        0.1, gt=0, description="Regularisation of OTCE's transport; `null` computes the exact plan."
    )
    superpixels: int = Field(
        4,
        ge=1,
        le=256,
        description="Superpixels on a side of an image, of the dense H-scores (the talk: not said).",
    )
    depth_bins: int = Field(10, ge=2, description="Classes into which depth is quantised.")
    seed: int = Field(0, ge=0, description="Seed of sampling and of N-LEEP's start.")
    domain_features: str | None = Field(
        None,
        description="The backbone whose image features give domain distances: `ilsvrc`, or a source of the "
        "experiments. If absent, `multi_segmentation` (the paper's choice) where the experiments have it, else "
        "`ilsvrc`.",
    )
    domain_images: int = Field(1000, ge=1, description="Images of each dataset in domain distances.")
    domain_resolution: Size | None = Field(
        None,
        description="Size into which images are fitted for domain distances; if absent, that of the dataset's "
        "alphabetically first task type in the study.",
    )
    appearance_of: list[str] = Field(
        [],
        description="Datasets whose images are also seen by every source of the experiments that was trained on that "
        "dataset, one figure each (Mensink et al., Figures 9b and 9c: COCO and SUN RGB-D).",
    )

    @field_validator("metrics", "appearance_of")
    @classmethod
    def _sorted(cls, names: list[str]) -> list[str]:
        return sorted(set(names))
