"""Rankings of sources that need no fine-tuning on the target and no score: what every metric has to beat.

Singh, Hess and Vanschoren, "How NOT to benchmark your SITE metric" (arXiv 2510.06448): on the usual
benchmark one list of models, the same for every target, is better than every metric.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

BASELINE_RANKERS = (
    "source_size",
    "static_rank",
    "domain_distance",
    "same_domain_then_size",
    "static_and_distance",
)
PAIR = ["regime", "target", "source"]


def baseline_scores(measured: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    """Scores of all baseline rankers, one row per ranker and pair: the rows of `measured` with metric and score.

    Parameters
    ----------
    measured
        One row per regime, source and target, with source_dataset, target_dataset, target_task_type, source_n_train,
        within_domain, and value (higher is better).
    distances
        Source, target (datasets) and distance, of the assignment target_to_source. A dataset is at 0 from itself.

    Notes
    -----
    `source_size` is the number of training images; `static_rank` minus the source's mean rank (0 best, 1 worst) on all
    other targets of the task type, or of any task type where it was measured on none, without targets on the
    same dataset; `domain_distance` is -D(T given S); `same_domain_then_size` puts sources that contain the
    target's domain first, each group by size; `static_and_distance` adds the ranks of two of them among the
    target's sources. None is fitted.
    """
    rows = measured.copy()
    rows["source_size"] = rows["source_n_train"].astype(float)
    rows["static_rank"] = static_rank(rows)
    rows["domain_distance"] = _distance(rows, distances)
    within = rows["within_domain"].eq(True).fillna(False).astype(float)
    largest = rows["source_size"].max()
    rows["same_domain_then_size"] = (
        within * (1.0 + (0.0 if np.isnan(largest) else largest)) + rows["source_size"]
    )
    both = rows[["static_rank", "domain_distance"]].notna().all(axis=1)
    ranks = [rows[name].where(both) for name in ("static_rank", "domain_distance")]
    groups = [rows["regime"], rows["target"]]
    rows["static_and_distance"] = sum(part.groupby(groups).rank() for part in ranks)
    parts = [rows[measured.columns].assign(metric=name, score=rows[name]) for name in BASELINE_RANKERS]
    return pd.concat(parts).dropna(subset=["score"])


def static_rank(rows: pd.DataFrame) -> pd.Series:
    """For every row minus the mean rank of its source on other targets, between -1 (always last) and 0
    (always first).
    """
    groups = rows.groupby(["regime", "target"])["value"]
    number = groups.transform("count")
    place = (groups.rank(ascending=False) - 1) / (number - 1).where(number > 1)
    frame = rows[["regime", "source", "target_task_type", "target_dataset"]].assign(place=place)
    of_type = _mean_elsewhere(frame, ["regime", "source", "target_task_type"])
    return -of_type.fillna(_mean_elsewhere(frame, ["regime", "source"]))


def _mean_elsewhere(frame: pd.DataFrame, keys: list[str]) -> pd.Series:
    """Mean place over the rows with the same keys whose target is on another dataset; nan where there is none."""
    known = frame["place"].notna().astype(float)
    place = frame["place"].fillna(0.0)
    labels = [frame[key] for key in keys]
    own = [*labels, frame["target_dataset"]]
    total = place.groupby(labels).transform("sum") - place.groupby(own).transform("sum")
    number = known.groupby(labels).transform("sum") - known.groupby(own).transform("sum")
    return total / number.where(number > 0)


def _distance(rows: pd.DataFrame, distances: pd.DataFrame) -> pd.Series:
    of_pair = distances.set_index(["source", "target"])["distance"].to_dict()
    pairs = zip(rows["source_dataset"], rows["target_dataset"], strict=True)
    return pd.Series(
        [0.0 if source == target else -of_pair.get((source, target), np.nan) for source, target in pairs],
        index=rows.index,
        dtype=float,
    )
