"""Input of the metrics: NumPy arrays or torch tensors, checked once, read in float64 blocks.

Letters used throughout this package: n samples (pixels or images), d features, c classes of the target that occur,
S classes of the source. What grows with n runs where the features are (NumPy on the CPU, torch on a GPU); what
does not (d x d, c x d) is NumPy in float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from transfer_atlas.errors import AtlasError

Array = Any  # numpy.ndarray or torch.Tensor of a GPU: what the operators of both understand

BLOCK_ROWS = 2048  # rows turned into float64 at a time: 12 MB at d = 720


class MetricInputError(AtlasError, ValueError):
    """What was handed to a metric cannot be scored; the text says what was found and what is expected."""


class UndefinedError(MetricInputError):
    """The samples are in order, but the metric has no value for them (one class, samples all the same, ...).

    To be recorded as a row with its reason: no sample would change it, unlike a mistake in the input.
    """


class UnconvergedError(AtlasError, ArithmeticError):
    """An iteration ended before its result means anything; no number is given instead."""


@dataclass(frozen=True)
class Labels:
    """Class labels, compacted: only classes that occur count, in the order of their original numbers.

    Attributes
    ----------
    codes
        (n,) int64, 0 to c - 1.
    counts
        (c,) float64, samples of each class.
    original
        (c,) the labels as they were given.
    """

    codes: np.ndarray
    counts: np.ndarray
    original: np.ndarray

    @property
    def classes(self) -> int:
        """Number of classes that occur."""
        return len(self.counts)


def as_features(values: Any, name: str = "features", rows: int | None = None) -> Array:
    """Check a matrix (n, d): floating point, finite, n and d at least 1. No copy where the type allows.

    A torch tensor on the CPU becomes a NumPy array that shares its memory; one on a GPU stays a tensor there.
    Raises MetricInputError.
    """
    array = _plain(values)
    if len(array.shape) != 2 or 0 in array.shape:
        raise MetricInputError(
            f"{name} have shape {tuple(array.shape)}; expected (samples, dimensions), neither of them 0."
        )
    if rows is not None and array.shape[0] != rows:
        raise MetricInputError(f"{name} have {array.shape[0]} rows, but there are {rows} labels.")
    if isinstance(array, np.ndarray) and array.dtype not in (np.float32, np.float64):
        if array.dtype.kind not in "fiub":
            raise MetricInputError(f"{name} are of type {array.dtype}; expected numbers.")
        array = array.astype(np.float64)
    if not np.isfinite(float(array.sum())):  # a sum shows what is not finite at the cost of one reading
        for start, block in double_blocks(array):
            bad = ~np.isfinite(to_numpy(block)).all(axis=1)
            if bad.any():
                raise MetricInputError(
                    f"{name} are not finite in row {start + int(bad.argmax())}; "
                    "look for a diverged model, or leave that sample out."
                )
    return array


def as_labels(values: Any, name: str = "labels", rows: int | None = None) -> Labels:
    """Check and compact class labels (n,): integers or booleans of any range. Raises MetricInputError."""
    array = to_numpy(_plain(values))
    if array.ndim != 1 or len(array) == 0:
        raise MetricInputError(
            f"{name} have shape {array.shape}; expected one label per sample: (n,), n > 0."
        )
    if array.dtype.kind not in "iub":
        raise MetricInputError(
            f"{name} are of type {array.dtype}; expected integer class labels (quantise continuous targets)."
        )
    if rows is not None and len(array) != rows:
        raise MetricInputError(f"there are {len(array)} {name}, but {rows} rows of features.")
    original, codes, counts = np.unique(array, return_inverse=True, return_counts=True)
    return Labels(codes.astype(np.int64), counts.astype(np.float64), original)


def require_classes(labels: Labels, metric: str, minimum: int = 2) -> None:
    """Refuse to compare classes where there are fewer than `minimum` of them."""
    if labels.classes < minimum:
        raise UndefinedError(
            f"{metric} compares classes, but the labels hold {labels.classes} ({labels.original.tolist()}); "
            "sample other images or pixels, or leave this target out."
        )


def double_blocks(array: Array, size: int = BLOCK_ROWS) -> Iterator[tuple[int, Array]]:
    """Row blocks in float64, each with the number of its first row."""
    for start in range(0, array.shape[0], size):
        yield start, double(array[start : start + size])


def double(array: Array) -> Array:
    """The same numbers in float64, in the same library and place."""
    return array.astype(np.float64, copy=False) if isinstance(array, np.ndarray) else array.double()


def to_numpy(array: Array) -> np.ndarray:
    """A NumPy array on the CPU."""
    return array if isinstance(array, np.ndarray) else array.detach().cpu().numpy()


def beside(array: np.ndarray, place: Array) -> Array:
    """A NumPy array brought to the library and device of `place`."""
    if isinstance(place, np.ndarray):
        return array
    import torch

    return torch.as_tensor(array, device=place.device)


def one_hot(codes: np.ndarray, classes: int) -> np.ndarray:
    """(n,) codes as (n, classes) float64."""
    return (codes[:, None] == np.arange(classes)).astype(np.float64)


def _plain(values: Any) -> Array:
    """A NumPy array, or a tensor where it is not in the CPU's memory."""
    if isinstance(values, np.ndarray):
        return values
    if hasattr(values, "detach"):
        tensor = values.detach()
        if tensor.element_size() < 4 and tensor.is_floating_point():  # NumPy has no bfloat16
            tensor = tensor.float()
        return tensor.numpy() if tensor.device.type == "cpu" else tensor
    return np.asarray(values)
