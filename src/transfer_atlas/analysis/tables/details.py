"""From the records of transfers to the tables per_class, curves and per_image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from transfer_atlas.analysis.tables.detail_schema import CURVES, PER_CLASS, PER_IMAGE
from transfer_atlas.analysis.tables.dice import dice_of_overlap
from transfer_atlas.analysis.tables.image_bootstrap import Results, image_results
from transfer_atlas.analysis.tables.transfers import PLAIN, frame_of

PER_IMAGE_FILE = "per_image.parquet"  # beside run.json, where the run kept its results image by image
IDENTITY = ("source", "target", "regime", "seed")


def per_class_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per class of every finished transfer whose metric has classes; runs of other kinds are passed over."""
    rows = []
    for record, named in _transfers(records):
        for name, value in (record["metrics"].get("per_class") or {}).items():
            value = math.nan if value is None else value
            dice = dice_of_overlap(value) if record["metrics"].get("primary") == "mean_iou" else math.nan
            rows.append(named | {"class": name, "value": value, "dice": dice})
    return frame_of(PER_CLASS, rows)


def curves_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per point of the training curve of every learning rate of every transfer that has metrics."""
    rows = []
    for record, named in _transfers(records):
        best = record["metrics"].get("best_learning_rate")
        for entry in record["metrics"].get("grid") or ():
            of_rate = {"learning_rate": entry["learning_rate"], "is_best": entry["learning_rate"] == best}
            rows += [
                named | of_rate | {"step": step, "loss": loss} for step, loss in entry.get("curve") or ()
            ]
    return frame_of(CURVES, rows)


def read_per_image(identified: Iterable[tuple[Mapping[str, Any], str]]) -> pd.DataFrame:
    """Rows of every per_image.parquet among the folders of transfers, with the transfer's identity and key.

    identified: identity and folder of each, the folder's name being the run's key. Folders without the file are passed
    over; the columns are those of the files.
    """
    parts = []
    for identity, folder in identified:
        path = Path(folder) / PER_IMAGE_FILE
        if path.exists():
            named = _named(identity) | {"key": Path(folder).name}
            parts.append(pd.read_parquet(path).assign(**named))
    return (
        pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[*IDENTITY, "method", "key"])
    )


def results_by_image(rows: pd.DataFrame) -> dict[str, Results]:
    """What `gains_table` takes for intervals, from the rows of `read_per_image`."""
    return image_results(rows) if len(rows) else {}


def per_image_table(rows: pd.DataFrame) -> pd.DataFrame:
    """The table `per_image` from the rows of `read_per_image`."""
    if rows.empty:
        return frame_of(PER_IMAGE, [])
    table = rows.copy()
    if "matched" in table:
        finds = table["matched"].notna()
        right = [float((pd.Series(each) == 1).sum()) for each in table.loc[finds, "matched"]]
        for name, values in (
            ("numerator", right),
            ("denominator", table.loc[finds, "annotated"].astype(float)),
        ):
            if name not in table:
                table[name] = float("nan")
            table.loc[finds, name] = values
    return PER_IMAGE.conform(table[PER_IMAGE.column_names])


def _transfers(records: Iterable[Mapping[str, Any]]) -> Iterable[tuple[Mapping[str, Any], dict[str, Any]]]:
    """Every transfer that has metrics, with its identity and key."""
    for record in records:
        if record["kind"] == "transfer" and record.get("metrics"):
            yield record, _named(record["identity"]) | {"key": record["key"]}


def _named(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The factors of a transfer, as columns."""
    return {name: identity[name] for name in IDENTITY} | {"method": identity.get("method", PLAIN)}
