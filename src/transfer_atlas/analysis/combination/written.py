"""Reads scores and samples, and writes what combining sources came to: tables, facts, text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from transfer_atlas.analysis.combination.fusions import fusion_rows, fusion_summary_table, fusions_table
from transfer_atlas.analysis.combination.joint import joint_gains_table, joint_transfers_table
from transfer_atlas.analysis.combination.proposals import Proposal, propose
from transfer_atlas.analysis.combination.text import as_text
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.store.checked import read_formed
from transfer_atlas.store.files import write_json


@dataclass(frozen=True)
class Combined:
    """What scores and samples say, before anything is trained: by target scores (None for none) with the reason where
    there is none, and proposals; and the table `fusions`.
    """

    scores: dict[str, dict[str, float | None]]
    reasons: dict[str, dict[str, str]]
    proposals: dict[str, Proposal | None]
    fusions: pd.DataFrame


def fused_and_proposed(facts: Mapping[str, Any], say: Callable[[str], None] = lambda line: None) -> Combined:
    """Weigh, fuse, probe and propose. facts: as `planning/combination_facts.py` makes them. say: gets a line of each
    target before its features are probed, which takes minutes where sources are many.
    """
    scores: dict[str, dict[str, float | None]] = {}
    reasons: dict[str, dict[str, str]] = {}
    proposals: dict[str, Proposal | None] = {}
    rows: list[dict[str, Any]] = []
    for number, (target, told) in enumerate(facts["targets"].items(), 1):
        records = {source: read_formed(Path(folder)) for source, folder in told["scores"].items()}
        scores[target] = {
            source: float(record["metrics"]["value"]) if record["status"] == "finished" else None
            for source, record in records.items()
        }
        reasons[target] = {
            source: f"{record['status']}: {record['reason']}"
            for source, record in records.items()
            if record["status"] != "finished"
        }
        proposals[target] = propose(scores[target], target.split("/")[0], facts["together"])
        samples = {}
        for source, folder in told["features"].items():
            try:
                samples[source] = load_samples(Path(folder))
            except LegitimateFailure as problem:
                reasons[target].setdefault(source, f"{problem.status}: {problem.reason}")
        if samples:
            say(
                f"  features of {len(samples)} sources for {target}: {number} of {len(facts['targets'])} targets"
            )
            proposed = proposals[target].proposed if proposals[target] else ()
            rows += fusion_rows(target, samples, scores[target], proposed, temperature=facts["temperature"])
    return Combined(scores, reasons, proposals, fusions_table(rows))


def write_combination(facts: Mapping[str, Any], found: Combined, trained: Sequence[Mapping[str, Any]]) -> str:
    """Write the four tables, `combination.json` and `combination.txt` into facts["folder"]. Returns the text.

    trained: as `running/combine.py` gives it.
    """
    folder = Path(facts["folder"])
    transfers = joint_transfers_table(trained)
    tables = {
        "fusions": found.fusions,
        "fusion_summary": fusion_summary_table(found.fusions),
        "joint_transfers": transfers,
        "joint_gains": joint_gains_table(transfers),
    }
    for name, table in tables.items():
        write_table(table, folder / f"{name}.parquet")
    text = as_text(found.scores, found.reasons, found.proposals, tables)
    text += f"\n\nTables: {folder}"
    (folder / "combination.txt").write_text(text + "\n", encoding="utf-8")
    proposals = {t: None if p is None else asdict(p) for t, p in found.proposals.items()}
    write_json(
        folder / "combination.json",
        {
            "proposals": proposals,
            "scores": found.scores,
            "temperature": facts["temperature"],
            "together": facts["together"],
            "without_score": found.reasons,
        },
    )
    return text
