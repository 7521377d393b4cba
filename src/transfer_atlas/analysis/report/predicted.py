"""Which sources a study's scores predict for a target: the places by the metric that was right most often in it."""

from __future__ import annotations

import pandas as pd

from transfer_atlas.analysis.report.study import ReportedStudy

STATISTIC = "weighted_kendall"


def best_metric(study: ReportedStudy, regime: str) -> str | None:
    """The metric with the best weighted Kendall tau for a given target in this study; None where none was judged."""
    scores, evaluation = study.tables.get("scores"), study.tables.get("metric_evaluation")
    if scores is None or evaluation is None:
        return None
    rows = evaluation[
        (evaluation["regime"] == regime)
        & (evaluation["fixed"] == "target")
        & (evaluation["performance"] == "gain")
        & (evaluation["task_type"] == "all")
        & (evaluation["statistic"] == STATISTIC)
        & evaluation["value"].notna()
        & evaluation["metric"].isin(set(scores["metric"]))
    ]
    common = rows[rows["pairs_used"] == "common"]
    ranked = (common if len(common) else rows).sort_values(["value", "metric"], ascending=[False, True])
    return None if ranked.empty else str(ranked["metric"].iloc[0])


def predicted_places(study: ReportedStudy, metric: str | None, target: str, regime: str) -> dict[str, int]:
    """Place of each source that a metric has scored for a target, 1 the favourite; equal scores share a place."""
    scores: pd.DataFrame | None = study.tables.get("scores")
    if scores is None or metric is None:
        return {}
    rows = scores[(scores["target"] == target) & (scores["regime"] == regime) & (scores["metric"] == metric)]
    rows = rows.dropna(subset=["score"])
    if len(rows) < 2:
        return {}  # one candidate is no order
    better = rows["score"].where(rows["higher_is_better"].astype(bool), -rows["score"])
    places = better.rank(ascending=False, method="min").astype(int)
    return dict(zip(rows["source"], places, strict=True))
