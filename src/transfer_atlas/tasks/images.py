"""Results image by image, from which a metric's uncertainty is drawn, and confusions by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from torch import Tensor


def per_image_sums(
    images: Sequence[str], parts: Sequence[str], numerators: Iterable[Any], denominators: Iterable[Any]
) -> dict[str, list[Any]]:
    """Columns of results that add up: the metric is the mean over parts of sum(numerator) / sum(denominator).

    A part is a class, or `all`; one row for each image and part that it has something to say of.
    """
    return {
        "image": list(images),
        "part": list(parts),
        "numerator": [float(value) for value in numerators],
        "denominator": [float(value) for value in denominators],
    }


def confusion_rows(names: Sequence[str], counts: Tensor) -> dict[str, dict[str, int]]:
    """What is predicted, by what is annotated: counts (K, K) int64 without their zeros, and without empty rows."""
    rows = {}
    for name, row in zip(names, counts.tolist(), strict=True):
        kept = {other: count for other, count in zip(names, row, strict=True) if count}
        if kept:
            rows[name] = kept
    return rows
