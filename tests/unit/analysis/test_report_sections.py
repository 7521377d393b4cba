"""Sections that only some studies have: what they say first, that they are not there without tables, hostile names."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from report_examples import HOSTILE, reported_study
from report_sections import combine_example, study_of_sections

from transfer_atlas.analysis.report.combinations import combinations
from transfer_atlas.analysis.report.interval_chart import interval_chart
from transfer_atlas.analysis.report.page import report_as_html
from transfer_atlas.analysis.report.relationships import relationship_chart, relationships
from transfer_atlas.analysis.report.source_pools import source_pools
from transfer_atlas.analysis.report.subtasks import by_relation, subtasks
from transfer_atlas.analysis.report.target_selection import target_selection


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return study_of_sections(tmp_path_factory.mktemp("sections"))


@pytest.fixture(scope="module")
def html(study):
    return report_as_html(study)


def test_a_study_without_such_tables_has_none_of_the_sections(tmp_path):
    plain = reported_study(tmp_path)
    page = report_as_html(plain)
    for name in ("combinations", "subtasks", "methods"):
        assert f'id="{name}"' not in page and f'href="#{name}"' not in page
    for title in ("Scoring fewer sources", "Targets that rank sources alike", "Which of many targets"):
        assert title not in page
    assert subtasks(plain) is None and combinations(plain) == [] and relationships(plain) == []


def test_targets_of_two_sorts_are_two_clusters_and_the_best_metric_is_named(study):
    (block,) = relationships(study)
    measured, scored = block["maps"]
    assert measured["name"] == "As measured" and scored["name"] == "By LogME"
    kinds = [{name.split("/")[1][:6] for name in cluster} for cluster in measured["clusters"]]
    assert kinds in ([{"drivin"}, {"indoor"}], [{"indoor"}, {"drivin"}]) and measured["alone"] == 0
    assert block["agreement"][0]["metric"] == "LogME"
    rows = measured["chart"]["datasets"]["rows"]
    assert len(rows) == 36 and {row["correlation"] for row in rows if row["first"] == row["second"]} == {1.0}
    order = [row["target"] for row in measured["rows"]]
    assert [row["first"] for row in rows if row["x"] == 1 and row["y"] == 2] == [order[1]]


def test_the_tree_beside_the_map_ends_in_its_leaves():
    names = ['a "quoted"', "b", "c"]
    correlations = np.array([[1.0, 0.9, -0.5], [0.9, 1.0, -0.4], [-0.5, -0.4, 1.0]])
    chart = relationship_chart(names, correlations, ["c", *names[:2]])
    (strokes,) = (rows for name, rows in chart["datasets"].items() if name != "rows")
    assert {row["leaf"] for row in strokes} >= {1.0, 2.0, 3.0}
    (first, *_), joined = sorted({row["at"] for row in strokes}), 3 + 0.6
    assert first == joined  # leaves are alike with themselves
    axis = chart["layer"][0]["encoding"]["y"]["axis"]
    assert json.dumps(["c", *names[:2]]) in axis["labelExpr"] and axis["labelOverlap"] is False


def test_a_source_is_told_which_metric_finds_its_best_target(study):
    (block,) = target_selection(study)
    assert block["best"]["metric"] == "LogME" and block["targets"] == 6
    assert block["source"] == "classification/things" and len(block["chart"]["datasets"]["rows"]) == 2


def test_filters_say_what_they_save_and_what_it_costs(study):
    (block,) = source_pools(study)
    summary = study.tables["source_pool_summary"]
    own = summary[(summary["metric"] == "logme") & (summary["filter"] == "prior")].iloc[0]
    (answer,) = block["answers"]
    assert answer["saved"] == f"{100 * own['saved']:.0f} %" and answer["targets"] == own["targets"] == 6
    assert len(block["rows"]) == len(summary)


def test_binary_tasks_are_told_by_finding_by_relation_and_one_by_one(study, html):
    told = subtasks(study)
    assert told["seeds"] == "2 seeds" and told["failed"] == 1
    assert [finding["finding"] for finding in told["findings"]] == ["S1", "S2", "S3"]
    (block,) = told["blocks"]
    best = block["rows"][0]
    assert best["family"] == "same family" and best["gained"]["order"] == pytest.approx(0.15, abs=0.02)
    assert len(told["transfers"]) == 2 * 5 * 4
    assert 'id="subtasks"' in html and "2 seeds; 1 transfers without a result" in html


def test_relations_average_over_sources_and_seeds_before_targets():
    rows = [("a", "x", 0.1), ("a", "x", 0.3), ("b", "x", 0.5), ("b", "x", None)]
    frame = pd.DataFrame(
        [
            {"target": target, "target_classes": target, "inputs": "same", "classes": "disjoint"}
            | {"related": True, "gained": gained, "dice": gained}
            for target, _, gained in rows
        ]
    )
    (found,) = by_relation(frame)
    assert found["value"] == pytest.approx((0.2 + 0.5) / 2)
    assert (found["targets"], found["transfers"]) == (2, 3)


def test_combined_sources_answer_first_and_say_what_failed(study, html):
    (found,) = combinations(study)
    driving, _ = found["answers"]
    assert driving["together"]["certainty"] == "better" and driving["together"]["gain"]["text"].startswith(
        "+12."
    )
    assert driving["fused"]["name"].startswith("proposed 3, sum") and driving["anchor"]
    assert [row["name"] for row in found["failed"]] == [
        "segmentation/indoor_0: as many that score lowest, seed 1"
    ]
    assert [row["over"] for row in found["gains"] if row["target"] == "segmentation/indoor_0"].count(
        "one seed"
    ) == 1
    assert HOSTILE not in html and html.count("&lt;script&gt;alert(") >= 2


def test_one_seed_is_said(study, tmp_path):
    combine_example(tmp_path / "combinations/one", seeds=(0,))
    transfers = study.tables["subtask_transfers"]
    single = replace(
        study,
        place=tmp_path,
        tables=study.tables | {"subtask_transfers": transfers[transfers["seed"] == 0]},
    )
    (found,) = combinations(single)
    assert {answer["together"]["certainty"] for answer in found["answers"]} == {"one seed: noise not known"}
    assert subtasks(single)["seeds"] == "one seed: noise between seeds is not known"


@pytest.mark.parametrize("name", ["fusions.parquet", "combination.json"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"no table"])
def test_damaged_combinations_are_named_and_harm_nothing(study, tmp_path, name, content):
    shutil.copytree(study.place / "combinations", tmp_path / "combinations")
    (path,) = tmp_path.glob(f"combinations/*/{name}")
    path.unlink() if content is None else path.write_bytes(content)
    (found,) = combinations(replace(study, place=tmp_path))
    assert found["problem"] and found["name"] == path.parent.name


def test_a_chart_of_nothing_is_none_and_of_values_without_intervals_has_no_bars():
    kinds = {"one": ("#000000", "circle")}
    assert interval_chart([], "title", kinds) is None
    row = {"name": "a", "value": float("nan"), "low": None, "high": None, "kind": "one"}
    assert interval_chart([row], "title", kinds) is None
    chart = interval_chart([row | {"value": 0.123}], "first; second", kinds)
    assert [layer["mark"]["type"] for layer in chart["layer"]] == ["rule", "point"]
    assert chart["description"] == "first; second: a 0.12"
    assert chart["layer"][-1]["encoding"]["x"]["title"] == ["first", "second"]
