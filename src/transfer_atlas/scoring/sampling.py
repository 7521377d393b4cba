"""Which pixels of an annotated image are scored: seeded, by class frequency, uniformly, or near boundaries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

Scheme = Literal["class_balanced", "uniform", "boundary"]
SCHEMES = ("class_balanced", "uniform")  # those that may be drawn side by side, numbered so in samples
NOT_SAMPLED = -1  # label of cells without annotation


def cells_of(annotation: np.ndarray, extent: tuple[int, int], stride: int) -> np.ndarray:
    """An annotation (H, W) at the cells of a feature map: nearest pixel to the centre of each cell.

    `extent` (height, width) is the part of the network's input that the image fills, `stride` the input pixels per
    cell. Returns (extent[0] // stride, extent[1] // stride), at least 1 x 1.
    """
    places = []
    for size, length in zip(annotation.shape, extent, strict=True):
        count = max(1, length // stride)
        centres = (np.arange(count) + 0.5) * stride / max(length, stride)
        places.append(np.minimum((centres * size).astype(np.int64), size - 1))
    return annotation[np.ix_(*places)]


def places_of(positions: np.ndarray, extent: tuple[int, int], stride: int) -> np.ndarray:
    """Where the centres of cells (m, 2), of which `cells_of` takes the annotation, lie in their image: (m, 2) row and
    column relative to its height and width, from 0 to 1.
    """
    return (positions + 0.5) * stride / np.maximum(extent, stride)


def class_frequencies(labels: Sequence[np.ndarray], classes: int) -> np.ndarray:
    """Annotated cells of each class over all images: (classes,) float64. Labels are -1 where there is none."""
    counts = np.zeros(classes)
    for cells in labels:
        counts += np.bincount(cells[cells != NOT_SAMPLED], minlength=classes)
    return counts


def sample_cells(
    labels: np.ndarray,
    number: int,
    scheme: Scheme,
    frequencies: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:
    """Flat positions (at most `number`,) into cells (h, w) of one image, ascending and without repetition.

    class_balanced: a cell's probability is in proportion to 1 / frequency of its class over all images (Pandy et
    al. 2022, section 4.2); uniform: all annotated cells alike; boundary: alike among the cells with a cell of another
    class among their eight neighbours, then among the others if there are fewer than `number` (the talk's
    heuristic). Cells labelled -1 are never drawn. All are taken where there are no more than `number`.
    """
    flat = labels.ravel()
    known = np.flatnonzero(flat != NOT_SAMPLED)
    if len(known) <= number:
        return known
    if scheme == "class_balanced":
        weights = 1 / frequencies[flat[known]]
        return np.sort(_draw(known, number, weights, generator))
    if scheme == "uniform":
        return np.sort(generator.choice(known, number, replace=False))
    near = _near_boundary(labels).ravel()[known]
    chosen = known[near]
    if len(chosen) >= number:
        return np.sort(generator.choice(chosen, number, replace=False))
    others = generator.choice(known[~near], number - len(chosen), replace=False)
    return np.sort(np.concatenate([chosen, others]))


def quantise(values: np.ndarray, bins: int) -> np.ndarray:
    """Continuous targets (n,) as classes 0 to bins - 1 of about equal numbers; fewer where values repeat."""
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    return np.searchsorted(edges, values, side="right").astype(np.int64)


def _draw(items: np.ndarray, number: int, weights: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Weighted sample without replacement: the largest of u^(1/w), in logarithms (Efraimidis and Spirakis 2006)."""
    keys = generator.exponential(size=len(items)) / weights
    return items[np.argpartition(keys, number)[:number]]


def _near_boundary(labels: np.ndarray) -> np.ndarray:
    """Cells (h, w) with an annotated cell of another class among their eight neighbours."""
    near = np.zeros(labels.shape, bool)
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        height, width = labels.shape[0] - step[0], labels.shape[1] - abs(step[1])
        left = 0 if step[1] >= 0 else 1
        first = np.s_[:height, left : left + width]
        second = np.s_[step[0] :, left + step[1] : left + step[1] + width]
        differ = labels[first] != labels[second]
        differ &= (labels[first] != NOT_SAMPLED) & (labels[second] != NOT_SAMPLED)
        near[first] |= differ
        near[second] |= differ
    return near
