"""What AT/DT plans: runs by variant, shared where they are the same, and what is refused before it begins."""

import pytest
from atdt_examples import planned, study

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.estimates import plan_table
from transfer_atlas.planning.plan import used_datasets
from transfer_atlas.planning.recommendation import recommendation_for
from transfer_atlas.study.parse import parse_study


def counts(plan):
    return {
        kind: len(plan.of_kind(kind)) for kind in ("atdt_network", "atdt_transfer_network", "atdt_evaluation")
    }


def roles(run):
    return {role: parent.name for role, parent in run.parents.items()}


def evaluation(plan, **factors):
    (found,) = [
        each
        for each in plan.wanted_of("atdt_evaluation")
        if all(each[name] == value for name, value in factors.items())
    ]
    return found.run


def test_two_directions_share_nothing_but_the_datasets_and_each_method_has_its_runs():
    plan = planned()
    # N1, N2 and oracle of each direction; G of each; baseline and AT/DT on A and B, oracle on B
    assert counts(plan) == {"atdt_network": 6, "atdt_transfer_network": 2, "atdt_evaluation": 10}
    assert used_datasets(plan.study) == ["carla", "cityscapes_depth"]
    run = evaluation(plan, direction="depth_to_segmentation", method="atdt", evaluated_on="b")
    mapping = run.parents["transfer_network"]
    assert mapping.parents["n1"] is run.parents["encoder"]
    assert mapping.parents["n1"].settings["tasks"] == {"depth": ["carla", "cityscapes_depth"]}
    assert mapping.parents["n2"].settings["tasks"] == {"segmentation": ["carla"]}
    # nothing of AT/DT but N1, and the images it is evaluated on, has seen B
    assert set(roles(mapping)) == {"n1", "n2", "dataset_carla"}


def test_the_baseline_knows_nothing_of_b():
    run = evaluation(planned(), direction="segmentation_to_depth", method="baseline", evaluated_on="b")
    assert set(roles(run)) == {"decoder", "dataset_cityscapes_depth"}
    assert set(roles(run.parents["decoder"])) == {"dataset_carla"}


def test_exchanging_a_and_b_shares_n1_and_makes_the_oracle_the_baselines_network():
    there = {run.key for run in planned().of_kind("atdt_network")}
    back = {
        run.key
        for run in planned(study(experiment={"a": "cityscapes_depth", "b": "carla"})).of_kind("atdt_network")
    }
    assert there == back


@pytest.mark.parametrize("n1", ["separate", "shared_decoder"])
def test_other_sharings_of_n1_map_a_and_encode_b_by_its_own(n1):
    plan = planned(study(experiment={"n1": [n1], "directions": ["depth_to_segmentation"]}))
    of_b = evaluation(plan, method="atdt", evaluated_on="b").parents
    of_a = evaluation(plan, method="atdt", evaluated_on="a").parents
    assert of_a["transfer_network"].key == of_b["transfer_network"].key
    if n1 == "separate":
        assert of_b["encoder"].settings["tasks"] == {"depth": ["cityscapes_depth"]}
        assert of_b["transfer_network"].parents["n1"].settings["tasks"] == {"depth": ["carla"]}
    else:
        assert of_b["encoder"].settings["encoders"] == "separate"
        assert of_b["encoder"] is of_b["transfer_network"].parents["n1"]


def test_no_transfer_is_one_network_for_both_tasks_without_g():
    plan = planned(study(experiment={"methods": ["no_transfer"], "directions": ["depth_to_segmentation"]}))
    assert counts(plan)["atdt_transfer_network"] == 0
    tasks = evaluation(plan, method="no_transfer", evaluated_on="b").parents["decoder"].settings["tasks"]
    assert tasks == {"depth": ["carla", "cityscapes_depth"], "segmentation": ["carla"]}


def test_levels_share_their_networks_and_normalisation_does_not():
    levels = planned(study(experiment={"levels": [1, 2, 3, 4], "directions": ["depth_to_segmentation"]}))
    # N1, N2 and the oracle, whatever the level; G and AT/DT's two evaluations for each
    assert counts(levels) == {"atdt_network": 3, "atdt_transfer_network": 4, "atdt_evaluation": 3 + 8}
    norms = planned(study(experiment={"batch_norm": [True, False], "directions": ["depth_to_segmentation"]}))
    assert counts(norms) == {"atdt_network": 6, "atdt_transfer_network": 2, "atdt_evaluation": 10}


def test_order_means_nothing_and_a_seed_added_leaves_the_others():
    experiment = {"seeds": [1, 0], "methods": ["oracle", "atdt", "baseline"], "levels": [4]}
    keys = {run.key for run in planned(study(experiment=experiment)).runs}
    assert keys == {run.key for run in planned(study(experiment={"seeds": [0, 1]})).runs}
    assert {run.key for run in planned(study()).runs} < keys


def test_plan_and_recommendation_take_them_as_they_are(tmp_path):
    plan = planned()
    table = plan_table(plan, tmp_path, 2)
    assert "AT/DT task networks" in table and "AT/DT evaluations" in table
    with pytest.raises(ConfigurationError, match="no source to recommend"):
        recommendation_for(plan.study, plan, _builder(plan), "depth/carla", [], {})


def _builder(plan):
    from transfer_atlas.planning.plan import builder

    return builder(plan.study, dict.fromkeys(plan.study.datasets, "generated"))


def without(values, dataset, task_type):
    del values["datasets"][dataset]["tasks"][task_type]
    return values


@pytest.mark.parametrize(
    ("dataset", "task_type", "direction", "told"),
    [
        ("carla", "depth", "depth_to_segmentation", r"lacks task 1 \(depth\) on A \(carla\)"),
        ("carla", "segmentation", "depth_to_segmentation", r"task 2 \(segmentation\) on A \(carla\)"),
        ("cityscapes_depth", "depth", "depth_to_segmentation", r"task 1 \(depth\) on B"),
        ("cityscapes_depth", "depth", "segmentation_to_depth", r"task 2 \(depth\) on B, to evaluate on"),
    ],
)
def test_a_pair_that_lacks_annotations_is_refused_saying_which_of_the_four(
    dataset, task_type, direction, told
):
    values = study(experiment={"directions": [direction]})
    values["datasets"][dataset]["tasks"] = {"segmentation": {}, "depth": {}}
    with pytest.raises(ConfigurationError, match=told):
        parse_study(without(values, dataset, task_type))


def test_class_maps_that_do_not_overlap_are_refused_with_both():
    values = study()
    values["datasets"]["carla"]["adapter"]["dataset"] = "vkitti2"  # its classes are written otherwise
    with pytest.raises(
        ConfigurationError, match=r"class maps of carla \(road.*do not overlap by two classes"
    ):
        planned(values)


def test_named_classes_must_be_there():
    with pytest.raises(ConfigurationError, match="carla has no class Unicorn"):
        planned(study(experiment={"classes": ["Road", "Unicorn"]}))
    (n2,) = [
        run
        for run in planned(study(experiment={"classes": ["Sky", "Road"]})).of_kind("atdt_network")
        if run.settings["tasks"] == {"segmentation": ["carla"]}
    ]
    assert n2.settings["classes"] == ["Sky", "Road"]


def test_no_valid_depth_is_refused():
    with pytest.raises(ConfigurationError, match="carla has no valid depth: it begins at 1 m"):
        planned(study(depth_maximum=0.5))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"networks": {"depth": {"encoder": "resnet_tiny", "output_stride": 16}}},
            "after stage 4 the two encoders have other strides .*resnet_tiny for depth has 16",
        ),
        (
            {"network": {"encoder": "hrnet_tiny"}, "experiment": {"levels": [2]}},
            "split at its deepest features only",
        ),
        ({"network": {"encoder": "hrnet_tiny"}, "experiment": {"batch_norm": [False]}}, "choose a ResNet"),
        ({"experiment": {"b": "carla"}}, "AT/DT needs two domains"),
        ({"experiment": {"b": "cityscapes"}}, "unknown domain 'cityscapes'.*cityscapes_depth"),
        ({"experiment": {"levels": [5]}}, "levels"),
        ({"domains": {"street": {"depth": "kitti"}}}, "unknown dataset 'kitti'"),
        ({"centre_crop": {"kitti": [32, 32]}}, "atdt.centre_crop: unknown dataset"),
        ({"training": {"depth": {"crop": [33, 32]}}}, "multiples of 32"),
        ({"learning": 1}, "learning"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_their_place(changes, told):
    with pytest.raises(ConfigurationError, match=f"(?s){told}"):
        planned(study(**changes))


def test_strides_that_are_the_same_at_the_split_may_differ_beyond():
    networks = {"depth": {"encoder": "resnet_tiny", "output_stride": 16, "decoder_channels": 16}}
    planned(study(networks=networks, experiment={"levels": [2]}))


def test_a_domain_may_take_its_annotations_from_two_datasets():
    values = study(
        domains={"town": {"segmentation": "cityscapes_depth", "depth": "third"}}, experiment={"b": "town"}
    )
    third = {**values["datasets"]["cityscapes_depth"], "tasks": {"depth": {}}}
    values["datasets"]["third"] = third
    plan = planned(values)
    run = evaluation(plan, direction="segmentation_to_depth", method="atdt", evaluated_on="b")
    assert "dataset_third" in run.parents
    assert run.parents["encoder"].settings["tasks"] == {"segmentation": ["carla", "cityscapes_depth"]}


def test_a_study_that_asks_for_nothing_says_what_may_be_asked():
    values = study()
    del values["atdt"]
    with pytest.raises(ConfigurationError, match="asks for nothing: add `experiments`"):
        parse_study(values)
