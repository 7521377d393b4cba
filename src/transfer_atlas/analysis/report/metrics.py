"""How well metrics predict: their track record with intervals, what they differ by, and how far datasets look apart."""

from __future__ import annotations

from typing import Any

import pandas as pd

from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.cells import number
from transfer_atlas.analysis.report.interval_chart import interval_chart
from transfer_atlas.analysis.report.predicted import STATISTIC
from transfer_atlas.analysis.report.printed import track_records
from transfer_atlas.analysis.report.relationships import relationships
from transfer_atlas.analysis.report.source_pools import source_pools
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.report.target_selection import target_selection
from transfer_atlas.analysis.report.vega import BLUE, ORANGE

KINDS = {"metric": (BLUE, "circle"), "needs no score": (ORANGE, "square")}


def metrics(study: ReportedStudy) -> dict[str, Any] | None:
    """Charts and tables by regime; None for a study without scores."""
    evaluation = study.tables.get("metric_evaluation")
    if evaluation is None:
        return None
    blocks = []
    for regime in study.regimes:
        rows = evaluation[
            (evaluation["regime"] == regime)
            & (evaluation["fixed"] == "target")
            & (evaluation["performance"] == "gain")
            & (evaluation["task_type"] == "all")
        ]
        common = rows[rows["pairs_used"] == "common"]
        shown = common if common["value"].notna().any() else rows[rows["pairs_used"] == "all"]
        chart = metrics_chart(shown)
        if chart is None:
            continue
        used = (
            "pairs that every metric has scored" if shown is common else "all pairs that a metric has scored"
        )
        blocks.append({"regime": regime, "chart": chart, "used": used, "rows": _rows(shown)})
    return {
        "blocks": blocks,
        "failed": _failed(study.tables["scores"]),
        "distances": _distances(study.tables["domain_distances"]),
        "printed": track_records(study),
        "selection": target_selection(study),
        "pools": source_pools(study),
        "relationships": relationships(study),
        "links": by_target_figures(study),
    }


def metrics_chart(evaluation: pd.DataFrame) -> dict[str, Any] | None:
    """How well each metric ranks the sources of a given target, with intervals over targets, the best on top.

    evaluation: rows of `metric_evaluation` of one regime, task type and set of pairs.
    """
    ranked = evaluation[evaluation["statistic"] == STATISTIC].sort_values("value", ascending=False)
    rows = [
        {
            "name": words.metric_in_words(row["metric"]),
            "kind": "needs no score" if row["is_baseline"] else "metric",
        }
        | {name: row[name] for name in ("value", "low", "high")}
        for row in ranked.to_dict("records")
    ]
    title = "weighted Kendall tau; for a given target; mean over targets, 95 % interval"
    return interval_chart(rows, title, KINDS, row_title="metric")


def by_target_figures(study: ReportedStudy) -> int:
    """How many figures show a metric target by target."""
    return sum("_by_target_" in path.name for path in study.figures)


def _rows(shown: pd.DataFrame) -> list[dict[str, Any]]:
    """A row for each metric with all its statistics, the best by weighted tau first."""
    rows = []
    for metric, group in shown.groupby("metric", sort=True):
        of = group.set_index("statistic")
        first = group.iloc[0]
        cells = {name: _number(of, name) for name in ("kendall", "weighted_kendall", "spearman", "pearson")}
        tops = sorted(name for name in of.index if str(name).startswith("top_"))
        rows.append(
            {
                "metric": words.metric_in_words(str(metric)),
                "baseline": bool(first["is_baseline"]),
                "cells": cells,
                "tops": [(words.in_words(name), _number(of, name)) for name in tops],
                "regret": _number(of, "regret"),
                "targets": int(first["groups"]),
                "pairs": int(first["pairs"]),
                "order": of["value"].get(STATISTIC, float("nan")),
            }
        )
    return sorted(rows, key=lambda row: -row["order"] if words.known(row["order"]) else 1e9)


def _number(of: pd.DataFrame, statistic: str) -> dict[str, Any]:
    row = of.loc[statistic].to_dict() if statistic in of.index else {"value": None}
    return number(row, "value", ends=("low", "high"))


def _failed(scores: pd.DataFrame) -> list[dict[str, Any]]:
    """Scores that are not there, by metric and status: how many, and the first reason."""
    lost = scores[scores["status"] != "finished"]
    return [
        {
            "metric": words.metric_in_words(metric),
            "status": words.in_words(status),
            "count": len(rows),
            "reason": next((reason for reason in rows["reason"] if words.known(reason)), ""),
        }
        for (metric, status), rows in lost.groupby(["metric", "status"], sort=True)
    ]


def _distances(distances: pd.DataFrame) -> dict[str, Any] | None:
    """D(T given S) as a matrix, near is dark; None where there is none."""
    rows = distances[(distances["assignment"] == "target_to_source") & distances["distance"].notna()]
    if rows.empty:
        return None
    rows = (
        rows[rows["backbone"] == sorted(rows["backbone"].dropna())[0]]
        if rows["backbone"].notna().any()
        else rows
    )
    domains = dict(zip(rows["source"], rows["source_domain"], strict=True))
    domains |= dict(zip(rows["target"], rows["target_domain"], strict=True))
    order = style.ordered(set(domains.values()), style.DOMAIN_ORDER)
    names = sorted(domains, key=lambda name: (order.index(domains[name]), name))
    sources = [name for name in names if name in set(rows["source"])]
    targets = [name for name in names if name in set(rows["target"])]
    values = {(row.target, row.source): row.distance for row in rows.itertuples()}
    low, high = rows["distance"].min(), rows["distance"].max()
    decimals = 0 if high >= 100 else 1 if high >= 10 else 2

    def cell(target: str, source: str) -> dict[str, Any]:
        value = values.get((target, source))
        if value is None:
            return {"text": "", "order": 1e9, "shade": 0.0}
        near = 0.5 if high == low else 1.0 - (value - low) / (high - low)
        return {"text": f"{value:.{decimals}f}", "order": float(value), "shade": round(0.05 + 0.75 * near, 3)}

    return {
        "sources": sources,
        "rows": [
            {
                "target": target,
                "domain": words.in_words(domains[target]),
                "cells": [cell(target, s) for s in sources],
            }
            for target in targets
        ],
    }
