"""Heat maps of gains as tables of the page: every cell a number with its colour, and its facts to be asked for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import to_hex

from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.figures.heat_map import Block, arrange
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.study import ReportedStudy

NO_GAIN = -1e9  # where a cell without a number is sorted


def heat_maps(study: ReportedStudy) -> list[dict[str, Any]]:
    """One map for each regime and task type of targets, in the study's order."""
    gains, maps = study.tables["gains"], []
    for regime in study.regimes:
        of_regime = gains[gains["regime"] == regime]
        for task_type in style.ordered(of_regime["target_task_type"], style.TASK_TYPE_ORDER):
            cells = of_regime[
                (of_regime["target_task_type"] == task_type) & (of_regime["source"] != "ilsvrc")
            ]
            if len(cells):
                maps.append(heat_map(study, cells, regime, task_type))
    return maps


def heat_map(study: ReportedStudy, cells: pd.DataFrame, regime: str, task_type: str) -> dict[str, Any]:
    """Rows are targets, columns sources, both in blocks of one domain, as in Table 3a of Mensink et al."""
    rows, columns = arrange(cells, "target", {}), arrange(cells, "source", {})
    of_pair = {(cell["target"], cell["source"]): cell for cell in cells.to_dict("records")}
    name = f"{task_type}-{regime}"
    entries = [entry for block in columns for entry in block.entries]
    shown, facts = [], {}
    for block in rows:
        for entry in block.entries:
            baselines = [of_pair[pair]["baseline"] for pair in of_pair if pair[0] == entry.task]
            baseline = pd.Series(baselines, dtype=float).dropna().mean()
            row = []
            for number, source in enumerate(entries):
                cell = _cell(entry.task, source.task, of_pair.get((entry.task, source.task)))
                if "about" in cell:
                    identifier = f"{name}.{len(shown)}.{number}"
                    facts[identifier] = about(study, of_pair[entry.task, source.task])
                    cell["id"] = identifier
                row.append(cell)
            shown.append(
                {
                    "target": entry.task,
                    "label": entry.label,
                    "anchor": words.anchor("target", entry.task),
                    "domain": words.in_words(block.domain),
                    "size": entry.size,
                    "cells": row,
                    "baseline": words.metric_value(baseline),
                    "baseline_order": NO_GAIN if np.isnan(baseline) else float(baseline),
                }
            )
    metrics = sorted({words.in_words(metric) for metric in cells["metric"].dropna()})
    return {
        "id": name,
        "regime": regime,
        "task_type": task_type,
        "metric": ", ".join(metrics),
        "lower": bool(cells["higher_is_better"].eq(False).fillna(False).any()),
        "seeds": style.seeds_in_words(cells["n_seeds"]),
        "groups": _groups(columns, task_type),
        "columns": [
            {"task": entry.task, "label": entry.label, "size": entry.size, "first": place == 0}
            for block in columns
            for place, entry in enumerate(block.entries)
        ],
        "rows": shown,
        "facts": facts,
        "marks": sorted({cell["kind"] for row in shown for cell in row["cells"]}),
        "intervals": bool(cells["gain_low"].notna().any()),
        "seed_intervals": bool(cells["interval_covers"].dropna().str.contains("seeds").any()),
        "corrected": bool(cells["p_adjusted"].notna().any()),
    }


def about(study: ReportedStudy, row: dict[str, Any]) -> dict[str, Any]:
    """All that is known of one source on one target, as the page shows it when asked."""
    lines = [("gain", words.percent(row["gain"]))]
    told = words.interval(row["gain_low"], row["gain_high"])
    if told:
        lines.append(("95 % interval", f"{told} (of {row['interval_covers']})"))
        lines.append(("effect", words.EFFECTS.get(row["decided_effect"], "")))
    elif words.known(row["effect"]):
        lines.append(("effect", f"{words.EFFECTS[row['effect']]}, noise not known"))
    metric = words.in_words(row["metric"]) if words.known(row["metric"]) else "metric"
    lines.append(
        (metric, f"{words.metric_value(row['value'])}, from ILSVRC {words.metric_value(row['baseline'])}")
    )
    if words.known(row["gain_std"]):
        lines.append(("standard deviation over seeds", f"{row['gain_std']:.1f} %"))
    if words.known(row["p_adjusted"]):
        lines.append(("p, adjusted", f"{row['p_adjusted']:.2g}"))
    seeds = f"{int(row['n_seeds'])} with a gain" + (
        f", {int(row['n_failed'])} without" if row["n_failed"] else ""
    )
    lines.append(("seeds", seeds))
    if words.known(row["baseline_at_chance"]) and row["baseline_at_chance"]:
        lines.append(("note", "ILSVRC itself is no better than chance here: the gain means nothing"))
    if row["status"] != "finished":
        reason = f": {row['reason']}" if words.known(row["reason"]) else ""
        lines.append((words.in_words(row["status"]), f"seeds without a gain{reason}"))
    links = [
        [f"seed {seed}", key, study.run_file(key)]
        for seed, key in zip(row["seeds"], row["keys"], strict=True)
        if words.known(key)
    ]
    links += [
        [f"ILSVRC, seed {seed}", key, study.run_file(key)]
        for seed, key in zip(row["seeds"], row["baseline_keys"], strict=True)
        if words.known(key) and row["source"] != "ilsvrc"
    ]
    title = f"{words.source_in_words(row['source'])} \N{RIGHTWARDS ARROW} {row['target']}"
    return {"title": title, "lines": lines, "runs": links}


def colours_of(gain: float) -> tuple[str, str]:
    """Fill and ink of a gain, the same as in the figures."""
    fill = style.gain_colour_map()(style.gain_norm()(gain))
    return to_hex(fill), "#ffffff" if style.luminance(fill) < 0.25 else style.INK


def _cell(target: str, source: str, row: dict[str, Any] | None) -> dict[str, Any]:
    """What stands in a cell: its kind, text, colours, and the sentence that screen readers say."""
    names = f"{words.source_in_words(source)} to {target}"
    plain = {"bold": False, "spread": "", "partly": False}
    if target == source and row is None:
        return {"kind": "itself", "text": "", "order": NO_GAIN}
    if row is None:
        return {
            "kind": "absent",
            "text": "\N{MIDDLE DOT}",
            "order": NO_GAIN,
            "said": f"{names}: not in the study",
        }
    if np.isnan(row["gain"]):
        kind = "missing" if row["status"] == "missing" else "failed"
        text = "?" if kind == "missing" else "\N{MULTIPLICATION SIGN}"
        said = f"{names}: {words.in_words(row['status'])}"
        return plain | {"kind": kind, "text": text, "order": NO_GAIN, "about": True, "said": said}
    chance = words.known(row["baseline_at_chance"]) and bool(row["baseline_at_chance"])
    told = words.interval(row["gain_low"], row["gain_high"])
    said = f"{names}: {words.percent(row['gain'])}" + (f", interval {told}" if told else ", noise not known")
    cell = plain | {"text": style.signed(row["gain"]), "order": float(row["gain"]), "about": True}
    if chance:
        return cell | {"kind": "chance", "said": f"{said}, baseline at chance"}
    fill, ink = colours_of(row["gain"])
    bold = row["decided_effect"] in ("positive", "very_positive")
    several = int(row["n_seeds"]) > 1 and not np.isnan(row["gain_std"])
    spread = f"\N{PLUS-MINUS SIGN}{row['gain_std']:.0f}" if several else ""
    partly = row["status"] != "finished"
    return cell | {
        "kind": "gain",
        "fill": fill,
        "ink": ink,
        "bold": bold,
        "spread": spread,
        "partly": partly,
        "said": said,
    }


def _groups(columns: list[Block], task_type: str) -> list[dict[str, Any]]:
    """The line above the columns: domain of the sources, and their task type wherever it differs from the target's."""
    found = []
    for block in columns:
        domain = words.in_words(block.domain) if block.domain else ""
        other = words.in_words(block.task_type) if block.task_type not in ("", task_type) else ""
        found.append({"span": len(block.entries), "domain": domain, "task_type": other})
    return found
