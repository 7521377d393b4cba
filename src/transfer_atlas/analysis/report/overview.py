"""What was run, with what, at what cost, and what is missing: every gap by name."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.answers import seeds_of
from transfer_atlas.analysis.report.methods import methods_of
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.tables.transfers import PLAIN
from transfer_atlas.store.store import RUN_FILE
from transfer_atlas.study.task import BASELINES

PACKAGES = ("torch", "torchvision", "timm", "numpy")  # the versions that results hang on most


def overview(study: ReportedStudy) -> dict[str, Any]:
    """Facts, runs by kind, failures and gaps, and compute."""
    facts = study.facts
    return {
        "facts": [
            ("Study", facts["study"]),
            ("Backbone", facts["backbone"]),
            ("ILSVRC checkpoint", facts["ilsvrc"]),
            ("Seeds", ", ".join(map(str, seeds_of(study)))),
            ("Methods", ", ".join(words.in_words(name) for name in methods_of(study))),
            ("Sources", str(study.tables["transfers"].loc[_true_sources(study), "source"].nunique())),
            ("Targets", str(len(study.targets))),
            (
                "Metrics",
                ", ".join(sorted({words.in_words(m) for m in study.tables["transfers"]["metric"].dropna()})),
            ),
        ],
        "regimes": [(name, limits) for name, limits in facts["regimes"].items() if name in study.regimes],
        "kinds": [_kind(study, title, folders) for title, folders in facts["planned"].items()],
        "without_result": without_result(study),
        "notes": _notes(study),
        "compute": _compute(study.tables["runs"]),
    }


def without_result(study: ReportedStudy) -> list[dict[str, Any]]:
    """Transfers that failed or are missing, and other runs that failed, each with its reason; missing ones first."""
    rows = []
    transfers = study.tables["transfers"]
    for row in transfers[transfers["status"] != "finished"].itertuples():
        name = f"{words.source_in_words(row.source)} \N{RIGHTWARDS ARROW} {row.target}"
        rows.append(
            {
                "what": "transfer",
                "name": f"{name}, {words.in_words(row.regime)}, seed {row.seed}"
                + (f", {words.in_words(row.method)}" if row.method != PLAIN else ""),
                "status": words.in_words(row.status),
                "reason": row.reason if words.known(row.reason) else "",
                "key": row.key if words.known(row.key) else "",
                "link": study.run_file(row.key),
            }
        )
    runs = study.tables["runs"]
    for row in runs[(runs["status"] != "finished") & (runs["kind"] != "transfer")].itertuples():
        rows.append(
            {
                "what": words.in_words(row.kind),
                "name": row.name,
                "status": words.in_words(row.status),
                "reason": row.reason if words.known(row.reason) else "",
                "key": row.key,
                "link": None,
            }
        )
    return sorted(rows, key=lambda row: row["status"] != "missing")


def _true_sources(study: ReportedStudy) -> pd.Series:
    return ~study.tables["transfers"]["source"].isin(BASELINES)


def _kind(study: ReportedStudy, title: str, folders: list[str]) -> dict[str, Any]:
    """How many runs of a kind are planned, finished, failed, and not here (which tables can do without)."""
    runs = study.tables["runs"]
    known = runs[runs["key"].isin([Path(folder).name for folder in folders])]
    here = sum((Path(folder) / RUN_FILE).exists() for folder in folders)
    return {
        "title": title,
        "planned": len(folders),
        "finished": int((known["status"] == "finished").sum()) if len(known) else here,
        "failed": int((known["status"] != "finished").sum()),
        "not_here": len(folders) - here,
        "seconds": words.duration(known["seconds"].sum()) if len(known) else "\N{EN DASH}",
        "memory": words.memory(known["peak_memory_host_bytes"].max()) if len(known) else "\N{EN DASH}",
    }


def _notes(study: ReportedStudy) -> list[str]:
    """What a reader must know of the transfers: rates at the edge of their grid, baselines at chance."""
    gains, curves = study.tables["gains"], study.tables["curves"]
    notes = []
    chance = sorted(set(gains.loc[gains["baseline_at_chance"].eq(True).fillna(False), "target"]))
    if chance:
        notes.append(
            f"ILSVRC is no better than chance on {', '.join(chance)}: gains there mean nothing and are in no share."
        )
    rates = curves.groupby("key")["learning_rate"].agg(["min", "max"])
    best = curves[curves["is_best"].eq(True).fillna(False)].groupby("key")["learning_rate"].first()
    both = rates.join(best)
    edge = both[
        (both["min"] < both["max"])
        & ((both["learning_rate"] == both["min"]) | (both["learning_rate"] == both["max"]))
    ]
    if len(edge):
        notes.append(
            f"In {len(edge)} of {len(both)} transfers the best learning rate is the highest or lowest of the grid: a "
            "better one may lie beyond."
        )
    corrected = gains["p_adjusted"].notna().any()
    if corrected:
        notes.append(
            "Multiple comparisons: what to start from allows for the number of sources compared (Bonferroni); "
            "p_adjusted in the table of gains keeps the share of false discoveries below one in twenty (Benjamini and "
            "Hochberg)."
        )
    return notes


def _compute(runs: pd.DataFrame) -> dict[str, Any]:
    """Time, memory, machines and versions of all runs."""
    packages: dict[str, set[str]] = {}
    for text in runs["packages"].dropna().unique():
        for name, version in json.loads(text).items():
            packages.setdefault(name, set()).add(str(version))
    devices = Counter(runs["device"].dropna())
    commits = sorted(set(runs["git_commit"].dropna()))
    return {
        "seconds": words.duration(runs["seconds"].sum()),
        "memory": words.memory(runs["peak_memory_host_bytes"].max()),
        "device_memory": words.memory(runs["peak_memory_device_bytes"].max()),
        "devices": [f"{device} ({count} runs)" for device, count in devices.most_common()],
        "packages": [f"{name} {', '.join(sorted(packages[name]))}" for name in PACKAGES if name in packages],
        "commits": [commit[:12] + ("-dirty" if commit.endswith("-dirty") else "") for commit in commits[:4]],
        "from": _day(runs["created"].min()),
        "to": _day(runs["created"].max()),
    }


def _day(time: Any) -> str:
    return time.strftime("%Y-%m-%d") if words.known(time) else ""
