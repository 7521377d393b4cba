"""What a task type must offer, so that training and evaluation need know nothing of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from torch import Tensor, nn

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import Sample
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.tasks.settings import EvaluationSettings


class Evaluator(Protocol):
    """Gathers predictions on the evaluation set, batch by batch."""

    def update(self, outputs: Any, samples: Sequence[Sample], extents: Sequence[tuple[int, int]]) -> None:
        """Add a batch: the head's outputs, the samples as annotated, and the part of the input each fills.

        `extents` are (height, width) of the scaled image inside the padded input, in input pixels.
        """

    def result(self) -> dict[str, Any]:
        """Metrics over all that was added: `value` (the primary one) and details, plain built-ins.

        Raises LegitimateFailure if the metric is not defined on this evaluation set.
        """

    def per_image(self) -> dict[str, list[Any]]:
        """Columns of results image by image, plain built-ins: `image` and `part` (a class, or all), and beside them
        `numerator` and `denominator` where the metric is the mean over parts of the ratio of their sums; for average
        precision `annotated`, `scores` and `matched` (see `AveragePrecision.per_image`).
        """


class TaskType(Protocol):
    """A task type: target encoding, head, loss, decoding and evaluation."""

    name: str
    metric: str  # name of the primary metric; an evaluator whose settings choose another says so (`primary`)
    higher_is_better: bool

    def head(self, backbone: Backbone, description: DatasetDescription) -> nn.Module:
        """A head with random weights. Its attribute `reads_branches` says whether it takes
        the backbone's list of branches or the joined representation.
        """

    def encode(self, samples: Sequence[Sample]) -> dict[str, Tensor]:
        """Training targets of augmented samples, stacked: static shapes, on the CPU."""

    def loss(
        self, outputs: Any, targets: dict[str, Tensor], counts: dict[str, Tensor] | None = None
    ) -> Tensor:
        """Scalar loss of a batch, without synchronising with the host.

        counts: what sums are divided by, where this is a part of a batch and the losses of its parts are to add up to
        that of the whole; those of the batch itself by default.
        """

    def counts(self, outputs: Any, targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the sums of the loss of a batch are divided by.

        outputs: of the batch or a part of it; only the shape of its maps is looked at.
        """

    def evaluator(
        self, description: DatasetDescription, settings: EvaluationSettings | None = None
    ) -> Evaluator:
        """A fresh evaluator for one pass over the evaluation set.

        settings: how predictions are scored, where the task type leaves a choice; its defaults if None.
        """
