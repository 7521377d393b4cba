"""Large pools of sources are filtered before `recommend` scores any; small ones, and whom the user names, are not."""

from __future__ import annotations

import json

import pandas as pd
import pytest
import study_examples as examples

from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.load import hand_over, load_workflow
from transfer_atlas.planning.plan import builder, make_plan
from transfer_atlas.planning.recommendation import recommendation_for
from transfer_atlas.planning.source_pool import BY_PRIOR, BY_RELATION, SourcePool
from transfer_atlas.study.parse import parse_study

NAMES = ["coco", "ade20k", "bdd", *(f"small{number}" for number in range(24))]


def study(tmp_path, names=NAMES):
    """Sources of published datasets and of unknown ones, for a target in the driving domain."""
    return parse_study(
        examples.values(
            *((f"datasets.{name}", examples.folders(name)) for name in names),
            ("datasets.own", examples.folders("own")),
            ("experiments.0.sources", [f"segmentation/{name}" for name in names]),
            ("results", str(tmp_path / "results")),
            ("store", str(tmp_path / "store")),
        )
    )


def recommended(study, pool, models=(), target="segmentation/own"):
    versions = dict.fromkeys(study.datasets, "1")
    return recommendation_for(
        study,
        make_plan(study, versions),
        builder(study, versions),
        target,
        models,
        {},
        leave_out=lambda candidates: pool.left_out(study, target, candidates, models),
    )


def test_a_large_pool_is_filtered_to_what_was_good_elsewhere(tmp_path):
    model = "vit_small_patch14_dinov2.lvd142m"
    found = recommended(study(tmp_path), SourcePool(), [model])
    assert len(found.candidates) == 1 + 16 + 1 and len(found.left_out) == 27 - 16
    assert {"ilsvrc", model, "segmentation/coco"} <= set(found.candidates)
    assert set(found.left_out.values()) == {BY_PRIOR}
    assert {each["source"] for each in found.scores} == set(found.candidates)


def test_small_pools_and_those_that_the_user_wants_whole_are_not_filtered(tmp_path):
    whole = study(tmp_path)
    assert recommended(whole, SourcePool.asked("all")).left_out == {}
    assert recommended(study(tmp_path, NAMES[:24]), SourcePool()).left_out == {}
    assert len(recommended(study(tmp_path, NAMES[:24]), SourcePool.asked("2")).candidates) == 3
    for wrong in ("0", "-1", "many", "1.5", "True"):
        with pytest.raises(ConfigurationError, match="expected how many sources are scored at most"):
            SourcePool.asked(wrong)


def brain(tmp_path):
    binary = {
        "classes": {name: [name] for name in ("csf", "oedema", "necrosis", "enhancing")},
        "modalities": {"t1": ["t1"], "t2": ["t2"]},
        "families": {"tumour": ["oedema", "necrosis", "enhancing"]},
    }
    given = {
        "study": "example",
        "backbone": {"name": "hrnet_tiny"},
        "ilsvrc": {"origin": "scratch"},
        "results": str(tmp_path / "results"),
        "store": str(tmp_path / "store"),
        "datasets": {
            "brain": {
                "domain": "medical",
                "adapter": {"name": "miniature_brain"},
                "tasks": {"segmentation": {}},
                "binary": binary,
            }
        },
        "experiments": [
            {"sources": ["segmentation/brain@*"], "targets": ["segmentation/brain@*"], "baselines": []}
        ],
    }
    return parse_study(given)


def test_relations_that_did_worse_on_other_targets_leave_sources_out(tmp_path):
    whole, target = brain(tmp_path), "segmentation/brain@oedema_t1"
    assert recommended(whole, SourcePool(16, 2), target=target).left_out == {}  # nothing is measured yet
    rows = [
        {
            **dict.fromkeys(["source_classes", "source_modality", "status", "reason", "key"], "x"),
            "source": f"segmentation/brain@{source}",
            "target": f"segmentation/brain@{asked}",
            "regime": "small_target",
            "seed": 0,
            "target_classes": asked.split("_")[0],
            "target_modality": "t1",
            "source_tasks": 1,
            "inputs": inputs,
            "classes": "disjoint",
            "related": related,
            "dice": dice,
            "baseline_dice": 0.1,
        }
        for asked in ("necrosis_t1", "enhancing_t1")
        for source, inputs, related, dice in (
            ("csf_t1", "same", False, 0.5),
            ("csf_t2", "other", False, 0.4),
            ("oedema_t1", "same", True, 0.8),
            ("oedema_t2", "other", True, 0.6),
        )
    ]
    write_table(pd.DataFrame(rows), tmp_path / "results/tables/subtask_transfers.parquet")
    found = recommended(whole, SourcePool(16, 2), target=target)
    left_out = {name.partition("@")[2]: why for name, why in found.left_out.items()}
    assert left_out == dict.fromkeys(["csf_t1", "csf_t2"], BY_RELATION)
    # of the same classes in another modality nothing was measured, so that it is kept
    assert "segmentation/brain@oedema_t2" in found.candidates
    fewer = recommended(whole, SourcePool(2, 2), target=target)
    assert len(fewer.candidates) == 3 and set(fewer.left_out.values()) == {BY_RELATION, BY_PRIOR}


def test_jobs_elsewhere_are_handed_the_decision(tmp_path):
    config = examples.values(
        ("data_root", str(tmp_path)),
        ("store", str(tmp_path / "store")),
        ("results", str(tmp_path / "results")),
        ("scratch", str(tmp_path / "scratch")),
    )
    for name in ("ilsvrc", "camvid", "suim", "isprs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "image.png").write_bytes(name.encode())
    asked = config | {"target": "segmentation/isprs", "pool": 1}
    flow = load_workflow(asked, without_data=False)
    assert len(flow.recommendation.left_out) == 1
    handed = hand_over(flow, tmp_path / "handed")
    content = json.loads(handed.read_text())
    (left,) = content[2]
    (other,) = {"segmentation/camvid", "segmentation/suim"} - {left}
    handed.write_text(json.dumps([*content[:2], {other: "the main process says so"}]))
    again = load_workflow(asked, without_data=False, handed=handed)
    assert set(again.recommendation.left_out) == {other}
