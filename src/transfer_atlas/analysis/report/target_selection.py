"""How well metrics tell of one source which of many sampled targets it will do best on."""

from __future__ import annotations

from typing import Any

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.cells import number
from transfer_atlas.analysis.report.interval_chart import interval_chart
from transfer_atlas.analysis.report.predicted import STATISTIC
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.report.vega import BLUE, ORANGE

GROUP = ["regime", "source", "tasks"]
MOST_CHARTS = 6
STATISTICS = ("weighted_kendall", "kendall", "spearman", "pearson")
KINDS = {"metric": (BLUE, "circle"), "needs no labels": (ORANGE, "square")}


def target_selection(study: ReportedStudy) -> list[dict[str, Any]]:
    """One block for each source and kind of sampled targets: its best metric, a chart of the first few, all metrics."""
    table = study.tables.get("target_selection")
    blocks: list[dict[str, Any]] = []
    for (regime, source, tasks), group in table.groupby(GROUP, sort=True) if table is not None else ():
        ranked = group[group["statistic"] == STATISTIC].sort_values(
            ["value", "metric"], ascending=[False, True], na_position="last"
        )
        bars = [
            {
                "name": words.metric_in_words(row["metric"]),
                "kind": "needs no labels" if row["is_baseline"] else "metric",
            }
            | {name: row[name] for name in ("value", "low", "high")}
            for row in ranked.to_dict("records")
        ]
        title = "weighted Kendall tau; of score and measured metric; over targets, 95 % interval"
        of = group.set_index(["metric", "statistic"]).to_dict("index")
        rows = [
            {
                "metric": words.metric_in_words(metric),
                "baseline": bool(of[metric, STATISTIC]["is_baseline"]),
                "cells": [
                    number(of.get((metric, name), {"value": None}), "value", ends=("low", "high"))
                    for name in STATISTICS
                ],
            }
            for metric in ranked["metric"]
        ]
        blocks.append(
            {
                "source": words.source_in_words(source),
                "tasks": tasks,
                "regime": words.in_words(regime),
                "targets": int(group["targets"].max()),
                "best": rows[0] if rows and words.known(ranked["value"].iloc[0]) else None,
                "chart": interval_chart(bars, title, KINDS, row_title="metric")
                if len(blocks) < MOST_CHARTS
                else None,
                "rows": rows,
            }
        )
    return blocks
