"""Methods beside plain fine-tuning: what each gains over it, over all targets and transfer by transfer."""

from __future__ import annotations

from typing import Any

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.cells import number, signed
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.tables.transfers import PLAIN

MOST_ROWS = 2000  # single transfers in the page; the table `methods` has all


def methods_of(study: ReportedStudy) -> list[str]:
    """Methods of the study's transfers, plain fine-tuning first."""
    return sorted(set(study.tables["transfers"]["method"]), key=lambda name: (name != PLAIN, name))


def methods(study: ReportedStudy) -> dict[str, Any] | None:
    """Means with intervals, and every transfer of another method; None where all transfers are plain."""
    summary, single = study.tables.get("method_summary"), study.tables.get("methods")
    if summary is None or single is None or summary.empty:
        return None
    others = single[single["method"] != PLAIN]
    shown = set(study.tables["gains"]["target"])  # targets that have a page
    rows = others.sort_values(["method", "regime", "target", "source", "seed"]).head(MOST_ROWS)
    return {
        "names": [words.in_words(name) for name in methods_of(study)],
        "summary": [_mean(row) for row in summary.to_dict("records")],
        "transfers": [_transfer(study, shown, row) for row in rows.to_dict("records")],
        "left_out": len(others) - len(rows),
        "scored": bool(summary["score_change"].notna().any()),
    }


def _mean(row: dict[str, Any]) -> dict[str, Any]:
    """A method over the targets of one kind."""
    plain = row["method"] == PLAIN
    return {
        "method": words.in_words(row["method"]),
        "source": words.source_in_words(row["source"]),
        "tasks": row["tasks"],
        "regime": words.in_words(row["regime"]),
        "metric": words.in_words(row["metric"]) if words.known(row["metric"]) else "",
        "mean": number(row, "mean", words.metric_value, ("low", "high")),
        "difference": {"text": "", "interval": "", "order": 0.0}
        if plain
        else number(row, "difference", signed(3)),
        "better": "" if plain or not words.known(row["better"]) else f"{100 * row['better']:.0f} %",
        "score_change": number(row, "score_change", signed(3)),
        "both_rise": f"{100 * row['both_rise']:.0f} %" if words.known(row["both_rise"]) else "",
        "targets": int(row["targets"]),
        "failed": int(row["failed"]),
    }


def _transfer(study: ReportedStudy, shown: set[str], row: dict[str, Any]) -> dict[str, Any]:
    """One transfer beside the plain one of the same source, target, regime and seed."""
    known = words.known(row["difference"])
    finished = row["status"] == "finished"
    return {
        "method": words.in_words(row["method"]),
        "source": words.source_in_words(row["source"]),
        "target": row["target"],
        "anchor": words.anchor("target", row["target"]) if row["target"] in shown else "",
        "regime": words.in_words(row["regime"]),
        "seed": int(row["seed"]),
        "value": words.metric_value(row["value"]),
        "plain": words.metric_value(row["plain_value"]),
        "difference": words.signed(row["difference"], 3) if known else "\N{EN DASH}",
        "order": float(row["difference"]) if known else -1e9,
        "status": "" if finished else words.in_words(row["status"]),
        "reason": row["reason"] if words.known(row["reason"]) and not finished else "",
        "key": row["key"] if words.known(row["key"]) else "",
        "link": study.run_file(row["key"]),
    }
