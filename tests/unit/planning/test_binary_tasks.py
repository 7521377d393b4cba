"""Binary tasks of a dataset: their names, their runs, and what is refused of them."""

import pytest

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.plan import make_plan, used_datasets
from transfer_atlas.study.parse import parse_study

BINARY = {
    "classes": {"core": ["necrosis", "enhancing"], "grey": ["grey_matter"]},
    "modalities": {"t1": ["t1"], "both": ["t2", "t1"]},
    "families": {"tumour": ["necrosis", "enhancing"]},
}


def values(binary=BINARY, adapter=None, **more):
    dataset = {
        "domain": "medical",
        "adapter": adapter or {"name": "miniature_brain"},
        "tasks": {"segmentation": {}},
        "binary": binary,
    }
    return {
        "study": "example",
        "backbone": {"name": "hrnet_tiny"},
        "ilsvrc": {"origin": "scratch"},
        "datasets": {"brain": dataset},
        "experiments": [{"sources": ["segmentation/brain@*"], "targets": ["segmentation/brain@*"]}],
    } | more


def planned(given):
    study = parse_study(given)
    return make_plan(study, dict.fromkeys(used_datasets(study), "v"))


def test_every_class_set_in_every_modality_is_a_task_of_its_own():
    plan = planned(values())
    assert sorted(run.name for run in plan.of_kind("part")) == [
        "brain.core_both",
        "brain.core_t1",
        "brain.grey_both",
        "brain.grey_t1",
    ]
    prepared = {run.name: run.settings["adapter"]["modalities"] for run in plan.of_kind("prepared")}
    assert prepared == {"brain.t1": ["t1"], "brain.both": ["t1", "t2"]}  # each modality is read once
    for run in plan.of_kind("part"):
        assert run.parents["whole"].name == f"brain.{run.name.rpartition('_')[2]}"
    assert len(plan.of_kind("transfer")) == 4 * 3 + 2 * 4


def test_without_modalities_tasks_are_parts_of_the_dataset_as_it_is():
    plan = planned(values({"classes": BINARY["classes"]}))
    assert {run.name for run in plan.of_kind("part")} == {"brain.core", "brain.grey"}
    assert [run.name for run in plan.of_kind("prepared")] == ["brain"]
    # the part of a binary task is the one that a part by `foreground` is
    given = values(None)
    given["datasets"]["brain"]["parts"] = {"core": {"foreground": ["enhancing", "necrosis"]}}
    given["experiments"][0]["sources"] = []
    (run,) = planned(given).of_kind("part")
    assert run.key in {each.key for each in plan.of_kind("part")}


def test_order_means_nothing_and_families_are_in_no_key_but_in_that_of_the_tables():
    turned = {
        "families": {"tumour": ["enhancing", "necrosis"]},
        "modalities": {"both": ["t1", "t2"], "t1": ["t1"]},
        "classes": {"grey": ["grey_matter"], "core": ["enhancing", "necrosis", "necrosis"]},
    }
    first, second = planned(values()), planned(values(turned))
    assert {run.key for run in first} == {run.key for run in second}
    assert first.table_key() == second.table_key()
    other = planned(values(BINARY | {"families": {}}))
    assert {run.key for run in other} == {run.key for run in first} and other.table_key() != first.table_key()


def test_several_multi_sources_of_one_task_type():
    multi = {
        "multi_segmentation_both": {
            "tasks": ["segmentation/brain@core_both", "segmentation/brain@grey_both"]
        },
        "multi_segmentation_t1": {"tasks": ["segmentation/brain@core_t1", "segmentation/brain@grey_t1"]},
    }
    given = values(multi_sources=multi)
    given["experiments"][0]["sources"] = list(multi)
    plan = planned(given)
    assert {run.name for run in plan.of_kind("source")} == {
        "multi-segmentation-both",
        "multi-segmentation-t1",
    }
    for each in plan.wanted_of("transfer"):
        if each["source"].startswith("multi"):
            assert not each["target"].endswith(each["source"].rpartition("_")[2])  # what it was trained on
    given["experiments"][0]["sources"] = ["multi_segmentations"]
    given["multi_sources"] = {"multi_segmentations": multi["multi_segmentation_t1"]}
    with pytest.raises(ConfigurationError, match=r"multi_<task type>_<word>"):
        parse_study(given)


@pytest.mark.parametrize(
    ("binary", "told"),
    [
        ({"classes": {}}, "binary.classes"),
        ({"classes": {"a": []}}, "binary.classes.a"),
        (BINARY | {"modalities": {"x": ["t3"]}}, "unknown modality 't3'.*miniature_brain delivers t1, t1ce"),
        (BINARY | {"modalities": {"x": ["t1", "t2", "t1ce", "flair"]}}, "modalities.x"),
        (BINARY | {"modalities": {"x": ["t1", "t2"], "y": ["t2", "t1"]}}, "x and y hold the same"),
        (BINARY | {"classes": {"a": ["csf"], "b": ["csf"]}}, "a and b hold the same"),
        (BINARY | {"families": {"a": ["csf"], "b": ["csf"]}}, "csf is in more than one"),
        (
            {"classes": {"a": ["csf"], "a_b": ["oedema"]}, "modalities": {"b_c": ["t1"], "c": ["t2"]}},
            "named a_b_c",
        ),
        (BINARY | {"kind": 1}, "binary.kind: unknown key"),
    ],
)
def test_what_makes_no_sense_is_refused(binary, told):
    with pytest.raises(ConfigurationError, match=told):
        parse_study(values(binary))


def test_modalities_of_an_adapter_without_any_and_names_that_are_taken_are_refused():
    plain = {"name": "image_mask_folders", "path": "x", "classes": ["necrosis", "enhancing"]}
    with pytest.raises(ConfigurationError, match="image_mask_folders delivers one kind of images"):
        parse_study(values(adapter=plain))
    given = values()
    given["datasets"]["brain"]["parts"] = {"core_t1": {"images": ["a*"]}}
    with pytest.raises(ConfigurationError, match="core_t1 has the name of a binary task"):
        parse_study(given)
    given["datasets"]["brain"]["parts"] = {"t1": {"images": ["a*"]}}
    with pytest.raises(ConfigurationError, match="the part t1 has the name"):
        parse_study(given)
    given = values()
    given["datasets"]["brain"]["tasks"] = {}
    with pytest.raises(ConfigurationError, match="binary tasks are of segmentation"):
        parse_study(given)
