"""Filters of source pools: what scoring fewer sources saves, and what it does to their ranking."""

from __future__ import annotations

from typing import Any

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.cells import number, share, signed
from transfer_atlas.analysis.report.interval_chart import interval_chart
from transfer_atlas.analysis.report.predicted import best_metric
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.report.vega import BLUE, GREY, ORANGE

FILTERS = {  # in a word, colour and shape
    "prior": ("prior", BLUE, "circle"),
    "relations": ("relations", ORANGE, "diamond"),
    "relations_and_prior": ("both", GREY, "square"),
}


def source_pools(study: ReportedStudy) -> list[dict[str, Any]]:
    """One block for each regime: an answer for each filter, a chart, all metrics; none where nothing was filtered."""
    summary = study.tables.get("source_pool_summary")
    blocks = []
    for regime in study.regimes if summary is not None else ():
        rows = summary[summary["regime"] == regime]
        if rows.empty:
            continue
        first = best_metric(study, regime)
        metric = first if first in set(rows["metric"]) else rows["metric"].iloc[0]
        bars = [
            {
                "name": f"{words.metric_in_words(row['metric'])}, {FILTERS[row['filter']][0]}",
                "value": row["change"],
                "low": row["change_low"],
                "high": row["change_high"],
                "kind": FILTERS[row["filter"]][0],
            }
            for row in rows.sort_values(["change", "metric", "filter"]).to_dict("records")
        ]
        title = "rank displacement; filtered less full pool; below 0 is better; 95 % interval over targets"
        kinds = {said: (colour, shape) for said, colour, shape in FILTERS.values()}
        blocks.append(
            {
                "regime": regime,
                "metric": words.metric_in_words(metric),
                "answers": [_answer(row) for row in rows[rows["metric"] == metric].to_dict("records")],
                "chart": interval_chart(bars, title, kinds, row_title="metric and filter"),
                "rows": [_row(row) for row in rows.to_dict("records")],
            }
        )
    return blocks


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    low, high = row["change_low"], row["change_high"]
    verdict = "whether it ranks better is not known"
    if words.known(low) and words.known(high):
        verdict = (
            "the ranking gets better"
            if high < 0
            else "the ranking gets worse"
            if low > 0
            else "ranks about as well"
        )
    return {
        "filter": FILTERS[row["filter"]][0],
        "saved": share(row["saved"]),
        "kept": share(row["best_kept"]),
        "targets": int(row["targets"]),
        "verdict": verdict,
        "change": number(row, "change"),
    }


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "metric": words.metric_in_words(row["metric"]),
        "filter": FILTERS[row["filter"]][0],
        "targets": int(row["targets"]),
        "sources": f"{row['kept']:.1f} of {row['sources']:.1f}",
        "saved": share(row["saved"]),
        "change": number(row, "change"),
        "change_to_random": number(row, "change_to_random"),
        "best_kept": share(row["best_kept"]),
        "regret": number(row, "regret", signed(3)),
        "regret_kept": number(row, "regret_kept", signed(3)),
    }
