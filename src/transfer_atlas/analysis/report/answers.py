"""The first page: what to start from for every target, how sure that is, and what came next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.study import ReportedStudy

CERTAINTY = {
    "decided": "decided",
    "undecided": "undecided",
    "one_seed": "one seed",
    "baseline_at_chance": "baseline at chance",
    "no_source": "no source has a gain",
}
SCALE = 50.0  # percent at either end of the bars


def answers(study: ReportedStudy) -> list[dict[str, Any]]:
    """One block for each regime: the answer for each of its targets, and how many are answered how."""
    best, blocks = study.tables["best_sources"], []
    for regime in study.regimes:
        rows = [_answer(row) for row in best[best["regime"] == regime].to_dict("records")]
        if rows:
            blocks.append({"regime": regime, "rows": rows, "summary": _summary(rows)})
    return blocks


def seeds_of(study: ReportedStudy) -> list[int]:
    """All seeds of the study's transfers."""
    return sorted({int(seed) for seed in study.tables["transfers"]["seed"]})


def next_steps(study: ReportedStudy) -> list[str]:
    """What would make the answers surer, most urgent first."""
    transfers, best = study.tables["transfers"], study.tables["best_sources"]
    steps = []
    lost = int((transfers["status"] != "finished").sum())
    if lost:
        steps.append(f"{lost} of {len(transfers)} transfers have no result: see Overview for the reasons.")
    if len(seeds_of(study)) == 1:
        steps.append(
            "There is one seed, so a few percent may be chance. More: seeds: [0, 1, 2] in the experiments."
        )
    open_ = sorted(set(best.loc[best["certainty"] == "undecided", "target"]))
    if open_:
        steps.append(f"More seeds may decide {', '.join(open_)}.")
    steps.append(
        "For a dataset of your own, without fine-tuning: snakemake recommend --configfile STUDY --config target=TASK."
    )
    return steps


def _answer(row: dict[str, Any]) -> dict[str, Any]:
    """One target: what to start from, its gain and interval; else the best source and why it was not taken."""
    taken = row["start_from"] != "ilsvrc"
    gain, low, high = (row[f"start_from_{name}"] for name in ("gain", "low", "high"))
    runner_up = ""
    if words.known(row["runner_up_source"]):
        runner_up = (
            f"{words.source_in_words(row['runner_up_source'])}, {words.percent(row['runner_up_gain'])}"
        )
    best = ""
    if words.known(row["best_source"]):
        best = f"{words.source_in_words(row['best_source'])}, {words.percent(row['best_gain'])}"
    return {
        "target": row["target"],
        "anchor": words.anchor("target", row["target"]),
        "domain": words.in_words(row["target_domain"]),
        "start_from": words.start_in_words(row),
        "taken": taken,
        "gain": words.percent(gain) if taken else "",
        "interval": words.interval(low, high) if taken else "",
        "order": float(gain),
        "bar": _bar(gain, low, high) if taken else None,
        "best": best,
        "runner_up": runner_up,
        "equally_good": [words.source_in_words(name) for name in row["equally_good"]],
        "certainty": row["certainty"],
        "certainty_in_words": CERTAINTY[row["certainty"]],
        "why": row["why"],
        "baseline": words.metric_value(row["baseline"]),
        "metric": words.in_words(row["metric"]) if words.known(row["metric"]) else "",
        "sources": int(row["n_sources"]),
        "failed": int(row["n_failed"]),
    }


def _bar(gain: float, low: float, high: float) -> dict[str, float]:
    """A gain and its interval as places on a line from -SCALE to SCALE, in percent of its length."""

    def place(value: float) -> float:
        return round(50.0 + 50.0 * max(-1.0, min(1.0, value / SCALE)), 1)

    bar = {"from": min(50.0, place(gain)), "to": max(50.0, place(gain))}
    return bar | ({"low": place(low), "high": place(high)} if words.known(low) and words.known(high) else {})


def _summary(rows: Iterable[dict[str, Any]]) -> str:
    rows = list(rows)
    taken = sum(row["taken"] for row in rows)
    decided = sum(row["taken"] and row["certainty"] == "decided" for row in rows)
    text = f"For {taken} of {len(rows)} targets a source is better to start from than ILSVRC"
    if taken and decided < taken:
        text += f"; for {decided} of them that is decided beyond noise between seeds"
    return text + "."
