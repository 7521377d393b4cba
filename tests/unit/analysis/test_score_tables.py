"""Tables of scores: a row for every metric of every run, distances of every pair, evaluation, the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from transfer_atlas.analysis.figures.scores import domain_looks, score_scatter
from transfer_atlas.analysis.tables.baseline_rankers import BASELINE_RANKERS
from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.score_schema import SCORES
from transfer_atlas.analysis.tables.scores import (
    ImageFeatures,
    domain_distances_table,
    metric_differences_table,
    metric_evaluation_table,
    metric_stability_table,
    scored_pairs,
    scores_table,
    with_combined,
    with_ties,
)
from transfer_atlas.analysis.tables.transfers import frame_of

NAMES = ("a", "b", "c", "d")


def record(source: str, target: str, metric: str, value: float, status: str = "finished", **parts) -> dict:
    finished = {"value": value, "deviation": None, "repeats": 1, "samples": 9, "parts": parts}
    return {
        "kind": "score",
        "key": f"{source}-{target}-{metric}",
        "status": status,
        "reason": None if status == "finished" else "gone",
        "identity": {
            "source": f"segmentation/{source}",
            "target": f"segmentation/{target}",
            "regime": "small_target",
            "metric": metric,
        },
        "metrics": finished if status == "finished" else None,
    }


def gains() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    rows = [
        {
            "source": f"segmentation/{source}",
            "target": f"segmentation/{target}",
            "regime": "small_target",
            "source_dataset": source,
            "target_dataset": target,
            "target_domain": "driving",
            "target_task_type": "segmentation",
            "within_domain": True,
            "baseline_at_chance": False,
            "metric": "mean_iou",
            "source_n_train": 100,
            "higher_is_better": True,
            "value": generator.random(),
            "gain": generator.normal(),
        }
        for source in NAMES
        for target in NAMES
        if source != target
    ]
    return pd.DataFrame(rows).astype(
        {"higher_is_better": "boolean", "baseline_at_chance": "boolean", "within_domain": "boolean"}
        | {"source_n_train": "Int64"}
    )


def records() -> list[dict]:
    """LogME is the gain itself; OTCE's two parts give it by a linear combination."""
    found = []
    for row in gains().itertuples():
        task = abs(np.sin(row.gain))
        pair = (row.source_dataset, row.target_dataset)
        found.append(record(*pair, "logme", row.gain))
        found.append(record(*pair, "otce", -task, otce_domain_difference=(row.gain + task) / 2))
    return found


def distances() -> pd.DataFrame:
    generator = np.random.default_rng(1)
    return domain_distances_table(
        ImageFeatures(name, "driving", "ilsvrc", generator.standard_normal((5, 3)), name) for name in NAMES
    )


def test_scores_have_a_row_per_metric_also_where_the_run_failed(tmp_path):
    failed = [record("a", "z", metric, 0.0, status="source_failed") for metric in ("logme", "gbc")]
    table = scores_table([*records(), *failed])
    assert len(table) == 12 * 3 + 2
    rows = table[table["target"] == "segmentation/z"]
    assert set(rows["status"]) == {"source_failed"} and rows["score"].isna().all()
    write_table(table, tmp_path / "scores.parquet")
    pd.testing.assert_frame_equal(read_table(tmp_path / "scores.parquet"), table)


def test_tasks_drawn_from_one_dataset_are_compared_with_sources_alone():
    generator = np.random.default_rng(0)
    features = [
        ImageFeatures(name, "driving", "ilsvrc", generator.standard_normal((4, 3)), name)
        for name in ("a", "d@few_000", "d@few_001", "d@few_002")
    ]

    def pairs(sources=()):
        table = domain_distances_table(features, sources)
        return {tuple(pair) for pair in table[["source", "target"]].to_numpy().tolist()}

    assert pairs() == {pair for n in range(3) for pair in (("a", f"d@few_00{n}"), (f"d@few_00{n}", "a"))}
    own = {(f"d@few_00{n}", f"d@few_00{m}") for n in range(3) for m in range(3) if n != m}
    assert pairs({"d@few_001"}) - pairs() == {pair for pair in own if "d@few_001" in pair}


def test_distances_of_all_ordered_pairs():
    table = distances()
    assert len(table) == 4 * 3 * 4
    by = table.set_index(["target", "source", "assignment"])["distance"]
    assert by["a", "b", "source_to_target"] == pytest.approx(by["b", "a", "target_to_source"])
    assert by["a", "b", "symmetric"] == pytest.approx(
        (by["a", "b", "target_to_source"] + by["a", "b", "source_to_target"]) / 2
    )


def test_evaluation_finds_the_metric_that_is_the_gain():
    pairs = scored_pairs(scores_table(records()), gains(), distances())
    assert set(pairs["metric"]) == {"logme", "otce", "otce_combined", *BASELINE_RANKERS}
    table = metric_evaluation_table(pairs, draws=20)
    table = table[(table["task_type"] == "all") & (table["pairs_used"] == "all")]
    table = table.set_index(["metric", "fixed", "performance", "statistic"])["value"]
    assert table["logme", "none", "gain", "kendall"] == pytest.approx(1)
    assert table["logme", "source", "gain", "top_1"] == 1
    assert table["otce_combined", "none", "gain", "pearson"] == pytest.approx(
        1
    )  # fitted on the other targets
    assert np.isnan(table["source_size", "target", "value", "kendall"])  # all sizes are the same


def test_metrics_are_compared_on_common_pairs_too():
    table = scores_table(records())
    lost = (table["metric"] == "otce") & (table["source"] == "segmentation/a")
    table.loc[lost, "score"] = np.nan
    pairs = scored_pairs(table, gains(), distances())
    evaluation = metric_evaluation_table(pairs, draws=20)
    row = evaluation.set_index(["task_type", "pairs_used", "metric", "fixed", "performance", "statistic"])[
        "pairs"
    ]
    at = ("none", "gain", "kendall")
    assert row["all", "all", "logme", *at] == 12
    assert row["all", "common", "logme", *at] == row["all", "common", "otce", *at] == 9


def test_values_of_different_metrics_are_not_mixed():
    mixed = gains()
    mixed.loc[mixed["target"] == "segmentation/a", ["metric", "target_task_type"]] = ["rmse", "depth"]
    pairs = scored_pairs(scores_table(records()), mixed, distances())
    table = metric_evaluation_table(pairs, draws=20)
    assert set(table["task_type"]) == {"all", "segmentation", "depth"}
    everything = table[(table["task_type"] == "all") & (table["performance"] == "value")]
    assert "regret" not in set(everything["statistic"]) and "relative_regret" in set(everything["statistic"])
    assert "source" not in set(everything["fixed"])
    one = table[(table["task_type"] == "segmentation") & (table["performance"] == "value")]
    assert "regret" in set(one["statistic"]) and "source" in set(one["fixed"])


def test_transfers_over_a_baseline_at_chance_are_not_evaluated():
    frame = gains()
    frame.loc[frame["target"] == "segmentation/a", "baseline_at_chance"] = True
    pairs = scored_pairs(scores_table(records()), frame, distances())
    assert "segmentation/a" not in set(pairs["target"])


def test_a_lower_metric_is_turned():
    errors = gains().assign(higher_is_better=pd.array([False] * 12, dtype="boolean"))
    pairs = scored_pairs(scores_table(records()), errors, distances())
    assert (pairs["value"] <= 0).all()


def test_the_figure_has_a_panel_per_metric_the_best_first():
    pairs = scored_pairs(scores_table(records()), gains(), distances())
    panels = [[text.get_text() for text in axes.texts] for axes in score_scatter(pairs, "small_target").axes]
    assert len(panels) == 3 + len(BASELINE_RANKERS)
    assert ["LogME", "1.00, 4 targets"] in panels[:2]  # no interval for four targets
    assert panels[-1] == ["source size (baseline)", "no order to compare, 0 targets"]
    words = [text.get_text() for text in score_scatter(pairs.head(0), "small_target").texts]
    assert words == ["no scores of measured transfers in the small target regime"]


def test_the_figure_shows_ranks_within_targets():
    """Scores of two targets that differ a thousandfold give the same picture as equal ones."""
    pairs = scored_pairs(scores_table(records()), gains(), distances())
    part = pairs[pairs["metric"] == "logme"]
    scaled = part.assign(score=part["score"].where(part["target"] != "segmentation/a", 1000 * part["score"]))
    points = [
        np.concatenate(
            [
                np.asarray(dots.get_offsets())
                for dots in score_scatter(table, "small_target").axes[0].collections
            ]
        )
        for table in (part, scaled)
    ]
    np.testing.assert_allclose(points[0], points[1])
    assert len(points[0]) == 12
    assert (
        np.abs(points[0][:, 0] - points[0][:, 1]).max() < 0.17
    )  # a perfect metric: the diagonal, but for the spread


def test_domains_are_told_apart_without_colour():
    looks = domain_looks([f"domain_{number}" for number in range(36)])
    fills = [
        ("white" if look["facecolor"] == "white" else len(look["facecolor"]) and look["facecolor"][3])
        for look in looks.values()
    ]
    seen = {(look["marker"], fill) for look, fill in zip(looks.values(), fills, strict=True)}
    assert len(seen) == 36


def test_without_scores_the_tables_are_empty(tmp_path):
    empty = scores_table([])
    pairs = scored_pairs(empty, gains(), distances())
    assert set(pairs["metric"]) == set(BASELINE_RANKERS)
    write_table(metric_evaluation_table(pairs.head(0)), tmp_path / "metric_evaluation.parquet")
    write_table(metric_differences_table(pairs.head(0)), tmp_path / "metric_differences.parquet")
    write_table(metric_stability_table(pairs.head(0)), tmp_path / "metric_stability.parquet")


def score_rows(values: dict[str, dict[str, float]], target="segmentation/t") -> pd.DataFrame:
    rows = [
        {"source": source, "target": target, "regime": "small_target", "metric": metric, "score": score}
        | dict.fromkeys(("deviation", "samples", "reason", "device", "packages"))
        | {"status": "finished", "key": "k", "repeats": 1, "higher_is_better": True}
        for metric, by_source in values.items()
        for source, score in by_source.items()
    ]
    return frame_of(SCORES, rows)


def test_parts_are_brought_to_one_scale_over_the_sources_of_a_target():
    parts = {
        "ncti": {"a": np.nan, "b": np.nan, "c": np.nan},
        "ncti_geometry": {"a": 1.0, "b": 3.0, "c": 2.0},
        "ncti_nearest_centre": {"a": 0.0, "b": 0.0, "c": 1.0},
        "ncti_collapse": {"a": 10.0, "b": 20.0, "c": 20.0},
        "etran_energy": {"a": 1.0, "b": 2.0},
        "etran_classification": {"a": 1.0, "b": 0.0},
    }
    found = with_combined(score_rows(parts)).set_index(["metric", "source"])["score"]
    assert found["ncti"].to_dict() == {"a": 0 + 0 - 0, "b": 1 + 0 - 1, "c": 0.5 + 1 - 1}
    assert found["etran"].to_dict() == {"a": 0 + 1, "b": 1 + 0}
    assert "etran_detection" not in found.index


def test_scores_that_differ_by_rounding_are_one():
    table = score_rows(
        {"h_score": {"a": 3.0, "b": 3.0 + 1e-14, "c": 2.0}, "otce": {"a": -1.0, "b": -1.00005}}
    )
    found = with_ties(table).set_index(["metric", "source"])["score"]
    assert found["h_score", "a"] == found["h_score", "b"] != found["h_score", "c"]
    assert found["otce", "a"] == found["otce", "b"]  # which is known to 1e-4
