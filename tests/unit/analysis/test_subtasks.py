"""Relations of binary tasks, and the findings about them, on values worked out by hand."""

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer_atlas.analysis.subtasks.findings import subtask_findings_table
from transfer_atlas.analysis.subtasks.relations import Relation, Subtasks, class_relation
from transfer_atlas.analysis.subtasks.tables import subtask_transfers_table
from transfer_atlas.analysis.tables.dice import dice_of_overlap
from transfer_atlas.analysis.tables.files import read_table, write_table

CLASSES = {
    "csf": ["csf"],
    "grey": ["grey"],
    "white": ["white"],
    "tissue": ["grey", "white"],
    "rim": ["rim"],
    "dead": ["dead"],
    "core": ["dead", "rim"],
    "odd": ["csf", "dead"],
}
FACTS = {
    "brain": {
        "families": {"matter": ["csf", "grey", "white"], "tumour": ["rim", "dead", "swollen"]},
        "tasks": {
            f"brain@{name}_{modality}": {"classes": classes, "modality": modality, "channels": channels}
            for name, classes in CLASSES.items()
            for modality, channels in {"t1": ["t1"], "t2": ["t2"], "both": ["t1", "t2"]}.items()
        },
    },
    "other": {
        "families": {},
        "tasks": {
            f"other@{name}": {"classes": [name], "modality": None, "channels": []} for name in ("csf", "dog")
        },
    },
}
SUBTASKS = Subtasks.of_facts(FACTS)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("brain@grey_t1", "brain@white_t1", Relation("same", "complementary", True)),
        ("brain@csf_t1", "brain@white_t1", Relation("same", "disjoint", True)),
        (
            "brain@csf_t1",
            "brain@tissue_t1",
            Relation("same", "complementary", True),
        ),  # the family is their whole
        ("brain@grey_t1", "brain@tissue_t1", Relation("same", "subset", True)),
        ("brain@tissue_t1", "brain@grey_t2", Relation("other", "superset", True)),
        ("brain@grey_t1", "brain@grey_t2", Relation("other", "same", True)),
        ("brain@grey_t1", "brain@grey_both", Relation("overlapping", "same", True)),
        ("brain@grey_t1", "brain@core_t1", Relation("same", "disjoint", False)),
        ("brain@odd_t1", "brain@core_t1", Relation("same", "overlapping", False)),  # of no one family
        ("other@csf", "brain@csf_t1", Relation("other_dataset", "other_dataset", False)),
        ("other@dog", "other@csf", Relation("same", "disjoint", True)),  # no families, no channels
    ],
)
def test_relations_of_two_tasks(source, target, expected):
    assert SUBTASKS.relation([source], target) == expected


def test_relations_of_several_tasks_and_of_what_is_no_binary_task():
    rim, dead, grey = ("brain@rim_t1", "brain@dead_t1", "brain@grey_t1")
    assert SUBTASKS.relation([rim, dead], "brain@core_t1") == Relation("same", "several", True)
    assert SUBTASKS.relation([rim, grey], "brain@core_t1") == Relation("same", "several", None)
    assert SUBTASKS.relation([rim, "brain@dead_t2"], "brain@core_t1") == Relation("mixed", "several", True)
    assert SUBTASKS.relation([], rim) is None
    assert SUBTASKS.relation(["camvid"], rim) is None and SUBTASKS.relation([rim], "camvid") is None


@given(*(st.frozensets(st.sampled_from("abcde"), min_size=1) for _ in range(2)), st.booleans())
def test_relations_of_classes_mirror_each_other(first, second, whole):
    wholes = {first | second} if whole else set()
    mirrored = {"subset": "superset", "superset": "subset"}
    there = class_relation(first, second, wholes)
    assert class_relation(second, first, wholes) == mirrored.get(there, there)
    assert (there == "complementary") == (whole and not first & second)


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_dice_of_overlap(both, first, second):
    if both + first + second:
        overlap = both / (both + first + second)
        assert dice_of_overlap(overlap) == pytest.approx(2 * both / (2 * both + first + second))


BASELINES = ("ilsvrc", "scratch")


def transfer(source, target, dice=None, overlap=None, seed=0, status="finished"):
    metrics = {"primary": "mean_iou", "per_class": {"background": 0.9, "foreground": overlap}}
    if dice is not None:
        metrics["dice_per_class"] = {"background": 0.9, "foreground": dice}
    return {
        "kind": "transfer",
        "identity": {
            "source": source if source in BASELINES or "multi" in source else f"segmentation/brain@{source}",
            "target": f"segmentation/brain@{target}",
            "regime": "few",
            "seed": seed,
            "method": "plain",
        },
        "status": status,
        "reason": None,
        "key": f"{source}{target}{seed}",
        "metrics": metrics if status == "finished" else None,
    }


def test_the_table_tells_relations_dice_and_baseline(tmp_path):
    records = [
        transfer("grey_t1", "white_t1", dice=0.8),
        transfer("grey_t2", "white_t1", overlap=0.5),  # a run from before Dice was recorded
        transfer("scratch", "white_t1", dice=0.3),
        transfer("multi_segmentation_x", "white_t1", dice=0.7),
        transfer("csf_t1", "white_t1", status="diverged"),
        {"kind": "source"},
    ]
    members = {"multi_segmentation_x": ["brain@grey_t1", "brain@csf_t1"]}
    table = subtask_transfers_table(records, SUBTASKS, members)
    write_table(table, tmp_path / "subtask_transfers.parquet")
    found = read_table(tmp_path / "subtask_transfers.parquet").set_index("source")
    assert list(found.index) == sorted(found.index) and len(found) == 4  # the baseline is no row
    assert found["baseline_dice"].eq(0.3).all()
    assert found.loc["segmentation/brain@grey_t2", "dice"] == pytest.approx(2 / 3)
    assert math.isnan(found.loc["segmentation/brain@csf_t1", "dice"])
    assert found.loc["multi_segmentation_x", ["source_tasks", "classes", "related"]].tolist() == [
        2,
        "several",
        True,
    ]
    # the baseline of ILSVRC goes before that of random weights
    more = subtask_transfers_table([*records, transfer("ilsvrc", "white_t1", dice=0.4)], SUBTASKS, members)
    assert more["baseline_dice"].eq(0.4).all()


NAMES = [f"c{number}" for number in range(8)]


def measured(effect):
    """Eight classes in two modalities, two families of four, nested pairs; effect(source, target) is added to 0.5."""
    classes = {name: [name] for name in NAMES} | {"c01": ["c0", "c1"], "c45": ["c4", "c5"]}
    facts = {
        "brain": {
            "families": {"low": NAMES[:4], "high": NAMES[4:]},
            "tasks": {
                f"brain@{name}_{m}": {"classes": members, "modality": m, "channels": [m]}
                for name, members in classes.items()
                for m in ("t1", "t2")
            },
        }
    }
    subtasks = Subtasks.of_facts(facts)
    records = [
        transfer(
            source[6:], target[6:], dice=0.5 + effect(subtasks.relation([source], target), target, source)
        )
        for target in subtasks.tasks
        for source in subtasks.tasks
        if source != target
    ]
    return subtask_transfers_table(records, subtasks, {})


def of(findings, name, part):
    (row,) = findings[(findings["finding"] == name) & (findings["part"] == part)].to_dict("records")
    return row


def test_findings_are_differences_within_targets_with_intervals():
    def effect(relation, target, source):
        shift = 0.3 if target.startswith("brain@c0") else 0.0  # an easy target changes no difference
        close = 0.1 * bool(relation.related) * (relation.classes != "same") * (relation.inputs == "same")
        return shift + close + 0.05 * (relation.classes == "complementary") + (ord(target[7]) % 5) / 1000

    findings = subtask_findings_table(measured(effect))
    one = of(findings, "S01", "one_source")
    assert one["verdict"] == "holds" and 0.1 < one["low"] <= one["value"] <= one["high"] < 0.16
    assert one["targets"] == 10  # class sets, not tasks: modalities of one are one unit
    two = of(findings, "S02", "other_task")
    assert two["verdict"] == "holds" and two["printed"] == pytest.approx(0.0333, abs=1e-4)
    three = of(findings, "S03", "complementary")
    assert three["value"] == pytest.approx(0.05)
    assert of(findings, "S01", "several_sources")["verdict"] == "not_measured"
    assert of(findings, "S03", "nested")["value"] == pytest.approx(0.0, abs=0.35)


def test_a_finding_that_is_not_so_does_not_hold_and_the_order_of_rows_means_nothing():
    def effect(relation, target, source):
        return ((ord(target[7]) % 5) / 1000 - 0.1) * bool(relation.related)

    table = measured(effect)
    findings = subtask_findings_table(table)
    assert of(findings, "S01", "one_source")["verdict"] == "does_not_hold"
    shuffled = subtask_findings_table(table.sample(frac=1, random_state=0))
    pd.testing.assert_frame_equal(findings, shuffled)


def test_few_targets_are_undecided_and_none_make_an_empty_table():
    empty = subtask_findings_table(subtask_transfers_table([], SUBTASKS, {}))
    assert empty.empty and "verdict" in empty
    records = [transfer("grey_t1", "white_t1", dice=0.8), transfer("core_t1", "white_t1", dice=0.5)]
    row = of(subtask_findings_table(subtask_transfers_table(records, SUBTASKS, {})), "S01", "one_source")
    assert row["verdict"] == "undecided" and row["value"] == pytest.approx(0.3) and row["targets"] == 1


def test_nested_tasks_are_compared_pair_by_pair():
    records = [
        transfer("grey_t1", "tissue_t1", dice=0.9),
        transfer("tissue_t1", "grey_t1", dice=0.6),
        transfer("white_t1", "tissue_t1", dice=0.8),  # no way back: no pair
        transfer("scratch", "tissue_t1", dice=0.7),
        transfer("scratch", "grey_t1", dice=0.1),
    ]
    findings = subtask_findings_table(subtask_transfers_table(records, SUBTASKS, {}))
    assert of(findings, "S03", "nested")["value"] == pytest.approx(0.3)
    assert of(findings, "S03", "nested")["count"] == 2
    assert of(findings, "S03", "nested_gain")["value"] == pytest.approx((0.9 - 0.7) - (0.6 - 0.1))
