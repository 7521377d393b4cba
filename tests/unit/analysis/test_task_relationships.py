"""Targets that rank sources alike, and ranking agreement by DCG: by hand, by another library, and attacked."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.metric_evaluation import discounted_cumulative_gain, evaluate
from transfer_atlas.analysis.tables.task_relationships import (
    correlations_of,
    relationship_agreement_table,
    task_relationships_table,
)

SOURCES = [f"segmentation/s{number}" for number in range(6)]


def pairs(scores: dict[str, list[float]], metric="gbc", gains: dict[str, list[float]] | None = None):
    rows = [
        {"metric": metric, "regime": "small_target", "target": target, "source": source, "score": score}
        | {"gain": (gains or scores)[target][number]}
        for target, values in scores.items()
        for number, (source, score) in enumerate(zip(SOURCES, values, strict=False))
    ]
    return pd.DataFrame(rows)


UP, DOWN = [1.0, 2, 3, 4, 5, 6], [6.0, 5, 4, 3, 2, 1]
FOUR = {"t/a": UP, "t/b": [1.0, 2, 3, 4, 6, 5], "t/c": DOWN, "t/d": [6.0, 5, 4, 3, 1, 2]}


def test_two_sorts_of_targets_are_two_clusters(tmp_path):
    table = task_relationships_table(pairs(FOUR))
    write_table(table, tmp_path / "task_relationships.parquet")
    table = read_table(tmp_path / "task_relationships.parquet")
    own = table[table["metric"] == "gbc"].set_index("target")
    assert own["cluster"]["t/a"] == own["cluster"]["t/b"] != own["cluster"]["t/c"] == own["cluster"]["t/d"]
    assert own["nearest"].to_dict() == {"t/a": "t/b", "t/b": "t/a", "t/c": "t/d", "t/d": "t/c"}
    assert own["correlation"]["t/a"] == pytest.approx(stats.spearmanr(UP, FOUR["t/b"]).statistic)
    assert own["joins_at"]["t/a"] == pytest.approx(own["correlation"]["t/a"])
    assert sorted(own["place"]) == [1, 2, 3, 4] and abs(own["place"]["t/a"] - own["place"]["t/b"]) == 1
    assert set(table["metric"]) == {"gbc", "measured"}


def test_a_metric_agrees_with_what_was_measured_or_does_not():
    generator = np.random.default_rng(0)
    many = {f"t/{n}": list(UP if n % 2 else DOWN) for n in range(8)}
    many = {target: list(np.array(values) + generator.normal(0, 0.8, 6)) for target, values in many.items()}
    noise = {target: list(generator.normal(size=6)) for target in many}
    given = pd.concat([pairs(many), pairs(noise, "leep", many)])
    found = relationship_agreement_table(given, task_relationships_table(given)).set_index("metric")
    assert found.loc["gbc", "spearman"] == pytest.approx(1) and found.loc["gbc", "rand_index"] == 1
    assert abs(found.loc["leep", "spearman"]) < 0.6 and found.loc["leep", "rand_index"] < 0.5
    assert found.loc["leep", "low"] < found.loc["leep", "spearman"] < found.loc["leep", "high"]
    assert (found["targets"] == 8).all() and (found["pairs"] == 28).all()


def test_order_and_scale_mean_nothing():
    given = pairs(FOUR)
    shuffled = given.sample(frac=1, random_state=1).assign(score=given["score"] * 1e6)
    pd.testing.assert_frame_equal(task_relationships_table(given), task_relationships_table(shuffled))


def test_targets_that_cannot_be_compared_are_left_out_and_too_few_have_no_row():
    missing = np.nan
    scores = {**FOUR, "t/e": [1.0, 2, missing, missing, missing, missing], "t/f": [3.0] * 6}
    table = task_relationships_table(pairs(scores))
    assert set(table["target"]) == set(FOUR)
    known, found = correlations_of(pd.DataFrame(scores).T)
    assert known == list(FOUR) and np.isfinite(found).all()
    assert task_relationships_table(pairs({"t/a": UP, "t/b": DOWN})).empty
    none = task_relationships_table(pairs(FOUR).head(0))
    assert none.empty and relationship_agreement_table(pairs(FOUR).head(0), none).empty
    unmeasured = pairs(FOUR).assign(gain=missing)
    assert relationship_agreement_table(unmeasured, task_relationships_table(unmeasured)).empty


def test_a_target_is_no_source_of_itself_and_baselines_have_no_rows():
    square = {
        f"segmentation/s{n}": [missing if n == k else float(k) for k in range(6)]
        for n, missing in enumerate([np.nan] * 6)
    }
    table = task_relationships_table(pd.concat([pairs(square), pairs(square, "source_size")]))
    assert set(table["metric"]) == {"gbc", "measured"} and (table["sources"] == 5).all()
    assert (table["cluster"] == 1).all() and table["correlation"].eq(1).all()


def test_dcg_by_hand():
    # performance ranks the four 3, 2, 1, 0 of 3; the score takes the second first
    ideal = 1 + (2 / 3) / np.log2(3) + (1 / 3) / 2
    swapped = 2 / 3 + 1 / np.log2(3) + (1 / 3) / 2
    performance = np.array([40.0, 30, 20, 10])
    assert discounted_cumulative_gain(np.array([3.0, 4, 2, 1]), performance) == pytest.approx(swapped / ideal)
    assert discounted_cumulative_gain(performance * 1e6, performance) == pytest.approx(1)
    # two at the top are equal: each has the mean of both discounts
    tied = (1 + 2 / 3) * (1 + 1 / np.log2(3)) / 2 + (1 / 3) / 2
    assert discounted_cumulative_gain(np.array([2.0, 2, 1, 0]), performance) == pytest.approx(tied / ideal)
    assert np.isnan(discounted_cumulative_gain(np.ones(4), performance))
    assert np.isnan(discounted_cumulative_gain(performance, np.ones(4)))


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(3, 12))
def test_dcg_is_of_orders_alone_and_the_best_order_is_the_most(seed, number):
    generator = np.random.default_rng(seed)
    score, performance = generator.normal(size=(2, number))
    found = discounted_cumulative_gain(score, performance)
    assert 0 < found <= 1 + 1e-12
    assert discounted_cumulative_gain(np.exp(score), performance**3) == pytest.approx(found)
    assert discounted_cumulative_gain(-performance, performance) <= found + 1e-12


def test_dcg_is_among_the_statistics_of_every_metric():
    generator = np.random.default_rng(0)
    given = pairs({f"t/{n}": list(generator.random(6)) for n in range(8)}).rename(
        columns={"gain": "performance"}
    )
    found = evaluate(given, fixed="target", draws=200).set_index("statistic")
    assert found.loc["dcg", "value"] == 1 and found.loc["dcg", "groups"] == 8
