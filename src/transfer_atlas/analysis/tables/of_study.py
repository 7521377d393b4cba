"""All tables of a study's transfers, from the records of its runs: the one list of what is made, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.subtasks.findings import subtask_findings_table
from transfer_atlas.analysis.subtasks.relations import Subtasks
from transfer_atlas.analysis.subtasks.tables import subtask_transfers_table
from transfer_atlas.analysis.tables.best_sources import best_sources_table
from transfer_atlas.analysis.tables.chance import chance_levels
from transfer_atlas.analysis.tables.details import (
    curves_table,
    per_class_table,
    per_image_table,
    read_per_image,
    results_by_image,
)
from transfer_atlas.analysis.tables.effects import best_effects_table, effects_table
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.analysis.tables.methods import method_summary_table, methods_table
from transfer_atlas.analysis.tables.transfers import (
    gains_table,
    runs_table,
    seed_gains_table,
    transfers_table,
)


def study_tables(
    records: Sequence[dict[str, Any]],
    datasets: Mapping[str, Any],
    transfers: Sequence[Sequence[Any]],
    members: Mapping[str, Sequence[str]],
    subtasks: Mapping[str, Any] | None = None,
) -> dict[str, pd.DataFrame]:
    """The tables by name, in the order of `docs/tables.md`; findings without what needs domain distances.

    records: of the study's runs, as `read_records` gives them; datasets: facts of each, as `dataset_facts` gives them;
    transfers: pairs of the identity and the folder of each transfer, where results image by image lie; members: the
    datasets of each multi-source; subtasks: what planning tells of binary tasks (`Subtasks.of_facts`).
    """
    table = transfers_table(records, datasets)
    by_image = read_per_image(transfers)
    gains = gains_table(table, results_by_image(by_image), chance_levels(records))
    methods = methods_table(table)
    binary = subtask_transfers_table(records, Subtasks.of_facts(subtasks or {}), members)
    return {
        "runs": runs_table(records),
        "transfers": table,
        "seed_gains": seed_gains_table(table),
        "gains": gains,
        "effects": effects_table(gains),
        "best_effects": best_effects_table(gains),
        "best_sources": best_sources_table(gains),
        "per_class": per_class_table(records),
        "per_image": per_image_table(by_image),
        "curves": curves_table(records),
        "methods": methods,
        "method_summary": method_summary_table(methods),
        "subtask_transfers": binary,
        "subtask_findings": subtask_findings_table(binary),
        "findings": findings_table(gains, members=members),
    }


def write_tables(tables: Mapping[str, pd.DataFrame], folder: Path) -> None:
    """Write tables into a folder, each as `<name>.parquet`."""
    for name, frame in tables.items():
        write_table(frame, folder / f"{name}.parquet")
