"""Parquet files of tables: deterministic bytes, descriptions inside, documentation in step."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from analysis_examples import DATASETS, published_gains, source_record, transfer_record

from transfer_atlas.analysis.tables import effects, reference, schema
from transfer_atlas.analysis.tables import transfers as tables
from transfer_atlas.analysis.tables.files import read_table, write_table

RECORDS = [
    transfer_record("ilsvrc", "segmentation/camvid", 0.40),
    transfer_record("scratch", "segmentation/camvid", 0.10),
    transfer_record("segmentation/coco", "segmentation/camvid", 0.50),
    transfer_record("segmentation/sun", "segmentation/camvid", None),
    transfer_record("multi_segmentation", "segmentation/camvid", 0.44),
    source_record("segmentation/coco"),
]


def all_tables(records):
    transfers = tables.transfers_table(records, DATASETS)
    gains = tables.gains_table(transfers)
    return {
        "runs": tables.runs_table(records),
        "transfers": transfers,
        "seed_gains": tables.seed_gains_table(transfers),
        "gains": gains,
        "effects": effects.effects_table(gains),
        "best_effects": effects.best_effects_table(gains),
        "best_sources": effects.best_sources_table(gains),
    }


def test_every_table_is_tested_here():
    assert set(all_tables(RECORDS)) == set(schema.TABLES)


@pytest.mark.parametrize("name", sorted(schema.TABLES))
def test_same_runs_in_another_order_give_the_same_bytes(name, tmp_path):
    write_table(all_tables(RECORDS)[name], tmp_path / "a" / f"{name}.parquet")
    shuffled = all_tables(RECORDS[::-1])[name].sample(frac=1.0, random_state=1)
    write_table(shuffled, tmp_path / "b" / f"{name}.parquet")
    first, second = ((tmp_path / folder / f"{name}.parquet").read_bytes() for folder in "ab")
    assert first == second


@pytest.mark.parametrize("name", sorted(schema.TABLES))
def test_a_table_survives_writing_and_reading(name, tmp_path):
    frame = all_tables(RECORDS)[name]
    write_table(frame, tmp_path / f"{name}.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.parquet"), frame)


def test_published_gains_survive_too(tmp_path):
    write_table(published_gains(), tmp_path / "gains.parquet")
    assert effects.effects_table(read_table(tmp_path / "gains.parquet"))["count"].max() == 282


def test_files_describe_their_columns(tmp_path):
    write_table(all_tables(RECORDS)["gains"], tmp_path / "gains.parquet")
    stored = pq.read_schema(tmp_path / "gains.parquet")
    assert b"pandas" not in stored.metadata  # it names the pandas version, and an index
    assert stored.field("gain").metadata[b"unit"] == b"percent"
    assert all(field.metadata[b"description"] for field in stored)


def test_a_column_outside_the_schema_is_refused(tmp_path):
    frame = all_tables(RECORDS)["gains"].assign(seconds=1.0)
    with pytest.raises(ValueError, match="seconds"):
        write_table(frame, tmp_path / "gains.parquet")


def test_a_name_without_schema_is_refused(tmp_path):
    with pytest.raises(ValueError, match="gians"):
        write_table(all_tables(RECORDS)["gains"], tmp_path / "gians.parquet")


def test_only_runs_hold_what_varies_between_repetitions():
    """Repetitions on one machine with one environment: its device and packages are facts of the comparison."""
    varying = {"seconds", "created", "git_commit"}
    for name, table in schema.TABLES.items():
        assert name == "runs" or not varying & set(table.column_names), name


def test_the_documentation_of_the_tables_is_up_to_date():
    stored = (Path(__file__).parents[3] / "docs" / "tables.md").read_text(encoding="utf-8")
    command = "transfer-atlas columns > docs/tables.md"
    assert stored == reference.as_markdown(), f"docs/tables.md is stale; run: {command}"
    printed = subprocess.run(
        [sys.executable, "-m", "transfer_atlas.analysis.tables.reference"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout == stored
