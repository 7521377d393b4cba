"""What `snakemake combine` came to: sources fused, and sources trained together, beside the single ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from transfer_atlas.analysis.combination.fusions import SINGLE
from transfer_atlas.analysis.combination.joint import EVERY
from transfer_atlas.analysis.combination.schema import COMBINATION_TABLES
from transfer_atlas.analysis.combination.text import STARTS
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.cells import decided, number, share, signed
from transfer_atlas.analysis.report.interval_chart import interval_chart
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.report.vega import BLUE, GREY, ORANGE
from transfer_atlas.analysis.tables.files import read_table

FOLDER = "combinations"  # beside the report, a folder for each set of targets that was asked for
START_NAMES = {"single": "one source", "proposed": "highest together", "lowest": "lowest together"}
KINDS = {
    "single": (BLUE, "circle"),
    "proposed": (ORANGE, "diamond"),
    "lowest": (GREY, "square"),
    "all": ("#009e73", "triangle-up"),
}


def combinations(study: ReportedStudy) -> list[dict[str, Any]]:
    """One entry for each combination that lies beside the report when it is written; what is damaged says so."""
    found = []
    for folder in sorted(path for path in (study.place / FOLDER).glob("*") if path.is_dir()):
        about = {"link": f"{FOLDER}/{folder.name}/", "anchor": words.anchor("combination", folder.name)}
        try:
            tables = {name: read_table(folder / f"{name}.parquet") for name in COMBINATION_TABLES}
            proposals = _proposals(folder)
        except (OSError, ValueError) as error:
            found.append(about | {"name": folder.name, "problem": str(error).splitlines()[0]})
            continue
        found.append(
            about | {"problem": ""} | combination(tables, proposals, set(study.tables["gains"]["target"]))
        )
    return found


def combination(
    tables: dict[str, pd.DataFrame], proposals: dict[str, list[str]], shown: set[str]
) -> dict[str, Any]:
    """Answers for each target, charts, and rows of the tables. shown: targets that have a page."""
    fusions, gains = tables["fusions"], tables["joint_gains"]
    targets = sorted(set(fusions["target"]) | set(tables["joint_transfers"]["target"]))
    return {
        "name": ", ".join(targets),
        "answers": [_answer(target, fusions, gains, proposals.get(target, []), shown) for target in targets],
        "gains_charts": [(target, chart) for target in targets if (chart := _gains_chart(target, gains))],
        "gains": [_gain(row) for row in gains.to_dict("records")],
        "summary": [_summary(row) for row in tables["fusion_summary"].to_dict("records")],
        "probes_charts": [(target, chart) for target in targets if (chart := _probes_chart(target, fusions))],
        "fusions": [_fusion(row) for row in _by_accuracy(fusions)],
        "failed": _failed(tables["joint_transfers"]),
    }


def _proposals(folder: Path) -> dict[str, list[str]]:
    """Sources that were trained together for each target. Raises ValueError for a file of another form."""
    told = json.loads((folder / "combination.json").read_text(encoding="utf-8"))
    try:
        return {
            str(target): [str(name) for name in proposal["proposed"]]
            for target, proposal in told["proposals"].items()
            if proposal is not None
        }
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{folder.name}/combination.json says of no target what was proposed") from None


def _answer(
    target: str, fusions: pd.DataFrame, gains: pd.DataFrame, proposed: list[str], shown: set[str]
) -> dict[str, Any]:
    """What of a target is told first: whether training together, and fusing, beat one source alone."""
    own = {row["start"]: row for row in gains[gains["target"] == target].to_dict("records")}
    together = own.get("proposed")
    fused = [row for row in _by_accuracy(fusions[fusions["target"] == target]) if row["pool"] != SINGLE]
    best = next((row for row in fused if words.known(row["from_best"])), None)
    return {
        "target": target,
        "anchor": words.anchor("target", target) if target in shown else "",
        "proposed": [words.source_in_words(name) for name in proposed],
        "together": None
        if together is None
        else {
            "gain": number(together, "gain", words.percent, ("low", "high")),
            "gains": bool(together["low"] > 0),
            "from_single": number(together, "from_single", signed(1)),
            "certainty": _certainty(together, "from_single"),
        },
        "fused": None
        if best is None
        else {
            "name": _fusion_name(best),
            "accuracy": number(best, "accuracy", signed(1), ("low", "high")),
            "from_best": number(best, "from_best", signed(1)),
            "certainty": decided(best["from_best_low"], best["from_best_high"]),
        },
    }


def _certainty(row: dict[str, Any], difference: str) -> str:
    if int(row["number"]) < 2:
        return f"one {row['over'].removesuffix('s')}: noise not known"
    return decided(row[f"{difference}_low"], row[f"{difference}_high"])


def _gain(row: dict[str, Any]) -> dict[str, Any]:
    several = int(row["number"]) > 1
    return {
        "target": "all targets" if row["target"] == EVERY else row["target"],
        "start": STARTS[row["start"]],
        "gain": number(row, "gain", words.percent, ("low", "high")),
        "from_single": number(row, "from_single", signed(1)),
        "from_lowest": number(row, "from_lowest", signed(1)),
        "over": f"{int(row['number'])} {row['over']}" if several else f"one {row['over'].removesuffix('s')}",
    }


def _gains_chart(target: str, gains: pd.DataFrame) -> dict[str, Any] | None:
    own = gains[gains["target"] == target].sort_values("gain", ascending=False)
    rows = [
        {"name": START_NAMES[row["start"]], "value": row["gain"], "kind": row["start"]}
        | {end: row[end] for end in ("low", "high")}
        for row in own.to_dict("records")
    ]
    title = "gain over ILSVRC (%); 95 % interval over seeds"
    return interval_chart(rows, title, KINDS, marks=(-2, 2), row_title="start", decimals=1)


def _probes_chart(target: str, fusions: pd.DataFrame) -> dict[str, Any] | None:
    rows = [
        {"name": _fusion_name(row), "value": row["accuracy"], "kind": row["pool"]}
        | {end: row[end] for end in ("low", "high")}
        for row in _by_accuracy(fusions[fusions["target"] == target])
    ]
    title = "accuracy of a linear probe (%); on images held out; 95 % interval over splits"
    return interval_chart(rows, title, KINDS, row_title="features of", from_zero=False, decimals=1)


def _by_accuracy(fusions: pd.DataFrame) -> list[dict[str, Any]]:
    """Targets by name, of each the best probe first; those without a result last."""
    return fusions.sort_values(
        ["target", "accuracy", "pool"], ascending=[True, False, True], na_position="last"
    ).to_dict("records")


def _fusion_name(row: dict[str, Any]) -> str:
    if row["pool"] == SINGLE:
        return words.source_in_words(row["source"])
    weighting = {"otce": "OTCE", "equal": "equal"}[row["weighting"]]
    return f"{row['pool']} {len(row['sources'])}, {row['how']}, {weighting} weights"


def _fusion(row: dict[str, Any]) -> dict[str, Any]:
    finished = row["status"] == "finished"
    return {
        "target": row["target"],
        "name": _fusion_name(row),
        "sources": ", ".join(words.source_in_words(name) for name in row["sources"]),
        "score": number(row, "score", signed(3)),
        "accuracy": number(row, "accuracy", signed(1), ("low", "high")),
        "class_accuracy": number(row, "class_accuracy", signed(1)),
        "from_best": number(row, "from_best", signed(1)),
        "from_chosen": number(row, "from_chosen", signed(1)),
        "status": "" if finished else words.in_words(row["status"]),
        "reason": row["reason"] if words.known(row["reason"]) and not finished else "",
    }


def _summary(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{row['pool']}, {row['how']}, {'OTCE' if row['weighting'] == 'otce' else 'equal'} weights",
        "targets": int(row["targets"]),
        "accuracy": number(row, "accuracy", signed(1)),
        "from_best": number(row, "from_best", signed(1)),
        "beats_best": share(row["beats_best"]),
        "from_chosen": number(row, "from_chosen", signed(1)),
        "beats_chosen": share(row["beats_chosen"]),
    }


def _failed(transfers: pd.DataFrame) -> list[dict[str, Any]]:
    """Transfers without a result, each with its reason."""
    return [
        {
            "name": f"{row['target']}: {STARTS.get(row['start'], 'ILSVRC')}, seed {int(row['seed'])}",
            "status": words.in_words(row["status"]),
            "reason": row["reason"] if words.known(row["reason"]) else "",
            "key": row["key"] if words.known(row["key"]) else "",
        }
        for row in transfers[transfers["status"] != "finished"].to_dict("records")
    ]
