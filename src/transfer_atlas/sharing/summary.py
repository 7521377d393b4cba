"""What `dvc metrics` and `dvc plots` read: the gains of a study's tables as JSON and CSV."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from transfer_atlas.store.store import write_json


def write_summary(results: Path) -> None:
    """Write `shared/metrics.json` and `shared/gains.csv` from `tables/gains.parquet`, if they are older or missing.

    metrics.json: {regime: {target: {source: gain in percent}}}. gains.csv: a row for each line of the table that has
    a gain, with the columns transfer, regime, target, source, gain, effect.
    """
    table, metrics = results / "tables/gains.parquet", results / "shared/metrics.json"
    if not table.exists() or (metrics.exists() and metrics.stat().st_mtime_ns >= table.stat().st_mtime_ns):
        return
    from pyarrow import parquet  # only where there are tables to read

    rows = parquet.read_table(table, columns=["regime", "target", "source", "gain", "effect"]).to_pylist()
    nested: dict[str, dict[str, dict[str, float]]] = {}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["transfer", "regime", "target", "source", "gain", "effect"])
    for row in rows:
        if row["gain"] is not None:
            place = nested.setdefault(row["regime"], {}).setdefault(row["target"], {})
            place[row["source"]] = round(row["gain"], 6)
            name = f"{row['source']} to {row['target']}, {row['regime']}"
            writer.writerow([name, *(row[c] for c in ("regime", "target", "source", "gain", "effect"))])
    write_json(metrics, nested)
    part = metrics.with_name(".gains.csv.part")
    part.write_text(text.getvalue(), encoding="utf-8")
    part.replace(metrics.with_name("gains.csv"))
