"""Printed tables beside this study's: shares of effects, inclusion, task types, metrics; and do they follow?"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from transfer_atlas.analysis.findings.task_types import across_task_types
from transfer_atlas.analysis.published.checks import foi_checks
from transfer_atlas.analysis.published.factors_of_influence import SAME_IMAGES, read
from transfer_atlas.analysis.published.metric_checks import NAMES, metric_checks
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.tables.effects import shares_of

SHARES = ("positive", "very_positive", "negative")
RELATIONS = {"all": "all", "within": "within", "cross": "across"}
DASH = "\N{EN DASH}"
OTCE_NAMES = NAMES | {"OTCE": "otce_combined", "OTCEsim": "otce", "NCE": "nce"}


def shares(study: ReportedStudy, table: str, file: str) -> list[dict[str, Any]]:
    """Shares of effects by relation of source and target beside the printed ones: Table 6 (`effects`) of all
    transfers, Table 7 (`best_effects`) of the best source of each target.
    """
    index = ["regime", "image_domain", "task_type"]
    printed = read(study.published, file).set_index(index).to_dict("index")
    rows = []
    for row in study.tables[table].to_dict("records"):
        theirs = printed.get(tuple(row[name] for name in index))
        if not row["count"] and theirs is None:
            continue
        rows.append(
            {
                "regime": words.in_words(row["regime"]),
                "image_domain": RELATIONS[row["image_domain"]],
                "task_type": RELATIONS[row["task_type"]],
                "ours": [_share(row[f"{name}_percent"]) for name in SHARES],
                "count": int(row["count"]),
                "left_out": int(row["failed"]) + int(row["at_chance"]),
                "theirs": [_share(theirs[f"{name}_percent"]) if theirs else "" for name in SHARES],
                "their_count": int(theirs["count"]) if theirs else "",
            }
        )
    return rows


def inclusion(study: ReportedStudy) -> list[dict[str, Any]]:
    """Table 8: Kendall's tau of gain with nearness of images by every assignment, here as finding A4 has it."""
    findings = study.tables["findings"]
    ours = findings[findings["finding"] == "A04"].set_index("part").to_dict("index")
    follows = {row["row"]: row for row in checks(study.published) if row["place"] == "Table 8"}
    rows = []
    for line in read(study.published, "foi_table8.csv").itertuples():
        here = ours.get(f"tau_{line.assignment}", {})
        derived = follows[f"({line.row}) {line.assignment}"]["derived"]
        rows.append(
            {
                "assignment": words.in_words(line.assignment),
                "printed": words.signed(line.tau, 2),
                "derived": words.signed(derived, 2) if words.known(derived) else DASH,
                "ours": _value(here),
                "interval": _interval(here),
                "count": int(here.get("count", 0)),
            }
        )
    return rows


def across(study: ReportedStudy) -> list[dict[str, Any]]:
    """Table 9: transfers across task types on the same images, and on other datasets of the domain."""
    members = study.facts.get("multi_sources", {})
    rows = []
    for line in read(study.published, "foi_table9.csv").itertuples():
        chosen = across_task_types(
            study.tables["gains"],
            line.source_task_type,
            line.target_task_type,
            line.images,
            "small_target",
            same_images=SAME_IMAGES,
            members=members,
        )
        found = shares_of(chosen)
        rows.append(
            {
                "source": words.in_words(line.source_task_type),
                "target": words.in_words(line.target_task_type),
                "images": words.in_words(line.images),
                "ours": [_share(found[f"{name}_percent"]) for name in ("positive", "negative")],
                "count": int(found["count"]),
                "left_out": len(chosen) - int(found["count"]),
                "theirs": [_share(line.positive_percent), _share(line.negative_percent)],
                "their_count": int(line.count),
            }
        )
    return rows


def track_records(study: ReportedStudy) -> dict[str, list[dict[str, Any]]] | None:
    """Metrics as GBC's Table 3 and the averages of the talk on OTCE judge them, beside this study's."""
    evaluation = study.tables.get("metric_evaluation")
    if study.published is None or evaluation is None or not study.regimes:
        return None
    ours = evaluation[
        (evaluation["regime"] == study.regimes[0])
        & (evaluation["task_type"] == "all")
        & (evaluation["pairs_used"] == "all")
        & (evaluation["performance"] == "gain")
    ]
    of_ours = ours.set_index(["fixed", "metric", "statistic"]).to_dict("index")
    return {"gbc": _gbc(study.published, of_ours), "otce": _otce(study.published, of_ours)}


def _gbc(folder: Path, ours: Mapping[Any, dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of GBC's Table 3: top-1 and weighted tau, printed, of the published scores, and here."""
    follows = {
        (row["row"], row["statistic"]): row["derived"]
        for row in checks(folder)
        if row["paper"].startswith("Pandy") and row["place"] == "Table 3"
    }
    printed = read(folder, "gbc_table3.csv").set_index(["scenario", "method", "measure"])["value"]
    rows = []
    for scenario, method in dict.fromkeys((name[0], name[1]) for name in printed.index):
        fixed = scenario.removeprefix("fixed ")
        row: dict[str, Any] = {"fixed": scenario, "metric": words.metric_in_words(NAMES[method])}
        for measure, statistic in (("top1", "top_1"), ("tau_w", "weighted_kendall")):
            derived = follows[f"{scenario}: {method}", measure]
            here = ours.get((fixed, NAMES[method], statistic), {})
            row[measure] = {
                "printed": words.signed(float(printed[scenario, method, measure]), 2),
                "derived": words.signed(derived, 2) if words.known(derived) else DASH,
                "ours": _value(here),
                "interval": _interval(here),
            }
        rows.append(row)
    return rows


def _otce(folder: Path, ours: Mapping[Any, dict[str, Any]]) -> list[dict[str, Any]]:
    """Averages of the talk's Tables I and III: over targets of a source; here for a fixed source likewise."""
    rows = []
    for line in read(folder, "otce_averages.csv").itertuples():
        name = OTCE_NAMES[line.method]
        row: dict[str, Any] = {"setting": line.setting, "metric": words.metric_in_words(name)}
        for statistic in ("spearman", "kendall"):
            here = ours.get(("source", name, statistic), {})
            row[statistic] = {
                "printed": words.signed(getattr(line, statistic), 2),
                "ours": _value(here),
                "interval": _interval(here),
            }
        rows.append(row)
    return rows


@lru_cache(maxsize=4)
def checks(folder: Path) -> tuple[dict[str, Any], ...]:
    """Printed figures of all papers beside what follows from the printed cells, as the table `published_checks`."""
    return (*foi_checks(folder), *metric_checks(folder))


def followed(study: ReportedStudy) -> dict[str, Any]:
    """The checks as rows of the page, those that do not follow first, and how many do."""
    found = checks(study.published)
    known = [row for row in found if row["agrees"] is not None]
    ordered = sorted(found, key=lambda row: (row["agrees"] is not False, row["agrees"] is None))
    return {
        "rows": list(map(_check, ordered)),
        "follow": sum(row["agrees"] for row in known),
        "of": len(known),
    }


def _check(row: dict[str, Any]) -> dict[str, Any]:
    verdicts = {True: "follows", False: "does not follow", None: "cannot be told"}
    return {
        "paper": row["paper"],
        "place": row["place"],
        "row": row["row"].replace("_", " "),
        "statistic": words.in_words(row["statistic"]),
        "printed": f"{row['printed']:g}",
        "derived": f"{row['derived']:.4g}" if words.known(row["derived"]) else DASH,
        "verdict": verdicts[row["agrees"]],
        "kind": {True: "holds", False: "does_not_hold", None: ""}[row["agrees"]],
        "note": row["note"] or "",
    }


def _share(value: Any) -> str:
    return f"{value:.0f} %" if words.known(value) else DASH


def _value(row: Mapping[str, Any]) -> str:
    return words.signed(row["value"], 2) if words.known(row.get("value")) else DASH


def _interval(row: Mapping[str, Any]) -> str:
    if not (words.known(row.get("low")) and words.known(row.get("high"))):
        return ""
    return f"{words.signed(row['low'], 2)} to {words.signed(row['high'], 2)}"
