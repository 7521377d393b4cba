"""Passes over the blocks of a cost matrix that is never held: the entries that matter, and the sums of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transfer_atlas.transferability.arrays import Array

BLOCK_BYTES = 32_000_000  # of a block of the cost matrix
COUNTED_ROWS = 500  # from which the number of entries of all rows is foretold
LARGEST_DEPTH = 1e9  # beyond, float64 does not tell entries apart


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
    precision = precision_for(source, target, 1e-4 * epsilon)
    for start, scores in score_blocks(source, target, column, epsilon, precision):
        scores += (row[start : start + len(scores), None] / epsilon).astype(scores.dtype)
        np.exp(scores, out=scores)
        error += float(np.abs(scores.sum(axis=1, dtype=np.float64) / size - 1 / len(source)).sum())
        columns += scores.sum(axis=0, dtype=np.float64)
    return float(columns.sum() / size), error + float(np.abs(columns / size - 1 / len(target)).sum())


def precision_for(source: Array, target: Array, allowed: float) -> type:
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
    fewest_per_row: int,
    most_per_row: int,
) -> Entries | None:
    """Entries (i, j) of which the plan of the potentials, n_s n_t p_ij, is above e^-depth; the largest of every row
    always; and the largest of every column that would have none, without which nothing could bring mass there. Without
    potentials of rows, entries within e^-depth of the row's largest.

    Some rows foretell the number of entries. Where they are fewer than `fewest_per_row` on average, depth is raised to
    the one that gives that many. Where they are more than `most_per_row`, the plan is not sparse and None is returned;
    without potentials of rows, which nobody has asked to be right, depth is lowered first. Two passes at most, and no
    loop.
    """
    depth = _depth(source, target, row, column, epsilon, (depth, fewest_per_row, most_per_row))
    if depth is None:
        return None
    rows, indices, costs, tops, number = [], [], [], [], 0
    for start, scores, top, least in _notable(source, target, row, column, epsilon):
        places = np.flatnonzero(scores >= (least - scores.dtype.type(depth))[:, None])
        number += len(places)
        if number > 2 * most_per_row * len(source):
            return None  # the rows that were counted were not like the others
        at, within = np.divmod(places, len(target))
        rows.append((at + start).astype(np.int32))
        indices.append(within.astype(np.int32))
        costs.append(column[within] - epsilon * scores.ravel()[places].astype(np.float64))
        tops.append(top)
    every = np.concatenate(indices)
    empty = np.flatnonzero(np.bincount(every, minlength=len(target)) == 0)
    if len(empty):
        row = -epsilon * np.concatenate(tops) if row is None else row
        best_rows, best_costs = largest_of_columns(source, target[empty], row, column[empty], epsilon)
        rows.append(best_rows)
        costs.append(best_costs)
        every = np.concatenate([every, empty])
    return _in_rows(np.concatenate(rows), every, np.concatenate(costs), len(source), depth)


def _depth(
    source: Array,
    target: Array,
    row: np.ndarray | None,
    column: np.ndarray,
    epsilon: float,
    asked: tuple[float, int, int],
) -> float | None:
    """The depth at which some rows have between the fewest and the most entries on average; None where none has."""
    depth, fewest, most = asked
    some = slice(None, None, -(-len(source) // COUNTED_ROWS))
    counted = source[some]
    excesses = np.concatenate(
        [
            (scores - least[:, None]).ravel()
            for _, scores, _, least in _notable(
                counted, target, None if row is None else row[some], column, epsilon
            )
        ]
    )
    last = len(excesses) - 1
    fewest_at, most_at = min(fewest * len(counted), last), most * len(counted)
    places = [last - fewest_at, max(0, last - most_at)]
    ordered = np.partition(excesses, sorted(set(places)))
    depth = max(depth, -float(ordered[places[0]]))
    if most_at <= last and -float(ordered[places[1]]) < depth:
        if row is not None or -float(ordered[places[1]]) <= 0:
            return None
        depth = -float(ordered[places[1]])
    return min(depth, LARGEST_DEPTH)


def _notable(
    source: Array, target: Array, row: np.ndarray | None, column: np.ndarray, epsilon: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of scores, each with the number of its first row, its rows' largest, and what scores are to be compared
    with: the score that makes an entry 1 / (n_s n_t), or the row's largest if that is lower or unknown.
    """
    precision = precision_for(source, target, 1e-4 * epsilon)
    for start, scores in score_blocks(source, target, column, epsilon, precision):
        top = scores.max(axis=1)
        least = top
        if row is not None:
            least = np.minimum(top, (-row[start : start + len(scores)] / epsilon).astype(scores.dtype))
        yield start, scores, top, least


def largest_of_columns(
    source: Array, target: Array, row: np.ndarray, column: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each column the row with the largest entry of the plan, and the cost of that entry."""
    best = np.full(len(target), -np.inf)  # (f_i + g_j - c_ij) / epsilon
    rows = np.zeros(len(target), np.int64)
    for start, scores in score_blocks(source, target, column, epsilon, np.float64):
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


def score_blocks(
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
