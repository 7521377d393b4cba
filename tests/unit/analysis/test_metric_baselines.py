"""The evaluation of metrics on published numbers: GBC's Table 3, the rankers that need no score, what is decided."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from transfer_atlas.analysis.published.metric_checks import metric_checks
from transfer_atlas.analysis.published.metric_pairs import (
    architecture_pairs,
    factors_of_influence_pairs,
    segmentation_272_pairs,
)
from transfer_atlas.analysis.tables.baseline_rankers import BASELINE_RANKERS, baseline_scores, static_rank
from transfer_atlas.analysis.tables.metric_comparison import agreement, differences, stability
from transfer_atlas.analysis.tables.metric_evaluation import by_group, evaluate, weighted_kendall
from transfer_atlas.analysis.tables.scores import metric_evaluation_table

FOLDER = Path(__file__).parents[3] / "resources" / "published"


@pytest.fixture(scope="module")
def pairs():
    return segmentation_272_pairs(FOLDER)


@pytest.fixture(scope="module")
def checks():
    return pd.DataFrame(metric_checks(FOLDER))


def of(table, metric, performance="value", fixed="target"):
    chosen = table[table["metric"] == metric].assign(performance=lambda rows: rows[performance])
    return evaluate(chosen, fixed=fixed).set_index("statistic")


# --- the printed comparisons -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "fixed", "top_1", "tau"),
    [
        ("leep", "target", 0.47, 0.517),
        ("gbc", "target", 0.65, 0.59),
        ("logme", "target", 0.59, 0.638),
        ("leep", "source", 0.24, 0.62),
        ("gbc", "source", 0.76, 0.69),
    ],
)
def test_gbc_table_3_from_the_published_results(pairs, metric, fixed, top_1, tau):
    """Top-1 as printed; tau as printed but for a fixed target's LEEP (.53) and LogME (.63)."""
    found = of(pairs, metric, fixed=fixed)
    assert round(found.loc["top_1", "value"], 2) == top_1
    assert found.loc["weighted_kendall", "value"] == pytest.approx(tau, abs=0.005)


def test_what_does_not_follow_stands_with_both_numbers(checks):
    wrong = checks[checks["agrees"].eq(False)]
    assert (wrong["note"].str.len() > 20).all()
    found = wrong.set_index(["place", "row", "statistic"])[["printed", "derived"]]
    assert found.loc[("Table 3", "fixed source: LogME", "tau_w")].tolist() == [
        0.08,
        pytest.approx(-0.541, abs=5e-4),
    ]
    assert found.loc[("Table 1", "average: GBC, un-rounded results", "tau_w")].tolist() == [
        0.47,
        pytest.approx(0.604, abs=2e-3),
    ]
    assert set(wrong["place"]) == {"Table 1", "Table 3"}


def test_averages_of_the_other_papers_follow(checks):
    averages = checks[checks["paper"].isin(["talk on OTCE", "Ramirez et al. 2019"])]
    assert len(averages) == 42 + 16 and averages["agrees"].all()
    assert checks[checks["place"] == "Table 2"]["agrees"].all()


# --- rankers that need no score ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ranker", "tau", "top_1", "regret"),
    [
        ("source_size", 0.21, 0.29, 1.95),
        ("static_rank", 0.47, 0.29, 2.03),
        ("domain_distance", 0.53, 0.34, 1.48),
        ("same_domain_then_size", 0.43, 0.65, 0.47),
        ("static_and_distance", 0.592, 0.59, 0.43),
        ("leep", 0.52, 0.47, 0.65),
        ("n_leep", 0.57, 0.59, 0.56),
        ("h_score", 0.40, 0.35, 1.87),
        ("gbc", 0.593, 0.65, 0.29),
        ("logme", 0.638, 0.59, 0.49),
    ],
)
def test_rankers_on_the_pairs_of_gbc(pairs, ranker, tau, top_1, regret):
    found = of(pairs, ranker)["value"]
    assert found["weighted_kendall"] == pytest.approx(tau, abs=0.005)
    assert found["top_1"] == pytest.approx(top_1, abs=0.005)
    assert 100 * found["regret"] == pytest.approx(regret, abs=0.006)  # points of mean IoU


@pytest.mark.parametrize(
    ("regime", "ranker", "tau"),
    [
        ("small_target", "source_size", 0.24),
        ("small_target", "static_rank", 0.50),
        ("small_target", "domain_distance", 0.535),
        ("small_target", "same_domain_then_size", 0.45),
        ("small_target", "static_and_distance", 0.61),
        ("full_target", "static_rank", 0.35),
        ("full_target", "domain_distance", 0.30),
        ("full_target", "static_and_distance", 0.395),
        ("small_source_small_target", "static_rank", 0.25),
        ("small_source_small_target", "domain_distance", 0.46),
        ("small_source_small_target", "static_and_distance", 0.42),
    ],
)
def test_rankers_on_the_printed_gains(regime, ranker, tau):
    table = factors_of_influence_pairs(FOLDER)
    found = of(table[table["regime"] == regime], ranker, "gain")
    assert found.loc["weighted_kendall", "value"] == pytest.approx(tau, abs=0.006)
    assert found.loc["weighted_kendall", "groups"] == 17


def test_a_static_list_of_architectures_is_level_with_the_metrics():
    table = architecture_pairs(FOLDER)
    assert table["target"].nunique() == 9 and table["source"].nunique() == 19
    taus = {
        name: of(table, name).loc["weighted_kendall", "value"]
        for name in ("static_rank", "gbc", "logme", "leep")
    }
    assert taus["static_rank"] > taus["gbc"] > taus["logme"] > 0.4 > 0.1 > taus["leep"]


def test_the_static_rank_never_sees_the_target():
    rows = pd.DataFrame(
        [
            {"regime": "r", "source": source, "target": f"{kind}/{dataset}", "target_task_type": kind}
            | {"target_dataset": dataset, "value": value}
            for kind, dataset, values in (
                ("segmentation", "x", (3.0, 2.0, 1.0)),
                ("segmentation", "y", (3.0, 1.0, 2.0)),
                ("depth", "x", (1.0, 2.0, 3.0)),
            )
            for source, value in zip("abc", values, strict=True)
        ]
    )
    found = static_rank(rows).to_numpy().reshape(3, 3)
    assert found[0].tolist() == [0.0, -1.0, -0.5]  # x by segmentation of y
    assert found[1].tolist() == [0.0, -0.5, -1.0]  # y by segmentation of x
    assert found[2].tolist() == [
        0.0,
        -1.0,
        -0.5,
    ]  # depth: no other target, so those of segmentation, but not on x
    changed = rows.assign(value=rows["value"].where(rows["target"] != "segmentation/x", -rows["value"]))
    assert static_rank(changed).to_numpy().reshape(3, 3)[0].tolist() == found[0].tolist()


def test_a_dataset_is_at_distance_zero_from_itself():
    rows = pd.DataFrame(
        {
            "regime": "r",
            "source": ["segmentation/a", "segmentation/b"],
            "target": "depth/a",
            "value": [1.0, 2.0],
        }
        | {"source_dataset": ["a", "b"], "target_dataset": "a", "target_task_type": "depth"}
        | {"source_n_train": [5, 9], "within_domain": [True, False]}
    )
    near = pd.DataFrame({"source": ["b"], "target": ["a"], "distance": [2.5]})
    found = baseline_scores(rows, near).set_index(["metric", "source"])["score"]
    assert found["domain_distance"].tolist() == [0.0, -2.5]
    assert found["same_domain_then_size", "segmentation/a"] > found["same_domain_then_size", "segmentation/b"]
    assert found["source_size"].tolist() == [5.0, 9.0]


# --- what is decided ---------------------------------------------------------------------------------------


def test_seventeen_targets_decide_little(pairs):
    frame = pd.DataFrame(differences(pairs.assign(performance=pairs["value"])))
    taus = frame[frame["statistic"] == "weighted_kendall"].set_index(["reference", "metric"])
    level = taus.loc[("gbc", "static_and_distance")]
    assert level["difference"] == pytest.approx(-0.002, abs=2e-3)
    assert level["low"] < -0.05 and level["high"] > 0.05 and level["p_holm"] > 0.5
    assert (taus.loc["logme"]["difference"] < 0).all()  # nothing beats LogME ...
    assert taus.loc[("logme", "gbc"), "p_holm"] > 0.05  # ... but GBC is not decided
    assert taus.loc[("logme", "source_size"), "p_holm"] < 0.01
    assert taus.loc[("logme", "same_domain_then_size"), "p_holm"] < 0.01
    assert (taus["p_holm"] >= taus["p_value"] - 1e-12).all()
    assert (taus["groups"] == 17).all() and (taus["pairs"] == 272).all()


def test_differences_are_taken_on_the_pairs_that_both_have(pairs):
    part = pairs[pairs["metric"].isin(["gbc", "logme"])].assign(performance=pairs["value"])
    part = part[~((part["metric"] == "gbc") & (part["source"] == "segmentation/coco"))]
    row = next(iter(differences(part)))
    assert row["pairs"] == 272 - 16
    both = [part[(part["metric"] == m) & (part["source"] != "segmentation/coco")] for m in ("gbc", "logme")]
    taus = [by_group(rows, "target", {"t": weighted_kendall})["t"] for rows in both]
    expected = (taus[0] - taus[1]).mean()
    assert abs(row["difference"]) == pytest.approx(abs(expected))


def test_stability_without_single_sources(pairs):
    part = pairs[pairs["metric"].isin(["gbc", "source_size"])].assign(performance=pairs["value"])
    rows = pd.DataFrame(stability(part)).set_index("metric")
    size = rows.loc["source_size"]
    assert size["lowest_without"] == "segmentation/coco" and size["lowest"] < 0.05 < 0.2 < size["value"]
    assert (size["place"], size["best_place"], size["worst_place"]) == (2, 2, 2)
    assert size["agreement"] == pytest.approx(1)  # one list for all targets
    assert 0.2 < rows.loc["measured", "agreement"] < 0.4  # measured rankings are far from one list
    assert math.isnan(rows.loc["measured", "value"])


def test_agreement_by_hand():
    index = pd.MultiIndex.from_product([["a", "b", "c"], ["x", "y"]], names=["source", "target"])
    assert agreement(pd.Series([1.0, 3, 2, 2, 3, 1], index)) == -1
    assert np.isnan(agreement(pd.Series([1.0, 3, 2, 2, 3, np.nan], index)))


def test_baselines_always_stand_in_the_table(pairs):
    table = metric_evaluation_table(pairs, draws=100)
    assert set(BASELINE_RANKERS) == set(table[table["is_baseline"]]["metric"])
    assert set(table["performance"]) == {"value"}  # the gain was not published
    row = table[(table["pairs_used"] == "common") & (table["metric"] == "gbc") & (table["fixed"] == "target")]
    assert (row["groups"] == 17).all()


# --- the documentation -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "table", "performance", "unit"),
    [
        ("The 272 segmentation pairs", segmentation_272_pairs, "value", 100),
        ("The same baselines", factors_of_influence_pairs, "gain", 1),
        ("Nine classification targets", architecture_pairs, "value", 100),
    ],
)
def test_docs_metrics_tells_what_comes_out(place, table, performance, unit):
    text = (FOLDER.parents[1] / "docs" / "metrics.md").read_text(encoding="utf-8")
    lines = text[text.index(place) :].split("|---|---|---|---|\n")[1].split("\n\n")[0].splitlines()
    found = table(FOLDER)
    found = found[found["regime"] != "full_target"]
    found = found[found["regime"] != "small_source_small_target"]
    assert len(lines) == found["metric"].nunique()
    for line in lines:
        name, *cells = (cell.strip().strip("`") for cell in line.strip("|").split("|"))
        rows = of(found, name, performance)
        for statistic, factor, cell in zip(
            ("weighted_kendall", "top_1", "regret"), (1, 1, unit), cells, strict=True
        ):
            row = factor * rows.loc[statistic, ["value", "low", "high"]].astype(float)
            assert cell == f"{row['value']:.2f} ({row['low']:.2f} to {row['high']:.2f})", (name, statistic)
