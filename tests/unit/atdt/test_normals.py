"""Surface normals in AT/DT: from segmentation to normals on real runs, and what is planned without segmentation."""

import pytest
from atdt_examples import SMALL, carried_out, planned, study

from transfer_atlas.analysis.atdt.findings import findings_of_atdt
from transfer_atlas.analysis.atdt.page import shaped
from transfer_atlas.analysis.atdt.tables import evaluations_table, gains_table, results_table
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.store.store import read_run

TRAINING = {name: {**SMALL, "steps": 20} for name in ("segmentation", "normals")}


def test_normals_are_a_task_2_like_any_other(tmp_path):
    chosen = {"directions": ["segmentation_to_normals"], "methods": ["baseline", "atdt"]}
    plan = planned(study(normals=True, training=TRAINING, experiment=chosen))
    found = carried_out(list(plan.of_kind("atdt_evaluation")), tmp_path)
    n2 = next(each for each in found.values() if each["settings"].get("tasks") == {"normals": ["carla"]})
    curve = n2["metrics"]["curve"]
    assert curve[-1][1] < 0.9 and "classes" not in n2["settings"] and "depth_maximum" not in n2["settings"]
    told = [
        (each.identity, read_run(each.run.folder(tmp_path / "store")))
        for each in plan.wanted_of("atdt_evaluation")
    ]
    for _, record in told:
        metrics = record["metrics"]
        assert 0 < metrics["value"] < 90 and 0 < metrics["median_angular_error"] < 90
        assert metrics["below_11_25"] <= metrics["below_22_5"] <= metrics["below_30"] <= 1
        assert len(metrics["shown"]) == 3
    evaluations = evaluations_table(told)
    results, gains = results_table(evaluations), gains_table(evaluations)
    means = results.set_index(["method", "evaluated_on", "metric"])["mean"]
    gain = gains.set_index(["evaluated_on", "metric"])["gain"]
    better = means["baseline", "b", "mean_angular_error"] - means["atdt", "b", "mean_angular_error"]
    assert gain["b", "mean_angular_error"] == pytest.approx(better)  # fewer degrees are a gain
    assert "mean, degrees" in shaped(results[results["evaluated_on"] == "b"], printed=results.iloc[:0, :0])
    assert set(findings_of_atdt(gains)["part"]) == {
        f"segmentation_to_normals/{metric}/carla_to_cityscapes_depth"
        for metric in ("mean_angular_error", "below_11_25")
    }


def test_depth_and_normals_need_no_classes():
    values = study(normals=True, experiment={"directions": ["depth_to_normals"]})
    values["datasets"]["carla"]["adapter"]["dataset"] = "vgallery"  # whose classes are others
    plan = planned(values)
    assert not any("classes" in run.settings for run in plan.runs)


def test_a_pair_without_normals_is_refused():
    with pytest.raises(ConfigurationError, match=r"lacks task 2 \(normals\) on A"):
        planned(study(experiment={"directions": ["segmentation_to_normals"]}))


def test_normals_leave_the_keys_of_other_runs():
    plain = planned(study()).of_kind("atdt_evaluation")
    values = study()
    for dataset in values["datasets"].values():
        dataset["adapter"]["normals"] = False
    assert [run.key for run in planned(values).of_kind("atdt_evaluation")] == [run.key for run in plain]
