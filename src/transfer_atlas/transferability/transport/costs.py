"""Squared distances between two samples, block by block; their products are kept where computing them takes long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from transfer_atlas.transferability.arrays import Array

BLOCK_BYTES = 32_000_000  # of a block of the cost matrix
WIDE = 100  # dimensions from which products take longer to compute than to read
HELD_BYTES = 1_000_000_000  # of products that are kept: 10,000 by 10,000 samples and a little more


@dataclass
class Costs:
    """c_ij = |source_i - target_j|^2 of source (n_s, d) and target (n_t, d), both centred together, in one library.

    At d = 720 a pass over the costs of 10,000 samples a side takes 3 s in float64, nearly all of it for the products
    source @ target.T. So these are computed once and kept (8 n_s n_t bytes), if they fit and dimensions are many.
    """

    source: Array
    target: Array
    _held: list[np.ndarray] = field(default_factory=list, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_s, n_t)."""
        return len(self.source), len(self.target)

    def of_rows(self, rows: slice) -> Costs:
        """The costs of some rows."""
        return Costs(self.source[rows], self.target, [held[rows] for held in self._held])

    def of_columns(self, columns: np.ndarray) -> Costs:
        """The costs of some columns (k,)."""
        return Costs(self.source, self.target[columns])

    def turned(self) -> Costs:
        """The same costs with source and target exchanged."""
        self._hold()
        return Costs(self.target, self.source, [held.T for held in self._held])

    def precision_for(self, allowed: float) -> type:
        """float32, unless its rounding of the squares is more than allowed."""
        largest = max(float((side * side).sum(1).max()) for side in (self.source, self.target))
        return np.float32 if largest * np.finfo(np.float32).eps < allowed else np.float64

    def scores(self, column: np.ndarray, epsilon: float, precision: type) -> Iterator[tuple[int, np.ndarray]]:
        """(g_j - c_ij) / epsilon of potentials g (n_t,), block by block of rows, with the number of the first row."""
        (height, width), size = self.shape, np.dtype(precision).itemsize
        rows = max(1, BLOCK_BYTES // (size * width))
        if not isinstance(self.source, np.ndarray):
            yield from _scores_of_tensors(self.source, self.target, column, epsilon, rows)
            return
        target = self.target.astype(np.float64)
        offset = ((column - (target**2).sum(axis=1)) / epsilon).astype(precision)
        lengths = ((self.source.astype(np.float64) ** 2).sum(axis=1) / epsilon).astype(precision)
        self._hold()
        scaled = None if self._held else np.ascontiguousarray((target * (2 / epsilon)).T).astype(precision)
        for start in range(0, height, rows):
            part = slice(start, start + rows)
            if scaled is None:
                held = self._held[0][part]
                scores = np.multiply(
                    held, 2 / epsilon, out=np.empty(held.shape, precision), casting="same_kind"
                )
            else:
                scores = self.source[part].astype(precision, copy=False) @ scaled
            scores += offset
            scores -= lengths[part, None]
            yield start, scores

    def _hold(self) -> None:
        """Compute the products that are to be kept, once."""
        height, width = self.shape
        fits = 8 * height * width <= HELD_BYTES and self.source.shape[1] >= WIDE
        if not self._held and fits and isinstance(self.source, np.ndarray):
            other = self.target.astype(np.float64).T
            held = np.empty((height, width))
            rows = max(1, BLOCK_BYTES // (8 * width))
            for start in range(0, height, rows):
                np.matmul(
                    self.source[start : start + rows].astype(np.float64),
                    other,
                    out=held[start : start + rows],
                )
            self._held.append(held)


def _scores_of_tensors(
    source: Array, target: Array, column: np.ndarray, epsilon: float, size: int
) -> Iterator[tuple[int, np.ndarray]]:
    """The same from tensors of a GPU, in float64 throughout."""
    import torch

    rows, columns = source.double(), target.double()
    offset = torch.as_tensor(column, device=source.device) - (columns**2).sum(1)
    for start in range(0, len(rows), size):
        block = rows[start : start + size]
        scores = (2 * block @ columns.T + offset - (block**2).sum(1)[:, None]) / epsilon
        yield start, scores.cpu().numpy()
