"""What combining sources asks for; a proposed multi-source is the run that a study naming it would have."""

from __future__ import annotations

import json

import pytest
import study_examples as examples

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.combination import Asked, asked_of, combination_for, of_some
from transfer_atlas.planning.combination_facts import slug
from transfer_atlas.planning.plan import builder
from transfer_atlas.planning.run import with_ancestry
from transfer_atlas.planning.transfers import transfer_from
from transfer_atlas.planning.travelling import packed, place_of, unpacked

OWN = ("datasets.own", examples.folders("own"))
ALL = ("experiments.0.sources", ["segmentation/camvid", "segmentation/suim", "segmentation/isprs"])


ASKED = Asked(("segmentation/own",))


def combined(*changes, asked=ASKED):
    changes = (OWN, ALL, *changes)
    study = examples.study(*changes)
    build = builder(study, dict.fromkeys(study.datasets, "1"))
    return combination_for(study, examples.plan(*changes), build, asked)


def test_scores_by_otce_of_every_source_and_nothing_is_fine_tuned():
    (found,) = combined().targets
    assert list(found.sources) == ["segmentation/camvid", "segmentation/isprs", "segmentation/suim"]
    assert {each["metric"] for each in found.scores} == {"otce"} and list(found.baselines) == [0, 1, 2]
    kinds = {run.kind for run in with_ancestry(each.run for each in found.scores)}
    assert kinds == {"prepared", "ilsvrc", "source", "features", "score"}


def test_a_target_is_no_source_of_itself_and_multi_sources_and_other_backbones_are_none():
    multi = ("multi_sources", {"multi_segmentation": {"tasks": ["segmentation/camvid", "segmentation/suim"]}})
    other = ("backbones.other", {"name": "resnet18", "ilsvrc": {"origin": "scratch"}})
    sources = [*ALL[1], "multi_segmentation", "segmentation/camvid+other"]
    (found,) = combined(
        multi, other, ("experiments.0.sources", sources), asked=Asked(("segmentation/suim",))
    ).targets
    assert list(found.sources) == ["segmentation/camvid", "segmentation/isprs"]


@pytest.mark.parametrize("training", [None, {"steps": 7}])
def test_a_proposed_multi_source_is_the_run_of_a_study_that_names_it(training):
    tasks = ["segmentation/isprs", "segmentation/camvid"]
    section = {"tasks": tasks} | ({"training": training} if training else {})
    known = ("multi_sources", {"multi_segmentation": {**section, "tasks": ["segmentation/*"]}})
    (found,) = combined(*([known] if training else [])).targets
    proposed = of_some(found.wholes["segmentation"], tasks)
    named = examples.plan(
        OWN,
        ("multi_sources", {"multi_segmentation": section}),
        ("experiments.0.sources", ["multi_segmentation"]),
        ("experiments.0.targets", ["segmentation/own"]),
    )
    (transfer,) = [each.run for each in named.wanted_of("transfer") if each["source"] == "multi_segmentation"]
    assert proposed.key == transfer.parents["source"].key
    assert transfer_from(found.baselines[0], proposed).key == transfer.key
    assert of_some(found.wholes["segmentation"], tasks[::-1]).key == proposed.key  # order means nothing
    with pytest.raises(ValueError, match="own"):
        of_some(found.wholes["segmentation"], ["segmentation/own"])


def test_runs_travel_as_built_ins_and_keep_their_keys():
    (found,) = combined().targets
    runs = [*found.baselines.values(), *found.wholes.values(), *found.sources.values()]
    there = json.loads(json.dumps(packed(runs)))
    back = unpacked(there)
    assert len(back) == len(with_ancestry(runs))
    for run in runs:
        assert back[place_of(run)] == run


def test_the_scores_of_a_study_keep_their_keys_whatever_is_asked():
    before = {run.key for run in examples.plan(OWN, ALL)}
    combined(("transferability", {"metrics": ["gbc"]}))
    assert {run.key for run in examples.plan(OWN, ALL)} == before


def test_a_source_whose_images_cannot_be_had_has_no_score_and_others_go_on():
    study = examples.study(OWN, ALL)
    build = builder(study, dict.fromkeys(study.datasets, "1"))
    (found,) = combination_for(
        study, examples.plan(OWN, ALL), build, ASKED, has_images=lambda run: run.name != "suim"
    ).targets
    roles = {each["source"]: set(each.run.parents) for each in found.scores}
    assert roles.pop("segmentation/suim") == {"features"}
    assert all(parents == {"features", "source_features"} for parents in roles.values())


def test_too_few_sources_and_unknown_targets_are_named():
    with pytest.raises(
        ConfigurationError, match=r"have 1 source of .* was not trained on it \(segmentation/camvid\)"
    ):
        combined(("experiments.0.sources", ["segmentation/camvid"]))
    with pytest.raises(ConfigurationError, match="targets: unknown task 'segmentation/owl'"):
        combined(asked=Asked(("segmentation/owl",)))
    (found,) = combined(asked=Asked(("segmentation/own",), together=4)).targets
    assert found.wholes == {}  # there are three: nothing is trained together, features are fused all the same


def test_what_is_asked_is_read_and_refused():
    assert asked_of({"target": "segmentation/own"}) is None
    assert asked_of({"targets": "a/b, c/d", "together": "3", "seeds": 2, "temperature": 0.5}) == Asked(
        ("a/b", "c/d"), 3, 2, 0.5
    )
    assert asked_of({"targets": ["a/b"]}) == Asked(("a/b",))
    for name, value in (("together", 1), ("together", "two"), ("seeds", 0), ("seeds", 1.5), ("seeds", True)):
        with pytest.raises(ConfigurationError, match=f"{name} is {value!r}; expected a whole number"):
            asked_of({"targets": "a/b", name: value})
    for value in (0, -1, "nan", "inf", None):
        with pytest.raises(ConfigurationError, match=r"temperature is .* expected a number above 0"):
            asked_of({"targets": "a/b", "temperature": value})


def test_folders_are_named_by_what_was_asked():
    assert slug(["segmentation/a", "depth/b@c"]) == "segmentation-a--depth-b.c"
    assert slug(["segmentation/*"]) == "segmentation-all"
    long = [f"segmentation/dataset_{number}" for number in range(20)]
    assert len(slug(long)) == 80 and slug(long) != slug(long[::-1]) and "/" not in slug(["../../x"])
