"""The table `target_selection`: one source, many sampled targets."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.target_selection import target_selection_table


def pairs(metric: str, score, value, source="classification/things", tasks="subset") -> pd.DataFrame:
    targets = [f"classification/digits@{tasks}_{number:03d}" for number in range(len(score))]
    columns = {"metric": metric, "source": source, "target": targets, "regime": "full_target"}
    return pd.DataFrame(columns | {"score": score, "value": value})


def classes_of(*numbers: int, tasks="subset") -> pd.DataFrame:
    """`per_class` of as many targets, two transfers each."""
    targets = [f"classification/digits@{tasks}_{place:03d}" for place in range(len(numbers))]
    rows = [
        {"target": target, "seed": seed, "class": f"class{name}"}
        for target, number in zip(targets, numbers, strict=True)
        for seed in (0, 1)
        for name in range(number)
    ]
    return pd.DataFrame(rows, columns=["target", "seed", "class"])


NONE = classes_of()


def test_one_row_for_every_source_and_metric_with_its_interval(tmp_path):
    generator = np.random.default_rng(0)
    value = generator.random(30)
    noisy = value + 0.2 * generator.standard_normal(30)
    table = target_selection_table(
        pd.concat([pairs("gbc", value, value), pairs("leep", noisy, value), pairs("nce", -noisy, value)]),
        NONE,
    )
    write_table(table, tmp_path / "target_selection.parquet")
    table = read_table(tmp_path / "target_selection.parquet").set_index(["metric", "statistic"])
    of = table.loc[("leep", "weighted_kendall")]
    assert of["value"] == pytest.approx(stats.weightedtau(noisy, value).statistic)
    assert of["low"] < of["value"] < of["high"] <= 1 and of["targets"] == 30
    assert of["tasks"] == "classification/digits@subset"
    assert table.loc[("gbc", "kendall"), "value"] == 1
    assert table.loc[("nce", "kendall"), "value"] == -table.loc[("leep", "kendall"), "value"]


def test_what_is_no_order_has_no_row_and_too_few_have_no_interval():
    few = pairs("gbc", [1.0, 2, 3, 4], [0.1, 0.3, 0.2, 0.4])
    same = pairs("source_size", [5.0] * 8, np.arange(8) / 8)
    two = pairs("leep", [1.0, 2.0], [0.2, 0.1])
    gone = pairs("logme", [np.nan] * 8, np.arange(8) / 8)
    whole = pairs("nce", np.arange(8.0), np.arange(8) / 8).assign(target="classification/digits")
    table = target_selection_table(pd.concat([few, same, two, gone, whole]), NONE)
    assert set(table["metric"]) == {"gbc"} and table[["low", "high"]].isna().all(axis=None)
    assert target_selection_table(few.head(0), NONE).empty


def test_sets_of_sampled_tasks_are_apart():
    value = np.arange(8) / 8
    table = target_selection_table(
        pd.concat([pairs("gbc", value, value), pairs("gbc", -value, value, tasks="few")]), NONE
    )
    found = table[table["statistic"] == "kendall"].set_index("tasks")["value"].to_dict()
    assert found == pytest.approx({"classification/digits@few": -1, "classification/digits@subset": 1})


def test_a_metric_stands_beside_what_needs_no_labels_and_not_beside_what_knows_the_source_alone():
    value = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])
    size = pairs("source_size", np.arange(6.0), value)  # would order the targets if it were asked
    rank = pairs("static_rank", -value, value)
    far = pairs("domain_distance", value, value)
    per_class = classes_of(2, 3, 5, 4, 6, 6)
    found = target_selection_table(
        pd.concat([pairs("leep", -value, value), size, rank, far]), per_class
    ).set_index(["metric", "statistic"])
    assert set(found.index.get_level_values("metric")) == {"leep", "domain_distance", "number_of_classes"}
    number = found.loc[("number_of_classes", "kendall")]
    assert number["value"] == pytest.approx(stats.kendalltau([-2, -3, -5, -4, -6, -6], value).statistic)
    assert (
        number["targets"] == 6 and number["is_baseline"] and not found.loc[("leep", "kendall"), "is_baseline"]
    )


def test_targets_whose_classes_are_not_known_have_no_number_of_them():
    value = np.arange(8) / 8
    table = target_selection_table(pairs("leep", value, value), classes_of(2, 3, 4))
    assert table.set_index(["metric", "statistic"]).loc[("number_of_classes", "kendall"), "targets"] == 3
    assert set(target_selection_table(pairs("leep", value, value), NONE)["metric"]) == {"leep"}
