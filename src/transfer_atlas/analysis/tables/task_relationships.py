"""Which targets rank sources alike, by scores and as measured: clusters of vectors of scores. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform
from sklearn.metrics import adjusted_rand_score

from transfer_atlas.analysis.tables.baseline_rankers import BASELINE_RANKERS
from transfer_atlas.analysis.tables.intervals import jackknife_interval
from transfer_atlas.analysis.tables.metric_evaluation import FEWEST, spearman
from transfer_atlas.analysis.tables.score_schema import RELATIONSHIP_AGREEMENT, TASK_RELATIONSHIPS
from transfer_atlas.analysis.tables.transfers import frame_of

MEASURED = "measured"
ALIKE = 0.5  # mean correlation from which two branches are one cluster
FEWEST_TARGETS = 3  # of which any two can be nearer to each other than to the rest


def task_relationships_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """The table `task_relationships` of scored pairs (`scores.scored_pairs`).

    "Cluster the source task transferability scores for each target task" (the talk, after Bao et al. 2019): a target is
    the vector of its sources' scores, two targets are as far apart as 1 - Spearman's correlation of their vectors over
    the sources that both have (a target is no source of itself). Average linkage. Baselines have no rows: most rank
    the sources of all targets the same.
    """
    rows = []
    for regime, metric, scores in matrices(pairs):
        known, correlations = correlations_of(scores)
        if len(known) < FEWEST_TARGETS:
            continue
        tree = tree_of(correlations)
        order = leaves_list(tree)
        clusters = _clusters(tree, order)
        others = correlations - 2 * np.eye(len(known))
        for place, target in enumerate(order):
            nearest = int(others[target].argmax())
            rows.append(
                {
                    "regime": regime,
                    "metric": metric,
                    "target": known[target],
                    "place": place + 1,
                    "cluster": clusters[target],
                    "nearest": known[nearest],
                    "correlation": correlations[target, nearest],
                    "sources": int(scores.loc[known[target]].notna().sum()),
                    "joins_at": 1 - float(tree[(tree[:, :2] == target).any(axis=1), 2][0]),
                }
            )
    return frame_of(TASK_RELATIONSHIPS, rows)


def relationship_agreement_table(pairs: pd.DataFrame, relationships: pd.DataFrame) -> pd.DataFrame:
    """The table `relationship_agreement` of scored pairs and their table `task_relationships`."""
    found_by = {(regime, metric): scores for regime, metric, scores in matrices(pairs)}
    rows = []
    for (regime, metric), scores in found_by.items():
        measured = found_by.get((regime, MEASURED))
        if metric == MEASURED or measured is None:
            continue
        both = sorted(set(scores.index) & set(measured.index))
        known, found = correlations_of(scores.loc[both])
        also, expected = correlations_of(measured.loc[both])
        common = [name for name in known if name in also]
        if len(common) < FEWEST_TARGETS:
            continue
        found = found[np.ix_(*[[known.index(name) for name in common]] * 2)]
        expected = expected[np.ix_(*[[also.index(name) for name in common]] * 2)]
        low, high = np.clip(
            jackknife_interval(_agreement(found, expected), np.arange(len(common))), -1.0, 1.0
        )
        rows.append(
            {
                "regime": regime,
                "metric": metric,
                "spearman": _agreement(found, expected)(np.ones(len(common), bool)),
                "low": low,
                "high": high,
                "rand_index": _same_clusters(relationships, regime, metric),
                "targets": len(common),
                "pairs": len(common) * (len(common) - 1) // 2,
            }
        )
    return frame_of(RELATIONSHIP_AGREEMENT, rows)


def correlations_of(scores: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """Targets that can be compared with all others, and Spearman's correlations of their scores (t, t).

    scores: targets as rows, sources as columns, nan where there is none. The target that can be compared with fewest
    is left out first: for fewer than three sources in common, or scores that are all the same.
    """
    found = scores.T.corr(method="spearman", min_periods=FEWEST).to_numpy(float, copy=True)
    varies = np.isfinite(np.diagonal(found))
    found[np.diag_indices(len(found))] = np.where(varies, 1.0, np.nan)
    kept = list(range(len(found)))
    while kept and not np.isfinite(found[np.ix_(kept, kept)]).all():
        missing = (~np.isfinite(found[np.ix_(kept, kept)])).sum(axis=1)
        del kept[len(kept) - 1 - int(missing[::-1].argmax())]  # the last of equal ones
    return [str(scores.index[row]) for row in kept], found[np.ix_(kept, kept)]


def tree_of(correlations: np.ndarray) -> np.ndarray:
    """The tree of targets by their correlations (t, t), as `scipy.cluster.hierarchy.linkage` gives it (t - 1, 4)."""
    return linkage(squareform(1 - correlations, checks=False), method="average")


def matrices(pairs: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Scores as targets x sources by regime and metric, and as measured by gains; names sorted."""
    scored = pairs[~pairs["metric"].isin(BASELINE_RANKERS)]
    for regime, of_regime in scored.groupby("regime", sort=True):
        for metric, group in of_regime.groupby("metric", sort=True):
            yield str(regime), str(metric), _matrix(group, "score")
        yield str(regime), MEASURED, _matrix(of_regime.drop_duplicates(["target", "source"]), "gain")


def _matrix(group: pd.DataFrame, column: str) -> pd.DataFrame:
    known = group.assign(**{column: group[column].replace([np.inf, -np.inf], np.nan)}).dropna(subset=[column])
    return known.pivot_table(index="target", columns="source", values=column, aggfunc="first")


def _clusters(tree: np.ndarray, order: np.ndarray) -> dict[int, int]:
    """Cluster of each target, numbered by the place of its first."""
    labels = fcluster(tree, 1 - ALIKE, criterion="distance")
    names = {label: number + 1 for number, label in enumerate(dict.fromkeys(labels[order]))}
    return {target: names[label] for target, label in enumerate(labels)}


def _agreement(found: np.ndarray, expected: np.ndarray) -> Callable[[np.ndarray], float]:
    def of(kept: np.ndarray) -> float:
        rows, columns = np.triu_indices(int(kept.sum()), 1)
        first, second = (matrix[np.ix_(kept, kept)][rows, columns] for matrix in (found, expected))
        return spearman(first, second) if len(first) >= FEWEST else np.nan

    return of


def _same_clusters(relationships: pd.DataFrame, regime: str, metric: str) -> float:
    own = relationships[relationships["regime"] == regime].pivot_table(
        index="target", columns="metric", values="cluster", aggfunc="first"
    )
    if not {metric, MEASURED} <= set(own.columns):
        return np.nan
    both: Any = own[[metric, MEASURED]].dropna()
    return float(adjusted_rand_score(both[MEASURED], both[metric])) if len(both) >= FEWEST_TARGETS else np.nan
