"""The runs that score: which there are, what they build on, and what changes them."""

from __future__ import annotations

import pytest
import study_examples as examples

from transfer_atlas.errors import ConfigurationError

SECTION = {"pixels": 50, "samples": 200, "repeats": 2}


def plan_of(**section):
    return examples.plan(("transferability", {**SECTION, **section}))


def test_a_study_without_the_section_has_no_such_runs():
    assert {run.kind for run in examples.plan()} == {"prepared", "ilsvrc", "source", "transfer"}


def test_one_score_per_source_target_and_regime():
    plan = plan_of()
    pairs = {
        (run.identity["source"], run.identity["target"], run.identity["regime"])
        for run in plan.of_kind("transfer")
        if "source" in run.parents
    }
    assert {tuple(run.identity.values()) for run in plan.of_kind("score")} == pairs
    for score in plan.of_kind("score"):
        assert score.parents["features"].identity["target"] == score.identity["target"]
        own = score.parents["source_features"]
        assert own.identity == {"source": score.identity["source"], "target": score.identity["source"]}
    datasets = {run.identity["dataset"] for run in plan.of_kind("image_features")}
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


def test_an_unknown_backbone_of_domain_distances_is_named():
    with pytest.raises(ConfigurationError, match="domain_features is 'multi_depth', which is no source"):
        plan_of(domain_features="multi_depth")


def test_seeds_of_transfers_share_a_score():
    more = examples.plan(("transferability", SECTION), ("experiments.0.seeds", [0, 1]))
    assert {run.key for run in more.of_kind("score")} == {run.key for run in plan_of().of_kind("score")}
