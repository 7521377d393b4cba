"""The runs that score: which there are, what they build on, and what changes them."""

from __future__ import annotations

import pytest
import study_examples as examples

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.identity import PAIR
from transfer_atlas.scoring.metrics import USUAL, kept_for

SECTION = {"pixels": 50, "samples": 200, "repeats": 2}


def plan_of(**section):
    return examples.plan(("transferability", {**SECTION, **section}))


def test_a_study_without_the_section_has_no_such_runs():
    assert {run.kind for run in examples.plan()} == {"prepared", "ilsvrc", "source", "transfer"}


def test_one_score_per_metric_source_target_and_regime():
    plan = plan_of()
    pairs = {
        tuple(each[name] for name in PAIR)
        for each in plan.wanted_of("transfer")
        if "source" in each.run.parents
    }
    assert {each.names[1:] for each in plan.wanted_of("score")} == {
        (*pair, metric) for pair in pairs for metric in USUAL
    }
    for each in plan.wanted_of("score"):
        features = each.run.parents["features"]
        assert features.parents["dataset"].name == each["target"].split("/")[1]
        assert ("source_features" in each.run.parents) == (each["metric"] == "otce")
        if each["metric"] == "otce":
            own = each.run.parents["source_features"]
            assert own.parents["dataset"] is features.parents["source"].parents["dataset"]
    datasets = {each["dataset"] for each in plan.wanted_of("image_features")}
    assert datasets == {target.split("/")[1] for _, target, _ in pairs} | {
        s.split("/")[1] for s, _, _ in pairs
    }


def test_scores_leave_the_keys_of_all_other_runs_alone():
    others = {run.key for run in examples.plan()}
    assert others <= {run.key for run in plan_of()}


def test_settings_change_what_they_concern_only():
    before = {kind: {run.key for run in plan_of().of_kind(kind)} for kind in ("features", "score")}
    repeats = plan_of(repeats=5)
    assert {run.key for run in repeats.of_kind("features")} == before["features"]
    assert not {run.key for run in repeats.of_kind("score")} & before["score"]
    pixels = plan_of(pixels=60)
    assert not {run.key for run in pixels.of_kind("features")} & before["features"]


def test_without_otce_no_source_samples_are_taken():
    assert all("source_features" not in run.parents for run in plan_of(metrics=["logme"]).of_kind("score"))


def test_pixels_are_drawn_as_each_metric_s_paper_says():
    plan = plan_of(metrics=["logme", "otce"])
    by_metric = {}
    for score in plan.of_kind("score"):
        parents, settings = score.parents, score.settings
        by_metric[settings["metric"]] = (
            parents["features"].settings["sampling"],
            settings["sampling"],
            parents["source_features"].settings["sampling"] if "source_features" in parents else None,
        )
    assert by_metric == {
        "logme": ("class_balanced+uniform", "class_balanced", None),
        "otce": ("class_balanced+uniform", "uniform", "uniform"),
    }
    for scheme, metrics in (("class_balanced", ["logme"]), ("boundary", ["logme", "otce"])):
        asked = {"sampling": scheme} if scheme == "boundary" else {}
        for score in plan_of(metrics=metrics, **asked).of_kind("score"):
            assert {run.settings["sampling"] for run in score.parents.values()} == {scheme}
            assert "sampling" not in score.settings


def test_samples_hold_what_the_metrics_ask_for():
    (kept,) = {tuple(run.settings["kept"]) for run in plan_of(metrics=["etran_energy"]).of_kind("features")}
    assert kept == ("logits",)
    assert all("kept" not in run.settings for run in plan_of(metrics=["logme"]).of_kind("features"))
    assert kept_for(["det_logme"], "detection") == kept_for(["etran_regression"], "detection") == ["boxes"]
    assert kept_for(["det_logme", "etran_regression"], "segmentation") == []
    for task_type in ("segmentation", "depth", "normals"):
        assert kept_for(["dense_h_score", "logme"], task_type) == ["places"]
    assert kept_for(["dense_shrinkage_h_score"], "classification") == []


def test_superpixels_are_in_the_keys_of_dense_scores_alone():
    before, after = (
        plan_of(metrics=["dense_h_score", "h_score"], **more) for more in ({}, {"superpixels": 8})
    )
    changed = {run.settings["metric"] for run in after.of_kind("score")} - {
        run.settings["metric"]
        for run in after.of_kind("score")
        if run.key in {each.key for each in before.of_kind("score")}
    }
    assert changed == {"dense_h_score"}
    assert [run.key for run in before.of_kind("features")] == [run.key for run in after.of_kind("features")]


def test_a_multi_source_draws_from_each_of_its_datasets():
    section = ("transferability", {**SECTION, "metrics": ["otce"]})
    multi = ("multi_sources", {"multi_segmentation": {"tasks": ["segmentation/camvid", "segmentation/suim"]}})
    plan = examples.plan(section, multi, ("experiments.0.sources", ["multi_segmentation"]))
    (score, *_) = plan.of_kind("score")
    assert set(score.parents) == {"features", "source_features_camvid", "source_features_suim"}
    # the paper's backbone for domain distances, where a study has it
    assert {each["backbone"] for each in plan.wanted_of("image_features")} == {"multi_segmentation"}


def test_an_unknown_backbone_of_domain_distances_is_named():
    with pytest.raises(ConfigurationError, match="domain_features is 'multi_depth', which is no source"):
        plan_of(domain_features="multi_depth")


def test_seeds_of_transfers_share_a_score():
    more = examples.plan(("transferability", SECTION), ("experiments.0.seeds", [0, 1]))
    assert {run.key for run in more.of_kind("score")} == {run.key for run in plan_of().of_kind("score")}


def test_images_of_chosen_datasets_are_seen_by_every_source_trained_on_them():
    plan = plan_of(appearance_of=["camvid"])
    seen = {(each["dataset"], each["backbone"]) for each in plan.wanted_of("image_features")}
    usual = {(each["dataset"], each["backbone"]) for each in plan_of().wanted_of("image_features")}
    assert usual == {("camvid", "ilsvrc"), ("suim", "ilsvrc"), ("isprs", "ilsvrc")}
    assert seen - usual == {("camvid", "segmentation/camvid")} and usual <= seen
    with pytest.raises(ConfigurationError, match="appearance_of names 'coco', which is no dataset"):
        plan_of(appearance_of=["coco"])
