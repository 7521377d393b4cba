"""The study of binary sub-tasks as a user runs it, cut down: modalities, class sets, several sources, the findings."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import yaml

STUDY = "studies/subtasks.yaml"


def cut_down(study):
    """Four tasks, few steps and images, one source of two tasks."""
    task_type = study["task_types"]["segmentation"]
    task_type["training"]["steps"] = 2
    task_type["regimes"]["few_images"]["steps"] = 2
    brain = study["datasets"]["brain"]
    brain["adapter"] |= {"n_train": 8, "n_val": 4}
    classes = brain["binary"]["classes"]
    brain["binary"]["classes"] = {name: classes[name] for name in ("grey", "white", "core")}
    both = "multi_segmentation_grey_white_t1ce"
    study["multi_sources"] = {both: study["multi_sources"][both]}
    first, second = study["experiments"]
    first["sources"] = ["segmentation/brain@grey_t1ce", "segmentation/brain@white_flair"]
    first["targets"] = ["segmentation/brain@white_t1ce"]
    second |= {"sources": [both], "targets": ["segmentation/brain@core_t1ce"]}


def test_binary_tasks_run_through_snakemake_and_their_relations_are_told(begun):
    study = yaml.safe_load((begun.folder / STUDY).read_text(encoding="utf-8"))
    cut_down(study)
    begun.write(study)
    call = begun.snakemake().well()
    kinds = Counter(job.split(" ")[0] for job in call.finished)
    assert (kinds["prepare_dataset"], kinds["take_part"], kinds["train_source"]) == (2, 4, 3)
    assert kinds["transfer"] == 2 + 1 + 1
    assert begun.planned() == set()

    tables = begun.folder / "results/subtasks/tables"
    found = pd.read_parquet(tables / "subtask_transfers.parquet").set_index(["source", "target"])
    assert len(found) == 3 and found["dice"].notna().all()
    told = {
        ("grey_t1ce", "white_t1ce"): ("same", "disjoint", True),  # no task is both together
        ("white_flair", "white_t1ce"): ("other", "same", True),
    }
    for (source, target), expected in told.items():
        row = found.loc[(f"segmentation/brain@{source}", f"segmentation/brain@{target}")]
        assert (row["inputs"], row["classes"], row["related"]) == expected
        assert row["baseline_dice"] >= 0
    several = found.loc[("multi_segmentation_grey_white_t1ce", "segmentation/brain@core_t1ce")]
    assert several["source_tasks"] == 2 and not several["related"]
    findings = pd.read_parquet(tables / "subtask_findings.parquet").set_index("part")
    assert findings.loc["other_task", "verdict"] == "undecided"
    per_class = pd.read_parquet(tables / "per_class.parquet")
    assert (per_class["dice"] >= per_class["value"]).all()

    # Families are what tables say, and no run's business.
    study["datasets"]["brain"]["binary"]["families"] = {}
    begun.write(study)
    planned = {job.split(" ")[0] for job in begun.planned()}
    assert "tables" in planned and not planned & {"transfer", "train_source", "take_part", "prepare_dataset"}
