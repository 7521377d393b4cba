"""Squared distances between two samples, block by block; their products are kept where computing them takes long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from transfer_atlas.transferability.arrays import Array

BLOCK_BYTES = 32_000_000  # of a block of the cost matrix that is computed: products like it large
HELD_BLOCK_BYTES = (
    2_000_000  # of one that is read from held products: it stays in the cache while it is worked on
)
WIDE = 100  # dimensions from which products take longer to compute than to read
CANCELLED = 1e-5  # share of the squares below which what is left of them has too few digits
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

    def between(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Costs (k,) of pairs in float64, to ten digits, of arrays: from held products where these have the digits,
        from differences where they are not held or cancel."""
        if not self._held:
            return costs_of_pairs(self.source, self.target, rows, columns)
        first, second = ((side.astype(np.float64) ** 2).sum(axis=1) for side in (self.source, self.target))
        squares = first[rows] + second[columns]
        costs = squares - 2 * self._held[0][rows, columns]
        few = np.flatnonzero(costs < CANCELLED * squares)
        costs[few] = costs_of_pairs(self.source, self.target, rows[few], columns[few])
        return costs

    def precision_for(self, allowed: float) -> type:
        """float32, unless its rounding of the squares is more than allowed."""
        largest = max(float((side * side).sum(1).max()) for side in (self.source, self.target))
        return np.float32 if largest * np.finfo(np.float32).eps < allowed else np.float64

    def scores(self, column: np.ndarray, epsilon: float, precision: type) -> Iterator[tuple[int, np.ndarray]]:
        """(g_j - c_ij) / epsilon of potentials g (n_t,), block by block of rows, with the number of the first row."""
        (height, width), size = self.shape, np.dtype(precision).itemsize
        if not isinstance(self.source, np.ndarray):
            rows = max(1, BLOCK_BYTES // (size * width))
            yield from _scores_of_tensors(self.source, self.target, column, epsilon, rows)
            return
        target = self.target.astype(np.float64)
        offset = ((column - (target**2).sum(axis=1)) / epsilon).astype(precision)
        lengths = ((self.source.astype(np.float64) ** 2).sum(axis=1) / epsilon).astype(precision)
        self._hold()
        rows = max(1, (HELD_BLOCK_BYTES if self._held else BLOCK_BYTES) // (size * width))
        scaled = None if self._held else np.ascontiguousarray((target * (2 / epsilon)).T).astype(precision)
        for start in range(0, height, rows):
            part = slice(start, start + rows)
            if scaled is None:
                scores = _scaled(self._held[0][part], 2 / epsilon, precision)
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


def costs_of_pairs(
    source: np.ndarray, target: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> np.ndarray:
    """|source_i - target_j|^2 of pairs (k,) in float64, from differences, so that small ones keep their digits."""
    costs = np.empty(len(rows))
    size = max(1, 4_000_000 // source.shape[1])
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        apart = source[rows[part]].astype(np.float64, copy=False) - target[columns[part]]
        costs[part] = np.einsum("ij,ij->i", apart, apart)
    return costs


def _scaled(block: np.ndarray, factor: float, precision: type) -> np.ndarray:
    """A block (rows, width) times a factor, in rows; of turned products too, which are read as they lie in memory."""
    lying = block if block.flags.c_contiguous else block.T
    scaled = np.multiply(lying, factor, out=np.empty(lying.shape, precision), casting="same_kind")
    return scaled if lying is block else np.ascontiguousarray(scaled.T)


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
