"""Settings of the methods of transfers, with every default and its reason."""

from __future__ import annotations

from pydantic import Field

from transfer_atlas.strict import Strict


class OtceSettings(Strict):
    """OTCE-guided fine-tuning: before a transfer is fine-tuned, its source's backbone is trained to lower the task
    difference W_T between source and target (Tan et al. 2021, and the talk's step 1).
    """

    steps: int = Field(
        50, ge=1, description="Steps on W_T, each on a batch of source and one of target images."
    )
    learning_rate: float = Field(1e-4, gt=0, description="Of Adam, for these steps.")
    batch_size: int = Field(
        100, ge=1, description="Images of either side in a batch; all where there are fewer."
    )
    samples: int = Field(
        500,
        ge=2,
        description="Samples of either side in a coupling: images, or pixels where the task has pixels.",
    )
    epsilon: float = Field(
        0.1,
        gt=0,
        description="Regularisation of the transport in units of the mean cost: in absolute terms plans of deep "
        "features are all but permutations, through which no gradient passes.",
    )


class EpisodeSettings(Strict):
    """Training of prototypical and matching networks on episodes of the source's classes."""

    steps: int = Field(300, ge=1, description="Episodes that a source is trained on.")
    ways: int = Field(5, ge=2, description="Classes of an episode.")
    shots: int = Field(5, ge=1, description="Labelled images of each class.")
    queries: int = Field(10, ge=1, description="Images of each class that are to be told.")
    learning_rate: float = Field(1e-3, gt=0, description="Of Adam (Snell et al. 2017).")


class MethodSettings(Strict):
    """Settings of methods that transfers may use beside plain fine-tuning."""

    otce: OtceSettings = OtceSettings()
    episodes: EpisodeSettings = EpisodeSettings()
