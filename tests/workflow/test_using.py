"""The study of few-shot tasks as a user runs it, cut down: parts of a dataset, methods, scores of sampled targets."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import yaml

FEW_SHOT = "studies/few_shot.yaml"


def cut_down(study):
    """Two tasks, one network, a few steps; and scores, as studies/target_selection.yaml asks for them."""
    study["task_types"]["classification"]["training"]["steps"] = 2
    study["task_types"]["classification"]["regimes"]["full_target"]["steps"] = 2
    study["methods"] = {"otce": {"steps": 2, "learning_rate": 0.0003}, "episodes": {"steps": 2}}
    del study["backbones"]
    study["datasets"]["digits"]["sampled"]["three_way"]["tasks"] = 2
    study["experiments"] = [
        {
            "regime": "full_target",
            "sources": ["classification/digits@zero_to_six"],
            "targets": ["classification/digits@three_way_*"],
            "baselines": ["scratch"],
            "methods": ["plain", "otce", "prototypical"],
        }
    ]
    study["transferability"] = {
        "metrics": ["gbc", "leep"],
        "repeats": 1,
        "domain_features": "classification/digits@zero_to_six",
    }


def test_few_shot_tasks_run_through_snakemake_and_are_compared(begun):
    study = yaml.safe_load((begun.folder / FEW_SHOT).read_text(encoding="utf-8"))
    cut_down(study)
    begun.write(study)
    call = begun.snakemake().well()
    kinds = Counter(job.split(" ")[0] for job in call.finished)
    assert kinds["take_part"] == 3 and kinds["prepare_dataset"] == 1
    assert kinds["train_source"] == 2  # one of its own for episodes
    assert kinds["transfer"] == 2 * 4
    assert begun.planned() == set()

    tables = begun.folder / "results/few_shot/tables"
    summary = pd.read_parquet(tables / "method_summary.parquet").set_index("method")
    assert set(summary.index) == {"plain", "otce", "prototypical"} and (summary["targets"] == 2).all()
    assert (pd.read_parquet(tables / "scores.parquet")["status"] == "finished").all()
    assert (begun.folder / "results/few_shot/report.html").stat().st_size > 10_000

    # One more task computes its own part and transfers, and nothing else.
    study["datasets"]["digits"]["sampled"]["three_way"]["tasks"] = 3
    begun.write(study)
    runs = {job for job in begun.planned() if job.split(" ")[0] in ("take_part", "train_source", "transfer")}
    assert Counter(job.split(" ")[0] for job in runs) == {"take_part": 1, "transfer": 4}
    assert all("three_way_002" in job for job in runs)
