"""The whole chain in one step across task types: a classifier, a source of keypoints, transfers to others."""

import io
import json

import study_examples

from transfer_atlas.planning.request import request
from transfer_atlas.running.execute import execute
from transfer_atlas.store.store import read_run

SMALL = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 2, "steps": 1}
TASK_TYPES_OF_COCO = ("segmentation", "detection", "keypoints")


def test_a_chain_across_task_types_on_the_miniature_world(tmp_path):
    """One step each: ILSVRC's stand-in, then a source of keypoints, then detection with a measure of its own."""

    def generated(name, tasks):
        adapter = {"name": "miniature", "dataset": name, "image_size": 32, "n_train": 4, "n_val": 12}
        return {"domain": "consumer", "adapter": adapter, "tasks": tasks}

    scored = {"evaluation": {"measure": "ap50", "nms": 0.3}}
    plan = study_examples.plan(
        ("task_types", {name: {"training": SMALL} for name in ("classification", *TASK_TYPES_OF_COCO)}),
        ("datasets", {}),
        ("datasets.ilsvrc", generated("ilsvrc", {"classification": {}})),
        ("datasets.coco", generated("coco", {"keypoints": {}, "detection": scored, "segmentation": {}})),
        (
            "experiments",
            [
                {
                    "sources": ["keypoints/coco"],
                    "targets": ["detection/coco", "segmentation/coco"],
                    "baselines": [],
                    "regime": "full_target",
                }
            ],
        ),
    )
    records = {}
    for run in plan:
        sent = json.loads(json.dumps(request(run, tmp_path / "store", tmp_path / "scratch")))
        execute(sent, io.StringIO())
        records[run.name] = read_run(run.folder(tmp_path / "store"))
    assert {record["status"] for record in records.values()} == {"finished"}
    source = records["keypoints-coco"]
    assert source["metrics"]["primary"] == "ap50" and 0 <= source["metrics"]["value"] <= 1
    assert set(source["code_versions"]) == {"backbone", "images", "training", "task_keypoints"}
    transfer = records["keypoints-coco--detection-coco--all-images--seed0"]
    assert transfer["metrics"]["primary"] == "ap50" and len(transfer["metrics"]["grid"]) == 3
    assert transfer["settings"]["evaluation"] == {"measure": "ap50", "nms": 0.3}
    assert transfer["settings"]["training"]["optimizer"]["name"] == "adam"


def test_normals_are_a_target_and_a_source_like_others(tmp_path):
    """One step each: to normals from depth, and from normals to depth, of one dataset; both are scored."""
    adapter = {"name": "miniature", "dataset": "vgallery", "image_size": 32, "n_train": 4, "n_val": 3}
    gallery = {
        "domain": "synthetic",
        "adapter": {**adapter, "normals": True},
        "tasks": {"normals": {}, "depth": {}},
    }
    common = {"baselines": ["ilsvrc"], "regime": "full_target"}
    plan = study_examples.plan(
        ("task_types", {name: {"training": SMALL} for name in ("classification", "normals", "depth")}),
        ("datasets", {}),
        (
            "datasets.ilsvrc",
            {**gallery, "adapter": {**adapter, "dataset": "ilsvrc"}, "tasks": {"classification": {}}},
        ),
        ("datasets.vgallery", gallery),
        ("transferability", {"metrics": ["gbc"]}),
        (
            "experiments",
            [
                {"sources": ["depth/vgallery"], "targets": ["normals/vgallery"], **common},
                {"sources": ["normals/vgallery"], "targets": ["depth/vgallery"], **common},
            ],
        ),
    )
    records = {}
    for run in plan:
        execute(json.loads(json.dumps(request(run, tmp_path / "store", tmp_path / "scratch"))), io.StringIO())
        records[run.name] = read_run(run.folder(tmp_path / "store"))
    assert {record["status"] for record in records.values()} == {"finished"}
    assert (
        records["depth-vgallery--normals-vgallery--all-images"]["metrics"]["classes"] > 2
    )  # of features: directions
    transfer = records["depth-vgallery--normals-vgallery--all-images--seed0"]
    assert (
        transfer["metrics"]["primary"] == "mean_angular_error" and not transfer["metrics"]["higher_is_better"]
    )
    assert 0 < transfer["metrics"]["value"] < 180
    assert set(records["normals-vgallery"]["code_versions"]) == {
        "backbone",
        "images",
        "training",
        "task_normals",
    }
