"""A small study, as read from YAML, that the tests of configuration, plan and runs start from."""

from __future__ import annotations

import copy
from typing import Any

from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.datasets.versions import dataset_version
from transfer_atlas.planning.plan import Plan, make_plan
from transfer_atlas.planning.run import Run
from transfer_atlas.study.study import Study, parse_study


def folders(name: str) -> dict[str, Any]:
    """A segmentation dataset of image and mask folders."""
    return {
        "domain": "driving",
        "adapter": {"name": "image_mask_folders", "path": name, "classes": ["ground", "thing"]},
        "tasks": {"segmentation": {}},
    }


STUDY: dict[str, Any] = {
    "study": "example",
    "backbone": {"name": "hrnet_tiny"},
    "ilsvrc": {"origin": "train", "dataset": "ilsvrc"},
    "task_types": {
        "segmentation": {
            "training": {"crop": [64, 64], "resolution": [64, 64], "learning_rate": 0.1, "steps": 100},
            "regimes": {"small_target": {"steps": 40}},
        },
        "classification": {"training": {"crop": [32, 32], "resolution": [32, 32]}},
    },
    "datasets": {
        "ilsvrc": {
            "domain": "websearch",
            "adapter": {"name": "imagenet_folders", "path": "ilsvrc"},
            "tasks": {"classification": {}},
        },
        "camvid": folders("camvid"),
        "suim": folders("suim"),
        "isprs": folders("isprs"),
    },
    "experiments": [
        {
            "regime": "small_target",
            "sources": ["segmentation/camvid", "segmentation/suim"],
            "targets": ["segmentation/*"],
        }
    ],
}


def values(*changes: tuple[str, Any]) -> dict[str, Any]:
    """The study as a dict, with changes given as (path, value), such as ("datasets.camvid.domain", "indoor")."""
    changed = copy.deepcopy(STUDY)
    for path, value in changes:
        node: Any = changed
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        for step in steps:
            node = node[step] if isinstance(node, list) else node.setdefault(step, {})
        node[last] = copy.deepcopy(value)
    return changed


def study(*changes: tuple[str, Any]) -> Study:
    """The validated study."""
    return parse_study(values(*changes))


def plan(
    *changes: tuple[str, Any], versions: dict[str, str] | None = None, origin: str | None = None
) -> Plan:
    """Its plan; datasets whose files are there have their version, others version 1 if not said otherwise."""
    chosen = study(*changes)
    return make_plan(
        chosen, {name: _version(chosen, name) for name in chosen.datasets} | (versions or {}), origin
    )


def _version(chosen: Study, name: str) -> str:
    folder = raw_folder(chosen.datasets[name].adapter, chosen.data_root)
    return dataset_version(folder) if folder is not None and folder.is_dir() else "1"


def name_of(run: Run) -> tuple[str, str]:
    """A run as a reader names it, without its key."""
    return run.kind, run.name


def changed_runs(before: Plan, after: Plan) -> set[tuple[str, str]]:
    """Runs of both plans that have other keys in the second, by kind and name."""
    keys = {name_of(run): run.key for run in before}
    return {name_of(run) for run in after if name_of(run) in keys and keys[name_of(run)] != run.key}
