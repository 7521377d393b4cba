"""Task networks of AT/DT as candidates of `recommend`: only when asked for, and never of the target's own images."""

from __future__ import annotations

import pytest
from atdt_examples import study as atdt_study

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.atdt_sources import datasets_of
from transfer_atlas.planning.load import load_workflow
from transfer_atlas.planning.plan import builder, make_plan
from transfer_atlas.planning.recommendation import recommendation_for
from transfer_atlas.planning.start import facts_of_start
from transfer_atlas.planning.transfers import transfer_from
from transfer_atlas.study.parse import parse_study

N1, N2, ORACLE = (
    "atdt:depth-carla-cityscapes_depth",
    "atdt:segmentation-carla",
    "atdt:segmentation-cityscapes_depth",
)
ONE_WAY = {
    "directions": ["depth_to_segmentation"],
    "methods": ["baseline", "atdt", "oracle"],
    "seeds": [3, 1],
}


def values(experiment=ONE_WAY, **changes):
    """The tiny study of AT/DT, its own network an HRNet, with a dataset that no network has seen."""
    found = atdt_study(experiment=experiment, **changes)
    found |= {"backbone": {"name": "hrnet_tiny"}, "ilsvrc": {"origin": "scratch"}}
    adapter = {"name": "miniature", "dataset": "kitti", "image_size": 32, "n_train": 8, "n_val": 4}
    found["datasets"]["kitti"] = {"domain": "driving", "adapter": adapter, "tasks": {"segmentation": {}}}
    return found


def recommended(target="segmentation/kitti", also="atdt", **changes):
    study = parse_study(values(**changes))
    versions = dict.fromkeys(study.datasets, "generated")
    return recommendation_for(study, make_plan(study, versions), builder(study, versions), target, also=also)


def test_they_are_candidates_only_when_asked_for():
    asked = recommended()
    assert list(asked.candidates) == ["ilsvrc", N1, N2, ORACLE]
    assert {each["source"] for each in asked.scores} == set(asked.candidates)
    with pytest.raises(ConfigurationError, match="no source to recommend"):
        recommended(also=None)
    chosen = asked.candidates[N1]
    assert chosen.kind == "atdt_source" and chosen.parents["network"].settings["seed"] == 1  # the lowest
    assert datasets_of(chosen) == ["carla", "cityscapes_depth"]
    assert [each["dataset"] for each in asked.images] == ["kitti", "carla", "cityscapes_depth"]


def test_networks_that_saw_the_target_are_none():
    assert list(recommended("segmentation/carla").candidates) == ["ilsvrc", ORACLE]
    assert list(recommended("depth/cityscapes_depth").candidates) == ["ilsvrc", N2]
    translated = {**ONE_WAY, "methods": ["cyclegan", "atdt_cyclegan"]}
    names = list(recommended("segmentation/kitti", experiment=translated).candidates)
    assert "atdt:depth-carla-cityscapes_depth-like-carla" in names
    # made of images of cityscapes_depth, whatever their style
    assert list(recommended("depth/cityscapes_depth", experiment=translated).candidates) == ["ilsvrc", N2]


def test_each_encoder_is_one_and_variants_are_told_apart():
    two = {**ONE_WAY, "n1": ["shared", "shared_decoder"], "batch_norm": [True, False]}
    names = list(recommended(experiment=two).candidates)
    assert f"{N1}-two-encoders-of-carla" in names and f"{N1}-two-encoders-of-cityscapes_depth" in names
    assert {N2, f"{N2}-no-norm", N1, f"{N1}-no-norm"} <= set(names) and len(set(names)) == len(names)
    both = {**ONE_WAY, "methods": ["no_transfer"]}
    with pytest.raises(ConfigurationError, match="no source to recommend"):
        recommended(experiment=both)  # a network of two tasks is a source of neither


def test_the_plan_of_the_study_is_the_same_and_what_is_asked_is_checked():
    plan = load_workflow(values(), without_data=True).plan
    assert not plan.of_kind("atdt_source")
    flow = load_workflow(values() | {"target": "segmentation/kitti", "also": "atdt"}, without_data=True)
    assert {run.key for run in flow.plan} == {run.key for run in plan}
    with pytest.raises(ConfigurationError, match="also is 'everything'; expected atdt"):
        recommended(also="everything")
    alone = {name: value for name, value in values().items() if name != "atdt"}
    alone["experiments"] = [{"sources": ["segmentation/carla"], "targets": ["segmentation/kitti"]}]
    with pytest.raises(ConfigurationError, match=r"also=atdt .* study tiny_atdt has no section `atdt`"):
        load_workflow(alone | {"target": "segmentation/kitti", "also": "atdt"}, without_data=True)


def test_start_tries_networks_of_the_studys_own_backbone_alone():
    def tried(**changes):
        asked = {"target": "segmentation/kitti", "also": "atdt", "budget": "30min"}
        return facts_of_start(load_workflow(values(**changes) | asked, without_data=True))

    assert set(tried()["candidates"]) == {"ilsvrc"}  # dilated ResNets are ranked only
    facts = tried(network={"encoder": "hrnet_tiny", "decoder_channels": 16})
    assert set(facts["candidates"]) == {"ilsvrc", N1, N2, ORACLE}
    assert facts["multi_sources"][N1] == ["carla", "cityscapes_depth"]
    asked = recommended(network={"encoder": "hrnet_tiny", "decoder_channels": 16})
    transfer = transfer_from(next(run for run in [builder_transfer(asked)]), asked.candidates[N1])
    assert transfer.parents["source"] == asked.candidates[N1] and "ilsvrc" not in transfer.parents


def builder_transfer(asked):
    study = parse_study(values())
    from transfer_atlas.study.task import Task

    build = builder(study, dict.fromkeys(study.datasets, "generated"))
    return build.transfer("ilsvrc", Task.parse(asked.target), "small_target", 0, "plain")
