"""The papers' findings A1 to A10 on this study's runs, on the printed cells, and as printed, side by side."""

from __future__ import annotations

from typing import Any

import pandas as pd

from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.published.factors_of_influence import (
    MULTI_SOURCES,
    SAME_IMAGES,
    published_distances,
    published_gains,
)
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.study import ReportedStudy

VERDICTS = {
    "holds": "holds",
    "does_not_hold": "does not hold",
    "undecided": "undecided",
    "described": "described",
    "not_measured": "not measured",
}
MARKS = {"holds": "\N{CHECK MARK}", "does_not_hold": "\N{MULTIPLICATION SIGN}", "undecided": "?"}


def findings(study: ReportedStudy) -> list[dict[str, Any]]:
    """Each finding of the paper with its measurable parts, beside what the printed cells say."""
    theirs = None
    if study.published is not None:
        theirs = findings_table(
            published_gains(study.published),
            published_distances(study.published),
            origin="published",
            same_images=SAME_IMAGES,
            members=MULTI_SOURCES,
        )
    return told_findings(study.tables["findings"], theirs)


def told_findings(ours: pd.DataFrame, theirs: pd.DataFrame | None = None) -> list[dict[str, Any]]:
    """Rows of a table of findings as the page shows them; parts that neither side could measure are left out."""
    key = ["finding", "part", "regime"]
    others = [] if theirs is None else theirs.to_dict("records")
    of_theirs = {tuple(row[name] for name in key): row for row in others}
    found = []
    for name, group in ours.groupby("finding", sort=True):
        parts = []
        for row in group.to_dict("records"):
            other = of_theirs.get(tuple(row[part] for part in key))
            measured = (
                row["verdict"] != "not_measured",
                other is not None and other["verdict"] != "not_measured",
            )
            if not any(measured):
                continue
            parts.append(
                {
                    "statistic": row["statistic"],
                    "regime": words.in_words(row["regime"]),
                    "claim": row["claim"] if words.known(row["claim"]) else "",
                    "ours": _side(row),
                    "theirs": None if other is None else _side(other),
                    "printed": ""
                    if not words.known(row["printed"])
                    else f"{row['printed']:.3g} {_unit(row['unit'])}".strip(),
                    "measured": measured[0],
                }
            )
        found.append(
            {
                "finding": f"{str(name)[0]}{int(str(name)[1:])}",
                "statement": group["statement"].iloc[0],
                "parts": parts,
                "verdicts": _counts(group["verdict"]),
            }
        )
    return found


def _side(row: dict[str, Any]) -> dict[str, Any]:
    """Value, interval and verdict of one side."""
    unit = _unit(row["unit"])
    value = (
        "\N{EN DASH}"
        if not words.known(row["value"])
        else f"{words.signed(row['value'], _decimals(row))} {unit}".strip()
    )
    told = ""
    if words.known(row["low"]) and words.known(row["high"]):
        told = " to ".join(words.signed(row[end], _decimals(row)) for end in ("low", "high"))
    count = f"{int(row['count'])} transfers, {int(row['targets'])} targets" if row["count"] else ""
    left_out = (
        f", {int(row['left_out'])} left out" if words.known(row["left_out"]) and row["left_out"] else ""
    )
    return {
        "value": value,
        "interval": told,
        "verdict": row["verdict"],
        "verdict_in_words": VERDICTS[row["verdict"]],
        "mark": MARKS.get(row["verdict"], ""),
        "why": row["why"] if words.known(row["why"]) else "",
        "count": count + left_out,
    }


def _unit(unit: str) -> str:
    return {"percent": "%", "percentage points": "points", "tau": ""}.get(unit, unit)


def _decimals(row: dict[str, Any]) -> int:
    return {"tau": 2, "Dice": 3}.get(row["unit"], 1)


def _counts(verdicts: pd.Series) -> list[tuple[str, str, int]]:
    """How many parts have each verdict that means something."""
    counts = verdicts.value_counts()
    return [(name, VERDICTS[name], int(counts[name])) for name in MARKS if name in counts]
