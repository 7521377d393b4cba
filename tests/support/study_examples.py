"""A small study, as read from YAML, that the tests of configuration, plan and runs start from."""

from __future__ import annotations

import copy
from typing import Any

from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.datasets.versions import dataset_version
from transfer_atlas.planning.identity import Wanted
from transfer_atlas.planning.plan import Plan, make_plan
from transfer_atlas.planning.run import Run
from transfer_atlas.study.parse import parse_study
from transfer_atlas.study.study import Study


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
    """Its plan; datasets whose files are there have their true version, others version 1, if not said otherwise."""
    chosen = study(*changes)
    known = dict.fromkeys(chosen.datasets, "1") | versions_of(*changes) | (versions or {})
    return make_plan(chosen, known, origin)


def versions_of(*changes: tuple[str, Any]) -> dict[str, str]:
    """True content versions of those datasets of the study whose files are there."""
    chosen = study(*changes)
    folders = {name: raw_folder(d.adapter, chosen.data_root) for name, d in chosen.datasets.items()}
    return {name: dataset_version(path) for name, path in folders.items() if path and path.is_dir()}


def name_of(each: Run | Wanted) -> tuple:
    """A run as a reader names it, without its key: by its identity where the plan gives it one."""
    return each.names if isinstance(each, Wanted) else (each.kind, each.name)


def everything(plan: Plan) -> list[Run | Wanted]:
    """What a plan wants, and the runs that this builds on."""
    wanted = {(each.run.kind, each.run.key) for each in plan.wanted}
    return [*plan.wanted, *(run for run in plan if (run.kind, run.key) not in wanted)]


def key_of(each: Run | Wanted) -> str:
    """The key of a run, or of the run that is wanted."""
    return each.run.key if isinstance(each, Wanted) else each.key


def changed_runs(before: Plan, after: Plan) -> set[tuple]:
    """What both plans have, but with other keys in the second."""
    keys = {name_of(each): key_of(each) for each in everything(before)}
    return {
        name_of(each)
        for each in everything(after)
        if name_of(each) in keys and keys[name_of(each)] != key_of(each)
    }
