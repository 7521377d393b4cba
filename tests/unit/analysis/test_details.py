"""Tables below a single number: classes, training curves, evaluation images."""

import pandas as pd
import pytest
from analysis_examples import DATASETS, source_record, transfer_record

from transfer_atlas.analysis.tables import transfers as tables
from transfer_atlas.analysis.tables.details import (
    curves_table,
    per_class_table,
    per_image_table,
    read_per_image,
    results_by_image,
)
from transfer_atlas.analysis.tables.files import read_table, write_table

TARGET = "segmentation/camvid"


def record(**changes):
    found = transfer_record("segmentation/coco", TARGET, 0.5)
    found["metrics"] |= {"per_class": {"road": 0.9, "bird": None}}
    found["metrics"]["grid"] = [
        {"learning_rate": 0.01, "curve": [[10, 2.0], [20, 1.5]], "value": 0.5},
        {"learning_rate": 0.001, "curve": [[10, 2.5]], "value": 0.4},
        {"learning_rate": 0.1, "status": "diverged"},
    ]
    return found | changes


def test_classes_and_curves(tmp_path):
    records = [record(), transfer_record("ilsvrc", TARGET, None), source_record("segmentation/coco")]
    classes, curves = per_class_table(records), curves_table(records)
    assert classes[["class", "value"]].fillna(-1).to_numpy().tolist() == [["bird", -1.0], ["road", 0.9]]
    assert curves[["learning_rate", "step", "loss", "is_best"]].to_numpy().tolist() == [
        [0.001, 10, 2.5, False],
        [0.01, 10, 2.0, True],
        [0.01, 20, 1.5, True],
    ]
    for name, frame in (("per_class", classes), ("curves", curves)):
        write_table(frame, tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.parquet"), frame)
    assert per_class_table([]).empty and curves_table([]).empty


def test_images_of_transfers_and_what_their_gains_make_of_them(tmp_path):
    records, identified = [], []
    for source, values in (("ilsvrc", [0.2, 0.4, 0.6]), ("segmentation/coco", [0.3, 0.5, 0.5])):
        one = transfer_record(source, TARGET, sum(values) / 3)
        one["key"] = source.replace("/", "-")
        folder = tmp_path / one["key"]
        folder.mkdir()
        pd.DataFrame(
            {"image": ["a", "b", "c"], "part": "all", "numerator": values, "denominator": 1.0}
        ).to_parquet(folder / "per_image.parquet")
        records.append(one)
        identified.append((one["identity"], str(folder)))
    identified.append((record()["identity"] | {"seed": 7}, str(tmp_path / "elsewhere")))
    rows = read_per_image(identified)
    assert len(rows) == 6
    table = per_image_table(rows)
    assert table["numerator"].sum() == pytest.approx(2.5)
    gains = tables.gains_table(tables.transfers_table(records, DATASETS), results_by_image(rows)).set_index(
        "source"
    )
    row = gains.loc["segmentation/coco"]
    assert row["interval_covers"] == "images" and row["gain_low"] < row["gain"] < row["gain_high"]
    assert per_image_table(read_per_image([])).empty and results_by_image(read_per_image([])) == {}


def test_finds_are_counted_as_right_and_annotated(tmp_path):
    folder = tmp_path / "k"
    folder.mkdir()
    pd.DataFrame(
        {
            "image": ["a"],
            "part": "car",
            "annotated": [2],
            "scores": [[0.9, 0.8, 0.1]],
            "matched": [[1, 0, -1]],
        }
    ).to_parquet(folder / "per_image.parquet")
    identity = {"source": "ilsvrc", "target": "detection/bdd", "regime": "small_target", "seed": 0}
    table = per_image_table(read_per_image([(identity, str(folder))]))
    assert table[["numerator", "denominator", "key"]].to_numpy().tolist() == [[1.0, 2.0, "k"]]
