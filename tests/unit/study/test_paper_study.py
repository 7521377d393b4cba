"""The study of the whole paper: its transfers are those that the published tables count, and pair."""

import csv
from collections import Counter
from pathlib import Path

import pytest

from transfer_atlas.analysis.tables.transfers import BASELINES, relation
from transfer_atlas.planning.plan import make_plan
from transfer_atlas.study.parse import load_study
from transfer_atlas.study.task import Task

ROOT = Path(__file__).parents[3]
PUBLISHED = ROOT / "resources" / "published"
SHARED = ROOT.parent / "shared" / "published"

NAMES = {  # as the published tables abbreviate them
    "PContext": "pascal_context",
    "PVOC": "pascal_voc",
    "VOC07": "pascal_voc_2007",
    "MPII": "mpii",
    "ADE20K": "ade20k",
    "COCO": "coco",
    "KITTI": "kitti",
    "CamVid": "camvid",
    "City": "cityscapes",
    "IDD": "idd",
    "BDD": "bdd",
    "Mapillary": "mapillary",
    "ISPRS": "isprs",
    "iSAID": "isaid",
    "SUN": "sun_rgbd",
    "ScanNet": "scannet",
    "SUIM": "suim",
    "UWT": "underwater_trash",
    "StDogs": "stanford_dogs",
    "vKITTI2": "vkitti2",
    "vGallery": "vgallery",
}


def task(task_type: str, name: str) -> str:
    """A task of the study, from the published names."""
    if name in ("Multi", "Scratch"):
        return f"multi_{task_type}" if name == "Multi" else "scratch"
    return f"{task_type}/{'bdd_100k' if (task_type, name) == ('detection', 'BDD') else NAMES[name]}"


def rows_of(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        pytest.skip(f"the published table is not at hand ({path})")
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def study():
    return load_study(ROOT / "studies" / "paper.yaml")


@pytest.fixture(scope="module")
def transfers(study):
    return transfers_of(study)


def transfers_of(study):
    """Identities of all transfers of a study; none of the datasets is there."""
    plan = make_plan(study, dict.fromkeys(study.datasets, "absent"))
    return [each.identity for each in plan.wanted_of("transfer")]


def gains(transfers, regime):
    """(source, target) of a regime, baselines left out."""
    return [
        (each["source"], each["target"])
        for each in transfers
        if each["regime"] == regime and each["source"] not in BASELINES
    ]


def related(study, source, target):
    """Within or cross, of image domain and of task type."""
    tasks = study.tasks_of_multi_source(source) if source in study.multi_sources else [source]
    row = {
        "source": source,
        "source_task_type": tasks[0].split("/")[0],
        "source_domains": {study.datasets[each.split("/")[1]].domain for each in tasks},
        "target_task_type": target.split("/")[0],
        "target_domain": study.datasets[target.split("/")[1]].domain,
    }
    return tuple("within" if same else "cross" for same in relation(row).values())


@pytest.mark.parametrize(("regime", "column"), [("small_target", "small"), ("full_target", "full")])
def test_the_gains_are_as_many_as_table_6_counts(study, transfers, regime, column):
    counts = Counter(related(study, *pair) for pair in gains(transfers, regime))
    counts["all", "all"] = counts.total()
    rows = rows_of(PUBLISHED / "foi_table6.csv")
    assert counts == {
        (row["image_domain"], row["task_type"]): int(row["count"])
        for row in rows
        if row["regime"] == f"{column}_target"
    }


def test_the_small_source_gains_are_all_pairs_of_segmentation(study, transfers):
    pairs = gains(transfers, "small_source_small_target")
    tasks = [each for each in study.tasks() if each.startswith("segmentation/")]
    assert len(tasks) == 17
    assert set(pairs) == {(one, other) for one in tasks for other in tasks if one != other}
    assert len(pairs) == 272


def test_no_pair_is_planned_twice_and_every_target_has_its_baselines(transfers):
    for regime in ("small_target", "full_target", "small_source_small_target"):
        pairs = gains(transfers, regime)
        assert len(set(pairs)) == len(pairs)
        for baseline in BASELINES:
            found = [t["target"] for t in transfers if (t["regime"], t["source"]) == (regime, baseline)]
            assert sorted(found) == sorted({target for _, target in pairs})


@pytest.mark.parametrize("regime", ["small_target", "full_target"])
def test_pairs_within_segmentation_are_the_cells_of_tables_3a_and_4a(transfers, regime):
    inside = ("segmentation/", "multi_segmentation")
    cells = {
        (row["source"], row["target"])
        for row in rows_of(PUBLISHED / "foi_gains.csv")
        if row["regime"] == regime
        and row["source"].startswith(inside)
        and row["target"].startswith("segmentation/")
    }
    planned = {
        (s, t) for s, t in gains(transfers, regime) if s.startswith(inside) and t.startswith("segmentation/")
    }
    assert planned == cells


@pytest.mark.parametrize(
    ("regime", "table"),
    [
        ("small_target", "small_to_segmentation"),
        ("small_target", "small_to_detection"),
        ("small_target", "small_to_keypoints"),
        ("small_target", "small_to_depth"),
        ("full_target", "full_to_detection"),
        ("full_target", "full_to_keypoints"),
    ],
)
def test_other_pairs_are_the_cells_of_tables_3_and_4_where_their_names_can_be_read(transfers, regime, table):
    rows = [row for row in rows_of(SHARED / f"foi_cross_task_{table}.csv") if row["source_task"] != "scratch"]
    task_type = rows[0]["target_task"]
    pairs = gains(transfers, regime)
    if task_type == "segmentation":  # its other pairs are in a table of their own
        pairs = [pair for pair in pairs if not pair[0].startswith(("segmentation/", "multi_segmentation"))]
    planned = {pair for pair in pairs if pair[1].startswith(f"{task_type}/")}
    assert len(planned) == len(rows)
    readable = {
        (task(row["source_task"], row["source"]), task(task_type, row["target"]))
        for row in rows
        if row["source"] in {*NAMES, "Multi"}
    }
    assert readable and readable <= planned


def test_datasets_have_the_domains_of_table_1(study):
    for row in rows_of(PUBLISHED / "foi_datasets.csv"):
        assert study.datasets[row["dataset"]].domain == row["domain"]


def test_regimes_have_the_images_of_section_5(study):
    for regime in ("small_target", "small_source_small_target"):
        chosen = study.regimes[regime]
        assert (chosen.target_images, chosen.target_images_of) == (150, {"coco": 1000, "ade20k": 1000})
    assert study.regimes["small_source_small_target"].source_images == 1500
    assert study.regimes["full_target"].target_images is None


@pytest.mark.parametrize(
    ("task_type", "optimizer", "batch_size"),
    [
        ("segmentation", "sgd", 32),
        ("detection", "adam", 128),
        ("keypoints", "adam", 128),
        ("depth", "adam", 64),
    ],
)
def test_optimizers_and_batches_are_those_of_section_4(study, task_type, optimizer, batch_size):
    for each in study.tasks():
        if each.startswith(f"{task_type}/"):
            training = study.training(Task.parse(each), None)
            assert (training.optimizer.name, training.batch_size) == (optimizer, batch_size)
            poly = each in ("segmentation/suim", "segmentation/kitti")
            assert training.schedule.policy == ("poly" if poly else "step")


@pytest.mark.parametrize("name", ["paper", "miniature_full"])
def test_boxes_are_scored_as_in_appendix_a(name):
    chosen = load_study(ROOT / "studies" / f"{name}.yaml")
    for each in (task for task in chosen.tasks() if task.startswith("detection/")):
        at_half = each.split("/")[1] in ("pascal_voc_2007", "pascal_voc", "underwater_trash")
        expected = {"measure": "ap50", "nms": 0.3} if at_half else {"measure": "coco_map", "nms": None}
        assert chosen.evaluation(Task.parse(each)) == {"evaluation": expected}


def test_the_miniature_study_has_the_same_transfers(transfers):
    miniature = load_study(ROOT / "studies" / "miniature_full.yaml")
    one_entry = {"pascal_voc_2007": "pascal_voc", "bdd_100k": "bdd"}  # all task types on the same images
    renamed = [
        {
            name: "/".join(one_entry.get(part, part) for part in str(value).split("/"))
            for name, value in each.items()
        }
        for each in transfers
    ]
    planned = [{name: str(value) for name, value in each.items()} for each in transfers_of(miniature)]
    assert [each for each in planned if each["seed"] == "0"] == renamed
    more = Counter(each["seed"] for each in planned if each["regime"] == "small_target")
    assert more["0"] == more["1"] == more["2"] == 509 + 54
    assert {each["regime"] for each in planned if each["seed"] != "0"} == {"small_target"}
    for source, tasks in miniature.multi_sources.items():
        assert {each.split("/")[0] for each in tasks.tasks} == {source.removeprefix("multi_")}


def test_small_sources_are_smaller_than_all_but_two_datasets_in_the_miniature_study_too():
    from transfer_atlas.datasets.miniature import specification

    miniature = load_study(ROOT / "studies" / "miniature_full.yaml")
    limit = miniature.regimes["small_source_small_target"].source_images
    tasks = [each.split("/")[1] for each in miniature.tasks() if each.startswith("segmentation/")]
    assert {each for each in tasks if specification(each).n_train <= limit} == {"kitti", "camvid"}
