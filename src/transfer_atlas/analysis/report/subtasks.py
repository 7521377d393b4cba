"""Transfers between binary tasks of a segmentation dataset: the findings about them, relations, every transfer."""

from __future__ import annotations

from typing import Any

import pandas as pd

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.cells import number, signed
from transfer_atlas.analysis.report.findings import told_findings
from transfer_atlas.analysis.report.interval_chart import interval_chart
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.report.vega import BLUE, GREY, ORANGE
from transfer_atlas.analysis.tables.intervals import mean_interval

MOST_ROWS = 1000  # single transfers in the page; the table `subtask_transfers` has all
FAMILIES = {
    "same family": (BLUE, "circle"),
    "other family": (ORANGE, "diamond"),
    "tasks of both": (GREY, "square"),
}


def subtasks(study: ReportedStudy) -> dict[str, Any] | None:
    """Findings, mean gains of Dice by relation, and the transfers; None in a study without binary tasks."""
    transfers, findings = study.tables.get("subtask_transfers"), study.tables.get("subtask_findings")
    if transfers is None or findings is None or transfers.empty:
        return None
    transfers = transfers.assign(gained=transfers["dice"] - transfers["baseline_dice"])
    blocks = []
    for regime in study.regimes:
        rows = by_relation(transfers[transfers["regime"] == regime])
        if rows:
            title = "Dice less that of the target's own baseline; mean over targets, 95 % interval"
            chart = interval_chart(rows, title, FAMILIES, row_title="relation", decimals=3)
            blocks.append({"regime": regime, "chart": chart, "rows": list(map(_relation, rows))})
    shown = set(study.tables["gains"]["target"])
    listed = transfers.sort_values(["regime", "target", "source", "seed"]).head(MOST_ROWS)
    seeds = transfers["seed"].nunique()
    return {
        "findings": told_findings(findings),
        "blocks": blocks,
        "seeds": "one seed: noise between seeds is not known" if seeds == 1 else f"{seeds} seeds",
        "transfers": [_transfer(study, shown, row) for row in listed.to_dict("records")],
        "left_out": len(transfers) - len(listed),
        "failed": int(transfers["dice"].isna().sum()),
    }


def by_relation(transfers: pd.DataFrame) -> list[dict[str, Any]]:
    """Mean gain of Dice for each relation, the best first: over seeds and sources of a target, then over targets.

    Targets that share their classes are one unit, whatever modality shows them.
    """
    rows = []
    named = transfers.assign(family=[_family(value) for value in transfers["related"]])
    for (inputs, classes, family), part in named.groupby(["inputs", "classes", "family"], sort=True):
        of_target = part.groupby("target_classes")[["gained", "dice"]].mean().dropna(subset=["gained"])
        if of_target.empty:
            continue
        low, high = mean_interval(of_target["gained"].to_numpy(float), seed=0)
        rows.append(
            {
                "name": f"{words.in_words(classes)}, {words.in_words(inputs)} inputs",
                "kind": family,
                "value": float(of_target["gained"].mean()),
                "low": low,
                "high": high,
                "dice": float(of_target["dice"].mean()),
                "targets": len(of_target),
                "transfers": int(part["gained"].notna().sum()),
            }
        )
    rows.sort(key=lambda row: (-row["value"], row["name"]))
    # The same relation of another family is a row of its own, so its name must be.
    twice = pd.Series([row["name"] for row in rows]).duplicated(keep=False)
    for row, shared in zip(rows, twice, strict=True):
        row["name"] += f", {row['kind']}" if shared else ""
    return rows


def _family(related: Any) -> str:
    if not words.known(related):
        return "tasks of both"
    return "same family" if related else "other family"


def _relation(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": row["name"],
        "family": row["kind"],
        "gained": number(row, "value", signed(3), ("low", "high")),
        "dice": number(row, "dice", signed(3)),
        "targets": row["targets"],
        "transfers": row["transfers"],
    }


def _transfer(study: ReportedStudy, shown: set[str], row: dict[str, Any]) -> dict[str, Any]:
    finished = row["status"] == "finished"
    return {
        "source": words.source_in_words(row["source"]),
        "target": row["target"],
        "anchor": words.anchor("target", row["target"]) if row["target"] in shown else "",
        "regime": words.in_words(row["regime"]),
        "seed": int(row["seed"]),
        "inputs": words.in_words(row["inputs"]),
        "classes": words.in_words(row["classes"]),
        "family": _family(row["related"]),
        "dice": number(row, "dice", signed(3)),
        "baseline": number(row, "baseline_dice", signed(3)),
        "gained": number(row, "gained", signed(3)),
        "status": "" if finished else words.in_words(row["status"]),
        "reason": row["reason"] if words.known(row["reason"]) and not finished else "",
        "key": row["key"] if words.known(row["key"]) else "",
        "link": study.run_file(row["key"]),
    }
