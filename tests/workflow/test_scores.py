"""Scores without fine-tuning in the workflow: they add runs of their own, and rank sources for a new dataset."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pandas as pd
import timm
from clones import TABLES_AND_FIGURES
from safetensors.torch import save_file
from tiny_data import draw_scenes


def with_scores(study):
    # After two steps of training, features are so large that 0.1 is below their costs' last digit: exact transport.
    section = {"pixels": 40, "samples": 150, "repeats": 2, "epsilon": None, "appearance_of": ["street"]}
    study["transferability"] = section


def test_scores_are_added_evaluated_and_recommend_for_a_new_dataset(done):
    done.change(with_scores)
    planned = done.planned()
    kinds = Counter(job.split(" ")[0] for job in planned - TABLES_AND_FIGURES)
    assert kinds["features"] == 3 + 2 and kinds["image_features"] == 3 + 1 and kinds["score"] == 3
    # One job computes all metrics of a pair; nothing is trained again.
    tables_and_figures = {"score_tables", "score_scatter", "look_figures"}
    assert set(kinds) == {"features", "image_features", "score"} | tables_and_figures
    assert done.snakemake().well().finished == planned
    assert done.planned() == set()
    shutil.rmtree(done.folder / "store/features")  # which are not shared: scores stand without them
    assert done.planned() == set()

    tables = done.folder / "results/tables"
    scores = pd.read_parquet(tables / "scores.parquet")
    assert len(scores) == 3 * scores["metric"].nunique() >= 3 * 12 and (scores["status"] == "finished").all()
    distances = pd.read_parquet(tables / "domain_distances.parquet")
    assert len(distances) == 3 * 2 * 4 and (distances["distance"] > 0).all()
    evaluation = pd.read_parquet(tables / "metric_evaluation.parquet")
    assert (
        evaluation.empty and "statistic" in evaluation.columns
    )  # two sources are no order that can be compared

    # Of one backbone, whatever else sees the images of `appearance_of`.
    assert set(distances["backbone"]) == {"ilsvrc"}
    findings = pd.read_parquet(tables / "findings.parquet")
    assert "A03" in set(findings["finding"])
    figures = done.folder / "results/figures"
    for name in ("domain_distances", "appearance", "appearance_street", "scores_gbc_by_target_small_target"):
        assert (figures / f"{name}.png").stat().st_size > 1000, name

    def with_a_new_dataset(study):
        desert = {**study["datasets"]["harbour"]["adapter"], "path": "desert"}
        study["datasets"]["desert"] = {**study["datasets"]["harbour"], "adapter": desert}

    draw_scenes(done.folder / "data", "desert")
    done.change(with_a_new_dataset)
    call = done.snakemake("recommend", "--config", "target=segmentation/desert").well()
    kinds = {job.split(" ")[0] for job in call.finished}
    assert kinds == {"prepare_dataset", "features", "image_features", "score", "recommend"}
    recommendations = done.folder / "results/recommendations"
    told = json.loads((recommendations / "segmentation-desert.json").read_text())
    assert set(told["order"]) == {"ilsvrc", "segmentation/meadow", "segmentation/street"}
    assert f"segmentation/desert: {told['answer']}" in call.said and "would take about" in call.said
    assert (recommendations / "segmentation-desert.png").stat().st_size > 10_000
    ranking = pd.read_parquet(recommendations / "segmentation-desert.parquet")
    of_ilsvrc = ranking[(ranking["source"] == "ilsvrc") & ranking["score"].notna()]
    assert {"logme", "gbc", "same_domain"} <= set(of_ilsvrc["metric"])  # a candidate like all others

    # Less effort looks at less: images only, or nothing at all, and says what there is besides.
    for effort, jobs in (("images", {"recommend"}), ("none", {"recommend"})):
        call = done.snakemake(
            "recommend", "--config", "target=segmentation/desert", f"effort={effort}"
        ).well()
        assert {job.split(" ")[0] for job in call.finished} == jobs
        assert "Public datasets worth fetching" in call.said and "published segmentation targets" in call.said
    call = done.snakemake("recommend", "--config", "target=segmentation/desert", "effort=all")
    assert call.status != 0 and "expected none" in call.said


def test_what_papers_print_is_analysed_as_a_study_is(begun):
    call = begun.snakemake("published").well()
    assert call.finished == {"published"}
    assert "printed 25, here 45.2" in call.said
    results = begun.folder / "results/published"
    assert len(pd.read_parquet(results / "tables/findings.parquet")) > 30
    assert (results / "figures/gains_segmentation_small_target.svg").exists()
    assert begun.snakemake("published").well().finished == set()


def cached(folder, model):
    """Random weights where timm looks for downloaded ones of a model, in the layout of Hugging Face's cache."""
    identifier = timm.get_pretrained_cfg(model).hf_hub_id
    repository = folder / "hub" / f"models--{identifier.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text("0" * 40)
    save_file(timm.create_model(model, pretrained=False).state_dict(), snapshot / "model.safetensors")


def test_recommend_ranks_timms_pretrained_models_too(done, tmp_path):
    """A transformer, a convolutional network, and one that is not in the cache, which is a line of its own."""
    models = ["test_vit.r160_in1k", "test_resnet.r160_in1k"]
    for model in models:
        cached(tmp_path, model)
    offline = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    asked = ("recommend", "--config", "target=segmentation/harbour")
    done.snakemake(*asked, f"models={','.join(models)}", **offline).well()
    ranking = pd.read_parquet(done.folder / "results/recommendations/segmentation-harbour.parquet")
    assert set(ranking["source"]) == {"ilsvrc", "segmentation/meadow", "segmentation/street", *models}
    assert ranking.loc[ranking["source"].isin(models), "score"].notna().any()
    call = done.snakemake(*asked, "models=test_efficientnet.r160_in1k", **offline)
    assert call.status != 0 and "test_efficientnet.r160_in1k could not be had" in call.said


def test_recommend_says_what_it_needs(begun):
    call = begun.snakemake("recommend")
    assert call.status != 0 and "recommend needs a target" in call.said
    call = begun.snakemake("recommend", "--config", "target=segmentation/desert")
    assert call.status != 0 and "no task of this study (known:" in call.said
