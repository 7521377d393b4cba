"""Evaluation of scores: the papers' own figures from their printed tables, hand-computed values, intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import ndcg_score

from transfer_atlas.analysis.tables.metric_evaluation import (
    CORRELATIONS,
    discounted_cumulative_gain,
    evaluate,
    kendall,
    pearson,
    regret,
    relative_regret,
    spearman,
    top_hit,
    weighted_kendall,
)

PUBLISHED = Path(__file__).parents[4] / "shared" / "published"


def printed(name: str, value: str) -> pd.DataFrame:
    """A table of the paper with one value per (target, source), the 17 segmentation datasets only."""
    if not PUBLISHED.exists():
        pytest.skip(f"no published tables at {PUBLISHED}")
    table = pd.read_csv(PUBLISHED / f"foi_{name}.csv")[["target", "source", value]]
    return table[~table["source"].isin(["Multi", "Scratch", "ILSVRC12"])]


def scored(performance: str, value: str, *, transposed: str = "no") -> pd.DataFrame:
    distance = printed("domain_distance", "distance")
    turned = distance.rename(columns={"source": "target", "target": "source"})
    both = distance.merge(turned, on=["target", "source"], suffixes=("", "_turned"))
    both["score"] = {
        "no": -both["distance"],
        "yes": -both["distance_turned"],
        "mean": -(both["distance"] + both["distance_turned"]) / 2,
    }[transposed]
    gains = printed(performance, value).rename(columns={value: "performance"})
    pairs = both.merge(gains, on=["target", "source"])
    assert len(pairs) == 272
    return pairs


def value(table: pd.DataFrame, statistic: str) -> float:
    return float(table.set_index("statistic").loc[statistic, "value"])


@pytest.mark.parametrize(
    ("gains", "transposed", "pooled", "per_target"),
    [
        ("gains_small_target_seg", "no", 0.422, 0.393),  # printed: 0.38
        ("gains_small_source_small_target_seg", "no", 0.399, 0.362),  # Table 8: 0.39
        ("gains_small_source_small_target_seg", "yes", 0.014, 0.129),  # 0.02
        ("gains_small_source_small_target_seg", "mean", 0.237, 0.280),  # 0.23
    ],
)
def test_domain_distance_against_gains_as_published(gains, transposed, pooled, per_target):
    pairs = scored(gains, "gain", transposed=transposed)
    assert value(evaluate(pairs, fixed=None, seed=0, draws=2), "kendall") == pytest.approx(pooled, abs=5e-4)
    table = evaluate(pairs, fixed="target", seed=0, draws=2)
    assert value(table, "kendall") == pytest.approx(per_target, abs=5e-4)
    assert (table["groups"] == 17).all() and (table["pairs"] == 272).all()


def test_source_size_against_gains_as_published():
    pairs = scored("gains_small_target_seg", "gain")
    sizes = pd.read_csv(PUBLISHED / "foi_datasets.csv").set_index("key")["n_train"]
    pairs["score"] = pairs["source"].map(sizes)
    assert value(evaluate(pairs, fixed=None, seed=0, draws=2), "kendall") == pytest.approx(0.109, abs=5e-4)


def test_gbc_table_3_as_published():
    accuracy = scored("iou_small_target_seg", "iou_refined")
    table = evaluate(accuracy, fixed="target", seed=0, draws=2)
    assert value(table, "weighted_kendall") == pytest.approx(0.526, abs=5e-4)
    assert value(table, "top_1") == pytest.approx(0.308, abs=5e-4)
    table = evaluate(accuracy, fixed="target", seed=0, draws=2, ties="any")
    assert value(table, "top_1") == pytest.approx(9 / 17)
    gain = scored("gains_small_target_seg", "gain")
    table = evaluate(gain, fixed="source", seed=0, draws=2)
    assert value(table, "weighted_kendall") == pytest.approx(0.388, abs=5e-4)
    assert value(table, "top_1") == pytest.approx(0.382, abs=5e-4)
    table = evaluate(gain, fixed="source", seed=0, draws=2, ties="any")
    assert value(table, "top_1") == pytest.approx(7 / 17)  # printed: .41


def test_statistics_by_hand():
    score, performance = np.array([3.0, 2, 1, 0]), np.array([0.5, 0.7, 0.3, 0.1])
    assert kendall(score, performance) == pytest.approx(4 / 6)
    assert top_hit(score, performance) == 0
    assert top_hit(score, performance, 2) == 1
    assert regret(score, performance) == pytest.approx(0.2)
    assert relative_regret(score, performance) == pytest.approx(100 * 0.2 / 0.7)
    assert relative_regret(score, -performance) == pytest.approx(
        100 * 0.4 / 0.1
    )  # errors: five times the best
    assert weighted_kendall(score, score**3) == pytest.approx(1)
    assert np.isnan(kendall(np.ones(4), performance))
    assert np.isnan(weighted_kendall(np.ones(4), performance))


def test_ties_count_by_their_chance():
    score, performance = np.array([5.0, 5, 5, 9]), np.array([1.0, 4, 4, 2])
    assert top_hit(score, performance, 1) == 0
    assert top_hit(score, performance, 2) == pytest.approx(2 / 3)  # one of three equal scores is drawn
    assert top_hit(score, performance, 3) == pytest.approx(1)  # two of three, of which two are best
    assert top_hit(score, performance, 2, "any") == 1
    assert regret(np.array([1.0, 1, 0]), np.array([3.0, 1, 9])) == 7


def pairs_of(scores: np.ndarray, performances: np.ndarray) -> pd.DataFrame:
    rows = [
        {"target": f"t{i}", "source": f"s{j}", "score": scores[i, j], "performance": performances[i, j]}
        for i in range(scores.shape[0])
        for j in range(scores.shape[1])
    ]
    return pd.DataFrame(rows)


def test_intervals_shrink_with_the_number_of_targets():
    generator = np.random.default_rng(0)
    performance = generator.random((40, 8))
    good = pairs_of(performance + 0.2 * generator.standard_normal((40, 8)), performance)
    table = evaluate(good, fixed="target").set_index("statistic")
    assert (table["low"] < table["value"]).all() and (table["value"] < table["high"]).all()
    few = evaluate(good[good["target"].isin([f"t{i}" for i in range(6)])], fixed="target")
    width = table["high"] - table["low"]
    assert width["kendall"] < float(few.set_index("statistic").eval("high - low")["kendall"])
    random = pairs_of(generator.random((40, 8)), performance)
    chance = evaluate(random, fixed="target").set_index("statistic").loc["kendall"]
    assert chance["low"] < 0 < chance["high"]


def test_five_targets_have_no_interval_and_their_number_is_told():
    generator = np.random.default_rng(0)
    five = evaluate(pairs_of(generator.random((5, 8)), generator.random((5, 8))), fixed="target")
    assert five[["low", "high"]].isna().all(axis=None) and (five["groups"] == 5).all()
    pooled = evaluate(pairs_of(generator.random((5, 8)), generator.random((5, 8))), fixed=None)
    assert pooled[["low", "high"]].isna().all(axis=None) and pooled["value"].notna().all()


def test_a_pooled_correlation_allows_for_shared_sources():
    """Performance that is the source's own alone: eight observations, not eighty."""
    generator = np.random.default_rng(7)
    performance = np.tile(generator.random(8), (10, 1)) + 1e-3 * generator.random((10, 8))
    scores = np.tile(generator.random(8), (10, 1)) + 1e-3 * generator.random((10, 8))
    row = evaluate(pairs_of(scores, performance), fixed=None).set_index("statistic").loc["kendall"]
    assert row["high"] - row["low"] > 0.8


def test_intervals_come_from_the_seed_alone():
    generator = np.random.default_rng(0)
    pairs = pairs_of(generator.random((7, 4)), generator.random((7, 4)))
    first = evaluate(pairs, fixed="target", seed=3, draws=50)
    pd.testing.assert_frame_equal(first, evaluate(pairs, fixed="target", seed=3, draws=50))
    assert not first.equals(evaluate(pairs, fixed="target", seed=4, draws=50))


def test_missing_and_small_groups_are_left_out():
    pairs = pairs_of(np.array([[1.0, 2, 3], [3, 2, 1], [1, 1, 1]]), np.array([[1.0, 2, 3]] * 3))
    pairs.loc[3, "score"] = np.nan  # leaves two of t1, too few
    table = evaluate(pairs, fixed="target", seed=0, draws=10).set_index("statistic")
    assert table.loc["kendall", "value"] == 1
    assert table.loc["kendall", ["groups", "pairs"]].tolist() == [1, 3]  # t2 has no order
    assert np.isnan(table.loc["kendall", "low"])
    assert table.loc["regret", "value"] == pytest.approx((0 + 1) / 2)
    empty = evaluate(pairs.head(0), fixed="target", seed=0, draws=10)
    assert empty["value"].isna().all()
    assert evaluate(pairs.head(0), fixed=None, seed=0, draws=10)["value"].isna().all()


@settings(max_examples=100)
@given(st.integers(0, 10_000), st.integers(3, 40), st.integers(2, 30))
def test_statistics_are_those_of_the_libraries_also_with_ties(seed, number, kinds):
    generator = np.random.default_rng(seed)
    score, performance = generator.integers(0, kinds, (2, number)) / 7
    relevance = (stats.rankdata(performance) - 1) / (number - 1)
    if np.ptp(score) == 0 or np.ptp(performance) == 0:
        assert all(np.isnan(statistic(score, performance)) for statistic in CORRELATIONS.values())
        return
    for name, expected in {
        "kendall": stats.kendalltau(score, performance).statistic,
        "spearman": stats.spearmanr(score, performance).statistic,
        "pearson": stats.pearsonr(score, performance).statistic,
    }.items():
        assert CORRELATIONS[name](score, performance) == pytest.approx(expected, abs=1e-12)
    found = discounted_cumulative_gain(score, performance)
    assert found == pytest.approx(ndcg_score(relevance[None], score[None]))


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1e6, 1e150])
def test_the_same_order_correlates_to_the_last_bit_at_any_scale(scale):
    score = np.array([0.1, 0.2, 0.30000000000000004, 0.7, 5.0])
    assert spearman(score * scale, score) == 1.0
    assert spearman(-score * scale, score) == -1.0
    assert pearson(score * scale, score) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.filterwarnings("error")
def test_infinite_scores_have_an_order_and_all_the_same_have_none():
    score, performance = np.array([-np.inf, 1.0, 2.0, 3.0, np.inf]), np.array([1.0, 2.0, 3.0, 5.0, 4.0])
    assert spearman(score, performance) == pytest.approx(0.9)
    assert kendall(score, performance) == pytest.approx(0.8)
    assert np.isnan(pearson(score, performance))
    same = np.full(5, -np.inf)
    assert all(np.isnan(statistic(same, performance)) for statistic in CORRELATIONS.values())
    assert np.isnan(discounted_cumulative_gain(same, performance))
