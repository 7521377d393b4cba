"""The answers of a study, for people at a terminal: what to start from, per target, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import pandas as pd


def answers_as_text(
    best_sources: pd.DataFrame, results: Path, seeds: int, differing: Iterable[str] = ()
) -> str:
    """What to start from for every target, with gain and interval and the runner-up, and where the rest lies.

    best_sources: the table of that name; seeds: how many seeds the study's transfers have; differing: in what these
    differ besides their settings (`told_of_differences`).
    """
    lines = ["", "What to start from, by target:"]
    for regime, rows in best_sources.groupby("regime", sort=False):
        lines.append(f"  {str(regime).replace('_', ' ')}")
        width = max(len(target) for target in rows["target"])
        lines += [f"    {row.target:<{width}}  {_answer(row)}" for row in rows.itertuples()]
    lines += ["", f"The report: {results}/report.html; tables: {results}/tables, figures: {results}/figures."]
    if seeds == 1:
        lines.append(
            "One seed: what is a few percent may be chance. More seeds: `seeds: [0, 1, 2]` in the study."
        )
    differing = list(differing)
    if differing:
        lines.append(f"Transfers of this study were not computed alike: {'; '.join(differing)}.")
    lines.append("For a dataset of your own: snakemake recommend --configfile STUDY --config target=TASK")
    return "\n".join([*lines, ""])


def _answer(row: tuple) -> str:
    if row.certainty == "no_source":
        return f"no answer: {row.why}"
    told = f"{row.start_from}"
    if row.start_from != "ilsvrc":
        told += f", {row.start_from_gain:+.1f} %{_interval(row.start_from_low, row.start_from_high)}"
        if isinstance(row.runner_up_source, str):
            told += f"; then {row.runner_up_source}, {row.runner_up_gain:+.1f} %"
    elif isinstance(row.best_source, str):
        told += f" (best source: {row.best_source}, {row.best_gain:+.1f} %: {row.why})"
    return told


def _interval(low: float, high: float) -> str:
    return f" ({low:+.1f} to {high:+.1f})" if math.isfinite(low) and math.isfinite(high) else ""
