"""Passes over the blocks of a cost matrix: the entries that matter to a plan, and the sums of the whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from transfer_atlas.transferability.transport.costs import Costs

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


def whole_plan(costs: Costs, row: np.ndarray, column: np.ndarray, epsilon: float) -> tuple[float, float]:
    """Mass of the whole plan of potentials f (n_s,) and g (n_t,), and its marginal error: the sum of
    |row sums - 1/n_s| and |column sums - 1/n_t|.
    """
    height, width = costs.shape
    columns, error = np.zeros(width), 0.0
    for start, scores in costs.scores(column, epsilon, costs.precision_for(1e-4 * epsilon)):
        scores += (row[start : start + len(scores), None] / epsilon).astype(scores.dtype)
        np.exp(scores, out=scores)
        error += float(np.abs(scores.sum(axis=1, dtype=np.float64) / (height * width) - 1 / height).sum())
        columns += scores.sum(axis=0, dtype=np.float64)
    columns /= height * width
    return float(columns.sum()), error + float(np.abs(columns - 1 / width).sum())


def collect_entries(
    costs: Costs,
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
    depth = _depth(costs, row, column, epsilon, (depth, fewest_per_row, most_per_row))
    if depth is None:
        return None
    height, width = costs.shape
    rows, indices, values, tops, number = [], [], [], [], 0
    for start, scores, top, least in _notable(costs, row, column, epsilon):
        places = np.flatnonzero(scores >= (least - scores.dtype.type(depth))[:, None])
        number += len(places)
        if number > 2 * most_per_row * height:
            return None  # the rows that were counted were not like the others
        at, within = np.divmod(places, width)
        rows.append((at + start).astype(np.int32))
        indices.append(within.astype(np.int32))
        values.append(column[within] - epsilon * scores.ravel()[places].astype(np.float64))
        tops.append(top)
    every = np.concatenate(indices)
    empty = np.flatnonzero(np.bincount(every, minlength=width) == 0)
    if len(empty):
        row = -epsilon * np.concatenate(tops) if row is None else row
        best_rows, best_costs = largest_of_columns(costs.of_columns(empty), row, column[empty], epsilon)
        rows.append(best_rows)
        values.append(best_costs)
        every = np.concatenate([every, empty])
    return _in_rows(np.concatenate(rows), every, np.concatenate(values), height, depth)


def _depth(
    costs: Costs,
    row: np.ndarray | None,
    column: np.ndarray,
    epsilon: float,
    asked: tuple[float, int, int],
) -> float | None:
    """The depth at which some rows have between the fewest and the most entries on average; None where none has."""
    depth, fewest, most = asked
    some = slice(None, None, -(-costs.shape[0] // COUNTED_ROWS))
    counted = costs.of_rows(some)
    of_rows = None if row is None else row[some]
    excesses = np.concatenate(
        [
            (scores - least[:, None]).ravel()
            for _, scores, _, least in _notable(counted, of_rows, column, epsilon)
        ]
    )
    last = len(excesses) - 1
    fewest_at, most_at = min(fewest * counted.shape[0], last), most * counted.shape[0]
    places = [last - fewest_at, max(0, last - most_at)]
    ordered = np.partition(excesses, sorted(set(places)))
    depth = max(depth, -float(ordered[places[0]]))
    if most_at <= last and -float(ordered[places[1]]) < depth:
        if row is not None or -float(ordered[places[1]]) <= 0:
            return None
        depth = -float(ordered[places[1]])
    return min(depth, LARGEST_DEPTH)


def _notable(
    costs: Costs, row: np.ndarray | None, column: np.ndarray, epsilon: float
) -> Iterator[tuple[int, np.ndarray, np.ndarray, np.ndarray]]:
    """Blocks of scores, each with the number of its first row, its rows' largest, and what scores are to be compared
    with: the score that makes an entry 1 / (n_s n_t), or the row's largest if that is lower or unknown.
    """
    for start, scores in costs.scores(column, epsilon, costs.precision_for(1e-4 * epsilon)):
        top = scores.max(axis=1)
        least = top
        if row is not None:
            least = np.minimum(top, (-row[start : start + len(scores)] / epsilon).astype(scores.dtype))
        yield start, scores, top, least


def largest_of_columns(
    costs: Costs, row: np.ndarray, column: np.ndarray, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
    """For each column the row with the largest entry of the plan, and the cost of that entry."""
    width = costs.shape[1]
    best = np.full(width, -np.inf)  # (f_i + g_j - c_ij) / epsilon
    rows = np.zeros(width, np.int64)
    for start, scores in costs.scores(column, epsilon, np.float64):
        scores += row[start : start + len(scores), None] / epsilon
        highest = scores.argmax(axis=0)
        values = scores[highest, np.arange(width)]
        higher = values > best
        best[higher], rows[higher] = values[higher], highest[higher] + start
    return rows, row[rows] + column - epsilon * best


def _in_rows(rows: np.ndarray, columns: np.ndarray, costs: np.ndarray, height: int, depth: float) -> Entries:
    indptr = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=height))])
    if (np.diff(rows) < 0).any():
        order = np.argsort(rows, kind="stable")
        columns, costs = columns[order], costs[order]
    return Entries(indptr, columns.astype(np.int32), costs, depth)
