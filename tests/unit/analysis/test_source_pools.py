"""Rank displacement by hand, filters that know nothing of the target, and what they are worth."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_atlas.analysis.recommendation.pools import kept_by_prior, kept_by_relations, worth_of_relations
from transfer_atlas.analysis.recommendation.predictors import COLUMNS, SCORED
from transfer_atlas.analysis.recommendation.prior import load_prior
from transfer_atlas.analysis.subtasks.relations import Relation
from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.footrule import displacement, displacements, footrule, largest_footrule
from transfer_atlas.analysis.tables.source_pools import source_pool_summary_table, source_pools_table

PRIOR = Path(__file__).parents[3] / "resources/prior"
LETTERS = list("abcdefgh")


def test_the_footrule_by_hand():
    assert footrule(np.array([1.0, 2, 3]), np.array([10.0, 20, 30])) == 0
    assert (
        footrule(np.array([1.0, 2, 3, 4]), np.array([4.0, 3, 2, 1])) == 3 + 1 + 1 + 3 == largest_footrule(4)
    )
    assert footrule(np.array([1.0, 2, 3]), np.array([2.0, 1, 3])) == 2
    assert footrule(np.array([1.0, 1, 3]), np.array([1.0, 2, 3])) == 1  # equal scores share place 1.5
    assert displacement(np.array([3.0, 2, 1]), np.array([1.0, 2, 3])) == 1
    both = np.array([[3.0, 2, 1], [1.0, 2, 3]])
    assert displacements(both, both[[1, 1]]).tolist() == [1, 0]
    assert np.isnan(displacements(both[:, :1], both[:, :1])).all()


@given(st.permutations(range(7)), st.permutations(range(7)))
def test_the_footrule_is_a_distance(first, second):
    first, second = np.array(first, float), np.array(second, float)
    found = footrule(first, second)
    assert found == footrule(second, first) and 0 <= displacement(first, second) <= 1
    assert (found == 0) == (list(first) == list(second))
    assert found == footrule(np.exp(first), 3 * second - 1)  # of the order alone


def subtask_transfers(dice):
    """Three targets of other classes, sources of two relations; dice(target, relation)."""
    return pd.DataFrame(
        [
            {
                "source": f"{relation}{number}",
                "target": target,
                "target_classes": target[:1],
                "regime": "few",
                "inputs": relation,
                "classes": "disjoint",
                "related": True,
                "dice": dice(target, relation),
            }
            for target in ("x_t1", "y_t1", "x_t2")
            for relation in ("same", "other")
            for number in range(2)
        ]
    )


def test_relations_are_learnt_from_targets_of_other_classes_alone():
    table = subtask_transfers(
        lambda target, relation: 0.5 + (0.1 if (relation == "same") == target.startswith("y") else 0)
    )
    worth = worth_of_relations(
        table, "x"
    )  # of y, where `same` is better; x in another modality is not looked at
    assert worth == {
        ("same", "disjoint", True): pytest.approx(0.05),
        ("other", "disjoint", True): pytest.approx(-0.05),
    }
    relations = [
        Relation("same", "disjoint", True),
        Relation("other", "disjoint", True),
        Relation("other", "subset", True),  # nothing is known of it
        None,
    ]
    assert kept_by_relations(relations, worth).tolist() == [True, False, True, True]
    assert kept_by_relations(relations, worth_of_relations(table, "y")).tolist() == [False, True, True, True]
    assert worth_of_relations(table.head(0), "x") == {}


def evidence(targets=("m", "n", "o"), good="abcd"):
    """Transfers on three datasets; large sources, whose names are in `good`, gain."""
    rows = [
        {
            "origin": "study",
            "target": f"segmentation/{target}",
            "source": f"segmentation/{source}",
            "target_dataset": target,
            "source_dataset": source,
            "target_task_type": "segmentation",
            "gain": 10.0 * (source in good) - LETTERS.index(source),
            "size": 1000.0 if source in good else 10.0,
            "same_domain": 0.0,
            "same_task_type": 1.0,
        }
        for target in targets
        for source in LETTERS
    ]
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def test_the_prior_keeps_what_was_good_elsewhere_and_never_looks_at_the_target():
    table = evidence()
    own = table[table["target_dataset"] == "m"]
    kept = kept_by_prior(own, table, 4)
    assert set(own["source"][kept]) == {f"segmentation/{each}" for each in "abcd"}
    lies = table.assign(gain=table["gain"].where(table["target_dataset"] != "m", -table["gain"]))
    assert kept_by_prior(own, lies, 4).tolist() == kept.tolist()
    assert kept_by_prior(own, table, 99).all()


def test_ties_of_the_prior_are_broken_by_name_whatever_the_order_of_rows():
    table = evidence(good="")
    own = table[table["target_dataset"] == "m"].assign(size=np.nan)
    nothing = table.head(0)
    kept = set(own["source"][kept_by_prior(own, nothing, 3)])
    turned = own[::-1]
    assert (
        kept
        == {f"segmentation/{each}" for each in "abc"}
        == set(turned["source"][kept_by_prior(turned, nothing, 3)])
    )


def pairs(score, targets=("m", "n", "o")):
    values = {each: at for at, each in enumerate(reversed(LETTERS))}
    return pd.DataFrame(
        [
            {
                "metric": "leep",
                "regime": "few",
                "source": f"segmentation/{source}",
                "target": f"segmentation/{target}",
                "score": score(source),
                "value": float(values[source]),
            }
            for target in targets
            for source in LETTERS
        ]
    )


def test_a_pool_whose_lower_half_confuses_the_metric_is_ranked_better_when_filtered(tmp_path):
    def score(source):  # in order among the good ones, but the worst of all scores highest
        return 99.0 if source == "h" else -LETTERS.index(source)

    empty = subtask_transfers(lambda *_: 0.5).head(0)
    table = source_pools_table(pairs(score), evidence(), empty)
    write_table(table, tmp_path / "source_pools.parquet")
    table = read_table(tmp_path / "source_pools.parquet")
    assert set(table["filter"]) == {"prior"} and len(table) == 3
    row = table.iloc[0]
    assert (row["sources"], row["kept"], row["saved"]) == (8, 4, 0.5)
    assert row["footrule"] == 14 and row["displacement"] == 14 / 32  # h moves by 7, all others by 1
    assert row["footrule_kept"] == 0 and row["best_kept"]
    assert row["regret"] == 7 and row["regret_kept"] == 0
    assert 0 < row["displacement_random"] < 1
    summary = source_pool_summary_table(table)
    write_table(summary, tmp_path / "source_pool_summary.parquet")
    assert (
        summary["change"].tolist() == [-14 / 32] and summary["change_low"].isna().all()
    )  # three targets: no interval
    shuffled = source_pools_table(pairs(score).sample(frac=1, random_state=1), evidence(), empty)
    pd.testing.assert_frame_equal(table, shuffled.astype(table.dtypes))


def test_pools_of_binary_tasks_are_filtered_by_relations_and_small_ones_are_none():
    table = subtask_transfers(lambda target, relation: 0.5 + 0.1 * (relation == "same"))
    scored = table.assign(metric="leep", score=[3.0, 4, 1, 2] * 3, value=[0.6, 0.61, 0.5, 0.49] * 3)
    found = source_pools_table(scored, evidence(), table)
    assert set(found["filter"]) == {"relations"}  # the prior knows none of these sources
    assert found["kept"].eq(2).all() and found["best_kept"].all()
    few = scored[scored["source"] != "same0"]
    assert source_pools_table(few, evidence(), table).empty
    assert source_pool_summary_table(found.head(0)).empty


def test_what_the_prior_is_worth_on_published_pairs():
    """The table of docs/using_transferability.md: sources and scores that GBC publishes."""
    evidence = load_prior(PRIOR).transfers
    scored = [name for name in SCORED if name in evidence]
    found = evidence.melt(["source", "target", "gain"], scored, "metric", "score").assign(
        regime="small_target"
    )
    empty = subtask_transfers(lambda *_: 0.5).head(0)
    pools = source_pools_table(found.rename(columns={"gain": "value"}), evidence, empty, origin="published")
    summary = source_pool_summary_table(pools).set_index("metric")
    assert (
        set(summary["targets"]) == {17} and set(summary["sources"]) == {16} and set(summary["saved"]) == {0.5}
    )
    assert summary["best_kept"].round(2).eq(0.94).all()
    full = {"gbc": 0.371, "h_score": 0.451, "leep": 0.425, "logme": 0.342, "n_leep": 0.410}
    kept = {"gbc": 0.338, "h_score": 0.500, "leep": 0.375, "logme": 0.331, "n_leep": 0.379}
    assert summary["displacement"].round(3).to_dict() == full
    assert summary["displacement_kept"].round(3).to_dict() == kept
    interval = summary.loc["leep", ["change_low", "change", "change_high"]].astype(float).round(3)
    assert interval.tolist() == [-0.093, -0.05, -0.006]
