"""Several sources for a target in one command: `snakemake combine`."""

from __future__ import annotations

import json
from collections import Counter

import pandas as pd
from tiny_data import draw_scenes

TARGETS = "targets=segmentation/desert,segmentation/harbour"


def with_three_sources(study):
    desert = {**study["datasets"]["harbour"]["adapter"], "path": "desert"}
    study["datasets"]["desert"] = {**study["datasets"]["harbour"], "adapter": desert}
    study["experiments"][0]["sources"].append("segmentation/harbour")
    # After two steps of training, features are so large that 0.1 is below their costs' last digit: exact transport.
    study["transferability"] = {"pixels": 40, "samples": 150, "epsilon": None}


def test_combine_fuses_proposes_trains_and_shares_its_runs(done):
    draw_scenes(done.folder / "data", "desert")
    done.change(with_three_sources)
    call = done.snakemake("combine", "--config", TARGETS, "seeds=1").well()
    kinds = Counter(job.split(" ")[0] for job in call.finished)
    assert kinds["score"] == 3 + 2 and kinds["train_source"] == 1  # harbour; the others are there
    assert "transfer" not in kinds  # which follow from scores: the job of `combine` carries them out

    folder = done.folder / "results/combinations/segmentation-desert--segmentation-harbour"
    told = json.loads((folder / "combination.json").read_text(encoding="utf-8"))
    scores = told["scores"]["segmentation/desert"]
    proposal = told["proposals"]["segmentation/desert"]
    order = sorted(scores, key=scores.get, reverse=True)
    assert proposal["proposed"] == order[:2] and proposal["lowest"] == order[1:]
    assert told["proposals"]["segmentation/harbour"]["lowest"] == []  # there are two sources

    fusions = pd.read_parquet(folder / "fusions.parquet")
    assert (fusions["status"] == "finished").all() and set(fusions["pool"]) == {"single", "all", "proposed"}
    transfers = pd.read_parquet(folder / "joint_transfers.parquet")
    assert len(transfers) == 4 + 3 and (transfers["status"] == "finished").all()
    both = transfers[(transfers["target"] == "segmentation/desert") & (transfers["start"] == "proposed")]
    assert sorted(both["sources"].iloc[0]) == sorted(order[:2]) and len(set(both["source_key"])) == 1
    gains = pd.read_parquet(folder / "joint_gains.parquet")
    assert set(gains["target"]) == {"segmentation/desert", "segmentation/harbour", "all"}
    assert "features of 3 sources for segmentation/desert: 1 of 2 targets" in call.said
    assert "Proposed for one multi-source: " in call.said + (folder / "combination.txt").read_text()

    # A study that names the same multi-source finds all of it there: nothing is trained again.
    def with_the_proposal(study):
        study["multi_sources"] = {"multi_segmentation": {"tasks": proposal["proposed"]}}
        asked = {"sources": ["multi_segmentation"], "targets": ["segmentation/desert"]}
        study["experiments"] = [{**asked, "baselines": ["ilsvrc"]}]
        del study["transferability"]

    done.change(with_the_proposal)
    assert not {"train_source", "transfer"} & {job.split(" ")[0] for job in done.planned()}


def test_combine_says_what_it_needs(begun):
    call = begun.snakemake("combine", "--dry-run")
    assert call.status != 0 and "combine needs targets" in call.said
