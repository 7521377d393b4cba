"""Two studies beside each other: changed effects, new and vanished rows, correlations, machines, refusals."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from analysis_examples import DATASETS, transfer_record

from transfer_atlas.analysis.comparison.__main__ import compare_folders
from transfer_atlas.analysis.comparison.compare import (
    as_text,
    comparison_summary,
    comparison_table,
    environment_table,
)
from transfer_atlas.analysis.published.factors_of_influence import published_gains
from transfer_atlas.analysis.tables import transfers as tables
from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.errors import ConfigurationError

FOLDER = Path(__file__).parents[3] / "resources" / "published"
TARGET = "segmentation/camvid"


def records(values, **changes):
    return [
        transfer_record(source, TARGET, value, seed, **changes)
        for source, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]


def gains(values, **changes):
    return tables.gains_table(tables.transfers_table(records(values, **changes), DATASETS))


FIRST = {
    "ilsvrc": [0.400, 0.404],
    "segmentation/coco": [0.500, 0.505],
    "segmentation/bdd": [0.360, 0.360],
    "segmentation/sun": [0.4105, 0.4105],
    "detection/bdd": [0.420, 0.420],
}
SECOND = {
    "ilsvrc": [0.400, 0.404],
    "segmentation/coco": [0.510, 0.510],
    "segmentation/bdd": [0.480, 0.480],
    "segmentation/sun": [0.4085, 0.4085],
    "multi_segmentation": [0.420, 0.420],
}


def test_changes_by_hand():
    rows = comparison_table(gains(FIRST), gains(SECOND)).set_index("source")
    assert rows["change"].to_dict() == {
        "segmentation/coco": "same_effect",
        "segmentation/bdd": "other_effect",
        "segmentation/sun": "other_effect_within_noise",
        "detection/bdd": "vanished",
        "multi_segmentation": "new",
    }
    bdd = rows.loc["segmentation/bdd"]
    assert bdd["difference"] == pytest.approx(bdd["gain_second"] - bdd["gain_first"])
    assert 0 < bdd["difference_low"] < bdd["difference"] < bdd["difference_high"]
    assert rows.loc["detection/bdd", "status_second"] == "absent"
    assert "ilsvrc" not in rows.index


def test_a_failed_transfer_is_not_a_vanished_one():
    failed = SECOND | {"segmentation/coco": [None, None]}
    rows = comparison_table(gains(FIRST), gains(failed)).set_index("source")
    assert rows.loc["segmentation/coco", "change"] == "failed"
    assert rows.loc["segmentation/coco", "status_second"] == "diverged"


def test_the_same_keys_are_told():
    first = comparison_table(gains(FIRST), gains(FIRST))
    assert first["same_runs"].all() and (first["difference"] == 0).all()
    other = gains(FIRST)
    other["keys"] = [[f"{key}-again" for key in keys] for keys in other["keys"]]
    assert not comparison_table(gains(FIRST), other)["same_runs"].any()
    published = published_gains(FOLDER)
    assert comparison_table(published, published)["same_runs"].isna().all()  # printed cells have no keys


def test_correlation_of_the_paper_s_two_settings():
    """Table 3a against Table 5, all source images against 1500: the pattern stays (A10)."""
    table = published_gains(FOLDER)
    first = table[table["regime"] == "small_target"]
    second = table[table["regime"] == "small_source_small_target"].assign(regime="small_target")
    comparison = comparison_table(first, second)
    summary = comparison_summary(comparison).set_index(["task_type", "statistic"])
    tau = summary.loc[("segmentation", "kendall")]
    assert tau["count"] == 272 + 17  # scratch too
    assert 0.7 < tau["low"] < tau["value"] < tau["high"] < 0.95
    counts = summary.loc["all", "value"]
    assert counts["vanished"] == 509 - 272 + 3  # depth has scratch in Table 3e only
    assert counts["new"] == 0
    assert counts[["same_effect", "other_effect", "other_effect_within_noise"]].sum() == tau["count"]


def test_machines_and_versions_that_differ():
    runs = [tables.runs_table(records(FIRST, **changes)) for changes in (
        {}, {"device": "cuda", "packages": {"torch": "3", "numpy": "2"}}
    )]  # fmt: skip
    found = environment_table(*runs).set_index("what")
    assert found.loc["device", ["first", "second"]].tolist() == [["cpu"], ["cuda"]]
    assert found.loc["package torch", "second"] == ["3"]
    assert found.loc["package numpy", "first"] == []
    assert "git_commit" not in found.index and "code train" not in found.index
    assert environment_table(runs[0], runs[0]).empty


def test_other_metrics_and_mixed_tables_are_refused():
    first = gains(FIRST)
    with pytest.raises(ConfigurationError, match="measured by mean_iou in the first study and by accuracy"):
        comparison_table(first, first.assign(metric="accuracy"))
    with pytest.raises(ConfigurationError, match="more than one row"):
        comparison_table(pd.concat([first, first]), first)


def test_fewer_than_three_pairs_have_no_correlation():
    few = {name: FIRST[name] for name in ("ilsvrc", "segmentation/coco")}
    summary = comparison_summary(comparison_table(gains(few), gains(few)))
    row = summary[(summary["task_type"] == "all") & (summary["statistic"] == "kendall")].iloc[0]
    assert np.isnan(row["value"]) and row["count"] == 1


def test_targets_of_other_metrics_are_left_out_of_a_comparison_by_name(tmp_path):
    for name, metric in (("ours", "coco_map"), ("theirs", "ap50")):
        found = gains(FIRST)
        other = found.assign(target="detection/bdd", target_task_type="detection", metric=metric)
        write_table(pd.concat([found, other]), tmp_path / name / "gains.parquet")
    text = compare_folders(tmp_path / "ours", tmp_path / "theirs", tmp_path / "both", ("ours", "theirs"))
    assert text.splitlines()[-1] == "  left out: detection/bdd, coco_map in the first, ap50 in the second"
    assert set(read_table(tmp_path / "both/comparison.parquet")["target"]) == {TARGET}


def test_the_command(tmp_path):
    for name, values in (("a", FIRST), ("b", SECOND)):
        write_table(gains(values), tmp_path / name / "gains.parquet")
        write_table(tables.runs_table(records(values)), tmp_path / name / "runs.parquet")
    command = [sys.executable, "-m", "transfer_atlas.analysis.comparison"]
    arguments = [
        str(tmp_path / "a"),
        str(tmp_path / "b"),
        "--output",
        str(tmp_path / "c"),
        "--names",
        "old",
        "new",
    ]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("old (first) and new (second)")
    assert (
        "segmentation/bdd -> segmentation/camvid (small_target): -10.4 negative, then +19.4 very_positive"
        in done.stdout
    )
    assert "  new: multi_segmentation -> segmentation/camvid" in done.stdout
    assert "  vanished: detection/bdd -> segmentation/camvid" in done.stdout
    comparison = read_table(tmp_path / "c" / "comparison.parquet")
    pd.testing.assert_frame_equal(comparison, comparison_table(gains(FIRST), gains(SECOND)))
    assert (tmp_path / "c" / "comparison_summary.parquet").exists()
    wrong = subprocess.run([*command, str(tmp_path), str(tmp_path / "b")], capture_output=True, text=True)
    assert wrong.returncode == 1 and "has no gains.parquet" in wrong.stderr
    nothing = as_text(
        comparison.head(0),
        comparison_summary(comparison.head(0)),
        environment_table(*([tables.runs_table([])] * 2)),
        ("a", "b"),
    )
    assert nothing == "a (first) and b (second)"
