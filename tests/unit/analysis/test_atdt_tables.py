"""Tables, findings, page and figures of AT/DT from records with hand-computed means, gains and intervals."""

import math

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats

from transfer_atlas.analysis.atdt.figures import kept_images, levels_figure, panels_figure, tsne_figure
from transfer_atlas.analysis.atdt.findings import findings_of_atdt, verdict_of
from transfer_atlas.analysis.atdt.page import printed_rows, sections, write_page
from transfer_atlas.analysis.atdt.tables import (
    evaluations_table,
    gains_table,
    mean_over_seeds,
    results_table,
    runs_table,
)
from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.planning.facts import PUBLISHED


def record(direction, method, seed, value, on="b", status="finished", level=4):
    identity = {
        "a": "carla",
        "b": "city",
        "direction": direction,
        "method": method,
        "evaluated_on": on,
        "level": level if method.startswith("atdt") else None,
        "n1": "shared" if method.startswith("atdt") else None,
        "batch_norm": True,
        "seed": seed,
    }
    metrics = {"value": value, "pixel_accuracy": value + 0.3, "per_class": {"Road": value, "Sky": value}}
    if direction == "segmentation_to_depth":
        names = ("absolute_relative", "squared_relative", "rmse", "rmse_log", "delta_1", "delta_2", "delta_3")
        metrics = dict.fromkeys(names, value)
    finished = status == "finished"
    return identity, {
        "status": status,
        "reason": None if finished else "the loss was nan",
        "key": f"{seed:016x}",
        "metrics": metrics if finished else None,
    }


def evaluations(*more):
    rows = [record("depth_to_segmentation", "baseline", s, v) for s, v in enumerate([0.30, 0.32, 0.28])]
    rows += [record("depth_to_segmentation", "atdt", s, v) for s, v in enumerate([0.40, 0.41, 0.39])]
    rows += [record("segmentation_to_depth", "baseline", s, v) for s, v in enumerate([7.0, 7.5, 6.5])]
    rows += [record("segmentation_to_depth", "atdt", s, v) for s, v in enumerate([8.0, 8.6, 7.4])]
    return evaluations_table([*rows, *more])


def row(frame, **values):
    for name, value in values.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_means_and_intervals_are_students_over_seeds():
    mean, low, high = mean_over_seeds(np.array([1.0, 2.0, 3.0]))
    half = stats.t.ppf(0.975, 2) / math.sqrt(3)
    assert (mean, low, high) == pytest.approx((2.0, 2.0 - half, 2.0 + half))
    assert mean_over_seeds(np.array([1.0, math.nan]))[0] == 1.0
    assert all(math.isnan(value) for value in mean_over_seeds(np.array([2.0, 2.0]))[1:])
    assert all(math.isnan(value) for value in mean_over_seeds(np.array([])))


def test_results_hold_every_metric_of_the_papers_tables():
    results = results_table(evaluations())
    found = row(results, method="atdt", metric="mean_iou")
    assert found["mean"] == pytest.approx(0.40) and found["seeds"] == 3
    assert set(results.loc[results["metric"] == "iou", "class"]) == {"Road", "Sky"}
    depth = results[results["direction"] == "segmentation_to_depth"]
    assert len(set(depth["metric"])) == 7


def test_gains_pair_seeds_and_are_positive_where_the_method_is_better():
    gains = gains_table(evaluations())
    better = row(gains, method="atdt", metric="mean_iou")
    assert better["gain"] == pytest.approx(0.10) and better["baseline"] == pytest.approx(0.30)
    differences = np.array([0.10, 0.09, 0.11])
    half = stats.t.ppf(0.975, 2) * differences.std(ddof=1) / math.sqrt(3)
    assert better["high"] - better["gain"] == pytest.approx(half)
    assert row(gains, method="atdt", metric="rmse")["gain"] == pytest.approx(-1.0)  # a higher error is a loss
    assert row(gains, method="atdt", metric="delta_1")["gain"] == pytest.approx(1.0)


def test_findings_say_what_came_out_in_each_direction():
    findings = findings_of_atdt(gains_table(evaluations()))
    verdicts = {name.split("/")[0]: v for name, v in zip(findings["part"], findings["verdict"], strict=True)}
    assert verdicts == {"depth_to_segmentation": "holds", "segmentation_to_depth": "does_not_hold"}
    assert verdict_of(0.1, -0.1, 0.3, 3) == ("undecided", "the interval contains both")
    assert verdict_of(0.1, math.nan, math.nan, 1)[0] == "undecided"
    assert verdict_of(math.nan, math.nan, math.nan, 0)[0] == "not_measured"


def test_a_failed_seed_is_a_row_and_left_out_of_the_mean():
    found = evaluations(record("depth_to_segmentation", "oracle", 0, 0.0, status="diverged"))
    failed = found[found["method"] == "oracle"]
    assert set(failed["status"]) == {"diverged"} and failed["value"].isna().all()
    oracle = row(results_table(found), method="oracle", metric="mean_iou")
    assert math.isnan(oracle["mean"]) and (oracle["seeds"], oracle["failed"]) == (0, 1)


def test_tables_are_written_and_read_back(tmp_path):
    frames = {"atdt_evaluations": evaluations(), "atdt_results": results_table(evaluations())}
    frames["atdt_gains"] = gains_table(evaluations())
    frames["atdt_findings"] = findings_of_atdt(frames["atdt_gains"])
    frames["atdt_runs"] = runs_table([])
    for name, frame in frames.items():
        write_table(frame, tmp_path / f"{name}.parquet")
        pd.testing.assert_frame_equal(read_table(tmp_path / f"{name}.parquet"), frame)


def test_the_page_has_the_papers_tables_with_its_numbers_beneath(tmp_path):
    results, gains = results_table(evaluations()), gains_table(evaluations())
    write_page(results, findings_of_atdt(gains), PUBLISHED, tmp_path / "atdt.html")
    text = (tmp_path / "atdt.html").read_text(encoding="utf-8")
    for told in ("43.14", "23.24", "0.394", "40.00", "<div class='interval'>", "AT/DT", "Abs Rel", "holds"):
        assert told in text
    printed = printed_rows(PUBLISHED / "atdt_table1.csv")
    assert printed.loc[("Synthia", "Carla", "AT/DT"), "mIoU"] == 43.14
    write_page(results.head(0), findings_of_atdt(gains.head(0)), tmp_path, tmp_path / "none.html")


def test_cyclegans_rows_stand_with_tables_3_and_4_and_have_a_finding_of_their_own():
    more = [record("depth_to_segmentation", "atdt_cyclegan", s, v) for s, v in enumerate([0.42, 0.45, 0.44])]
    more += [record("depth_to_segmentation", "cyclegan", s, 0.33 + 0.01 * s) for s in range(3)]
    found = evaluations(*more)
    findings = findings_of_atdt(gains_table(found))
    assert set(findings["finding"]) == {"T01", "T02"}
    whole = row(findings, finding="T02", part="depth_to_segmentation/mean_iou/carla_to_city")
    assert whole["value"] == pytest.approx((0.12 + 0.13 + 0.16) / 3) and whole["verdict"] == "holds"
    tables = dict(sections(results_table(found), findings, PUBLISHED))
    segmentation = tables["Depth to segmentation, on domain B"]
    assert "AT/DT + CycleGAN" in segmentation and "43.20" in segmentation and "43.14" in segmentation
    assert (
        "15.636" not in tables["Segmentation to depth, on domain B"]
    )  # Table 4: no CycleGAN in this direction here


def test_figures_show_features_panels_and_levels(tmp_path):
    generator = np.random.default_rng(0)
    rows = {name: generator.normal(size=(20, 4)) for name in ("given", "mapped", "wanted")}
    assert len(tsne_figure({"depth_to_segmentation": rows}).axes) == 1
    narrow = rows | {"given": generator.normal(size=(20, 3))}  # features of task 1 with other channels
    tsne_figure({"depth_to_segmentation": narrow})
    for name in ("input", "truth", "prediction"):
        Image.new("RGB", (8, 8), (9, 9, 9)).save(tmp_path / f"{name}.png")
    files = {name: f"{name}.png" for name in ("input", "truth", "prediction")}
    kept = kept_images(tmp_path, {"shown": [{"image": "0", **files}]})
    figure = panels_figure({"depth_to_segmentation": {"baseline": kept, "atdt": kept, "oracle": kept}})
    assert [axes.get_title() for axes in figure.axes] == ["input", "Baseline", "AT/DT", "Oracle", "truth"]
    levels = [
        record("depth_to_segmentation", "atdt", 0, 0.4, on, level=n) for on in "ab" for n in range(1, 5)
    ]
    assert len(levels_figure(results_table(evaluations_table(levels))).axes) == 2
    assert (
        panels_figure({})
        and levels_figure(results_table(evaluations_table([])))
        and kept_images(tmp_path, None) == []
    )
