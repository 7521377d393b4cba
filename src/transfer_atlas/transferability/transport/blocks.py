"""Passes over the blocks of a cost matrix that is never held: the entries that matter, and the sums of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transfer_atlas.transferability.arrays import Array

BLOCK_BYTES = 32_000_000  # of a block of the cost matrix
COUNTED_ROWS = 500  # from which the number of entries of all rows is foretold


@dataclass(frozen=True)
class Entries:
    """The sparse part of a plan in rows: `indptr` (n_s + 1,), `indices` (nnz,) int32, `cost` (nnz,) float64.

    Entries left out are below e^-depth / (n_s n_t), and so below e^-depth in sum.
    """

    indptr: np.ndarray
    indices: np.ndarray
    cost: np.ndarray
    depth: float


def whole_plan(
    source: Array, target: Array, row: np.ndarray, column: np.ndarray, epsilon: float
) -> tuple[float, float]:
    """Mass of the whole plan of potentials f (n_s,) and g (n_t,), and its marginal error: the sum of
    |row sums - 1/n_s| and |column sums - 1/n_t|.
    """
    columns, error = np.zeros(len(target)), 0.0
    size = len(source) * len(target)
    precision = _precision(source, target, 1e-4 * epsilon)
    for start, scores in _score_blocks(source, target, column, epsilon, precision):
        scores += (row[start : start + len(scores), None] / epsilon).astype(scores.dtype)
        np.exp(scores, out=scores)
        error += float(np.abs(scores.sum(axis=1, dtype=np.float64) / size - 1 / len(source)).sum())
        columns += scores.sum(axis=0, dtype=np.float64)
    return float(columns.sum() / size), error + float(np.abs(columns / size - 1 / len(target)).sum())


def _precision(source: Array, target: Array, allowed: float) -> type:
    """float32, unless its rounding of the squares is more than allowed."""
    largest = max(float((side * side).sum(1).max()) for side in (source, target))
    return np.float32 if largest * np.finfo(np.float32).eps < allowed else np.float64


def collect_entries(
    source: Array,
    target: Array,
    row: np.ndarray | None,
    column: np.ndarray,
    epsilon: float,
    depth: float,
    most_per_row: int,
) -> Entries:
    """Entries (i, j) of which the plan of the potentials, n_s n_t p_ij, is above e^-depth; per row also those
    within e^-depth of the row's largest (these alone if there are no potentials of rows yet); and the largest of every
    column that would have none, without which nothing could bring mass there. Where that makes more than about
    `most_per_row` on average, depth is reduced.
    """
    some = slice(None, None, -(-len(source) // COUNTED_ROWS))
    counted, potentials = source[some], None if row is None else row[some]
    while _count(counted, target, potentials, column, epsilon, depth) > most_per_row * len(counted):
        depth *= 0.9
    rows, indices, costs, tops = [], [], [], []
    for start, scores, top, places in _notable(source, target, row, column, epsilon, depth):
        at, within = np.divmod(places.astype(np.int32), np.int32(len(target)))
        rows.append(at + np.int32(start))
        indices.append(within)
        costs.append(column[within] - epsilon * scores.ravel()[places].astype(np.float64))
        tops.append(top)
    every = np.concatenate(indices)
    empty = np.flatnonzero(np.bincount(every, minlength=len(target)) == 0)
    if len(empty):
        row = -epsilon * np.concatenate(tops) if row is None else row
        best_rows, best_costs = _largest_of_columns(source, target[empty], row, column[empty], epsilon)
        rows.append(best_rows)
        costs.append(best_costs)
        every = np.concatenate([every, empty])
    return _in_rows(np.concatenate(rows), every, np.concatenate(costs), len(source), depth)


def _count(
    source: Array, target: Array, row: np.ndarray | None, column: np.ndarray, epsilon: float, depth: float
) -> int:
    return sum(len(places) for *_, places in _notable(source, target, row, column, epsilon, depth))


def _notable(
    source: Array, target: Array, row: np.ndarray | None, column: np.ndarray, epsilon: float, depth: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of scores, each with the number of its first row, its rows' largest, and the (flat) places of what is
    to be collected.
    """
    precision = _precision(source, target, 1e-4 * epsilon)
    for start, scores in _score_blocks(source, target, column, epsilon, precision):
        top = scores.max(axis=1)
        least = top
        if row is not None:
            least = np.minimum(top, (-row[start : start + len(scores)] / epsilon).astype(scores.dtype))
        yield start, scores, top, np.flatnonzero(scores > (least - scores.dtype.type(depth))[:, None])


def _largest_of_columns(
    source: Array, target: Array, row: np.ndarray, column: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each column the row with the largest entry of the plan, and the cost of that entry."""
    best = np.full(len(target), -np.inf)  # (f_i + g_j - c_ij) / epsilon
    rows = np.zeros(len(target), np.int64)
    for start, scores in _score_blocks(source, target, column, epsilon, np.float64):
        scores += row[start : start + len(scores), None] / epsilon
        highest = scores.argmax(axis=0)
        values = scores[highest, np.arange(len(target))]
        higher = values > best
        best[higher], rows[higher] = values[higher], highest[higher] + start
    return rows, row[rows] + column - epsilon * best


def _in_rows(rows: np.ndarray, columns: np.ndarray, costs: np.ndarray, height: int, depth: float) -> Entries:
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=height))])
    if (np.diff(rows) < 0).any():
        order = np.argsort(rows, kind="stable")
        columns, costs = columns[order], costs[order]
    return Entries(indptr, columns.astype(np.int32), costs, depth)


def _score_blocks(
    source: Array, target: Array, column: np.ndarray, epsilon: float, precision: type
) -> Iterator[tuple[int, np.ndarray]]:
    """(g_j - c_ij) / epsilon, block by block of rows, with the number of the first row."""
    size = max(1, BLOCK_BYTES // (np.dtype(precision).itemsize * len(target)))
    if not isinstance(source, np.ndarray):
        yield from _score_blocks_torch(source, target, column, epsilon, size)
        return
    rows = source.astype(precision, copy=False)
    scaled = np.ascontiguousarray((target.astype(np.float64) * (2 / epsilon)).T).astype(precision)
    offset = ((column - (target.astype(np.float64) ** 2).sum(axis=1)) / epsilon).astype(precision)
    lengths = ((source.astype(np.float64) ** 2).sum(axis=1) / epsilon).astype(precision)
    for start in range(0, len(rows), size):
        scores = rows[start : start + size] @ scaled
        scores += offset
        scores -= lengths[start : start + size, None]
        yield start, scores


def _score_blocks_torch(
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
