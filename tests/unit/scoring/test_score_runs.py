"""Features and scores as runs: what they leave, that they repeat, and that failures are rows."""

from __future__ import annotations

import io
import json
import sys

import numpy as np
import pytest
import run_examples
import study_examples as examples
import torch

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.planning.request import request
from transfer_atlas.planning.run import Run
from transfer_atlas.running import execute as runs
from transfer_atlas.scoring.features import Sampling, extract_samples, pooled_features
from transfer_atlas.scoring.metrics import METRICS, USUAL, needs_source
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.scoring.scores import draws_of, score_of
from transfer_atlas.scoring.source_heads import source_head
from transfer_atlas.transferability import leep, logme
from transfer_atlas.transferability.arrays import UnconvergedError

SETTINGS = {"parc_samples": 100, "epsilon": 0.1, "covariance": "diagonal"}


def scored(metric, target, source, *, drawn=150, repeats=2):
    """A metric on draws of given samples."""
    draws = draws_of(target, source, samples=drawn, repeats=repeats, seed=0)
    return score_of(metric, draws, SETTINGS)


def samples(seed: int, n: int = 200, heads: int | None = 4) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, n)
    arrays = {
        "features": (labels[:, None] + generator.standard_normal((n, 6))).astype(np.float32),
        "labels": labels,
    }
    if heads:
        arrays["probabilities"] = generator.dirichlet(np.ones(heads), n).astype(np.float32)
    return arrays


def with_depths(seed):
    found = samples(seed)
    return found | {"targets": np.exp(found["features"][:, 0].astype(float))}


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_value_and_a_deviation(metric):
    found = scored(metric, with_depths(0), samples(1))
    assert found["repeats"] == 2 and found["deviation"] >= 0 and found["samples"] == 150
    assert set(found["parts"]) == (
        {"otce_domain_difference", "otce_marginal_error"} if metric == "otce" else set()
    )
    assert found == scored(metric, with_depths(0), samples(1))


@pytest.mark.parametrize("metric", [name for name in METRICS if not needs_source(name)])
def test_whether_there_are_source_samples_changes_no_other_metric(metric):
    # a pair's scores are keyed one by one: they may be computed with or without OTCE beside them
    assert scored(metric, with_depths(0), samples(1)) == scored(metric, with_depths(0), None)


def test_few_samples_are_taken_as_they_are():
    target = samples(0, n=120)
    found = scored("logme", target, samples(1, n=90))
    assert found["value"] == logme(target["features"], target["labels"])
    assert found["repeats"] == 1 and found["deviation"] is None
    assert scored("leep", target, None)["value"] == leep(target["probabilities"], target["labels"])


@pytest.mark.parametrize(
    ("metric", "target", "status", "reason"),
    [
        ("leep", samples(0, heads=None), "not_applicable", "the source has no head with classes"),
        ("otce", samples(0), "not_applicable", "the source has no dataset of its own"),
        ("gbc", samples(0) | {"labels": np.zeros(200, np.int64)}, "undefined", "compares classes"),
        ("h_score", {k: v[:1] for k, v in samples(0).items()}, "undefined", "sample"),
        ("logme", samples(0) | {"features": np.full((200, 6), np.nan)}, "undefined", "finite"),
    ],
)
def test_what_does_not_apply_or_is_undefined_is_a_result_with_its_reason(metric, target, status, reason):
    with pytest.raises(LegitimateFailure, match=reason) as caught:
        scored(metric, target, None)
    assert caught.value.status == status


def test_an_unconverged_plan_is_a_result(monkeypatch):
    def refuse(*arguments, **options):
        raise UnconvergedError("after 3 rounds")

    monkeypatch.setattr(sys.modules["transfer_atlas.transferability.otce"], "otce", refuse)
    with pytest.raises(LegitimateFailure, match="after 3 rounds") as caught:
        scored("otce", samples(0), samples(1))
    assert caught.value.status == "unconverged"


def test_depth_is_scored_as_classes_and_as_regression():
    target = samples(0, heads=None)
    with pytest.raises(LegitimateFailure, match="the target has classes, no values"):
        scored("logme_regression", target, None)
    target["targets"] = np.exp(target["features"][:, 0].astype(float))
    found = {name: scored(name, target, None)["value"] for name in ("logme", "logme_regression")}
    assert found["logme_regression"] > -2 and found["logme"] != found["logme_regression"]


def test_extraction_sees_the_same_cells_for_every_source(tmp_path):
    dataset = run_examples.prepared(tmp_path / "prepared", count=5, sizes=(32, 64))
    sampling = Sampling("class_balanced", 20, 10, 0)
    arguments = (dataset, np.arange(5), "segmentation", (64, 64), sampling)
    first, second = (build_backbone("hrnet_tiny", seed=seed) for seed in (0, 1))
    head = source_head(
        first,
        {
            "head.classifier.weight": torch.randn(3, first.channels, 1, 1),
            "head.classifier.bias": torch.zeros(3),
        },
        "segmentation",
        "test",
    )
    here = extract_samples(first, head, *arguments, device=torch.device("cpu"))
    there = extract_samples(second, None, *arguments, device=torch.device("cpu"))
    np.testing.assert_array_equal(here["labels"], there["labels"])
    np.testing.assert_array_equal(here["images"], np.repeat(np.arange(5), np.bincount(here["images"])))
    assert here["features"].shape == (len(here["labels"]), first.channels) == there["features"].shape
    assert not np.allclose(here["features"], there["features"])
    np.testing.assert_allclose(here["probabilities"].sum(axis=1), 1, atol=1e-5)
    assert "probabilities" not in there and set(np.unique(here["labels"])) == {0, 1}
    pooled = pooled_features(
        first, dataset, np.arange(5), "segmentation", (64, 64), device=torch.device("cpu")
    )
    assert pooled.shape == (5, first.channels)


@pytest.mark.slow
def test_the_runs_of_a_study_end_to_end(tmp_path):
    raw = tmp_path / "raw"
    for number, name in enumerate(("camvid", "suim", "isprs")):
        run_examples.segmentation_folders(raw, name, seed=number)
    run_examples.class_folders(raw, "ilsvrc")
    chosen = (
        ("transferability", {"pixels": 30, "samples": 100, "repeats": 2}),
        ("data_root", str(raw)),
        ("experiments.0.targets", ["segmentation/isprs"]),
        ("experiments.0.sources", ["segmentation/camvid"]),
        ("task_types.segmentation.training.steps", 2),
        ("task_types.segmentation.training.batch_size", 2),
        ("task_types.classification.training.steps", 2),
        ("task_types.classification.training.batch_size", 2),
    )
    plan = examples.plan(*chosen, versions=examples.versions_of(*chosen))

    def carry_out(run: Run) -> dict:
        folder = run.folder(tmp_path / "store")
        if not (folder / "run.json").exists():
            for parent in run.parents.values():
                carry_out(parent)
            runs.execute(request(run, tmp_path / "store", tmp_path / "scratch"), io.StringIO())
        return json.loads((folder / "run.json").read_text())

    scores = plan.of_kind("score")
    assert len(scores) == len(USUAL)
    values = {}
    for score in scores:
        record = carry_out(score)
        metric = score.settings["metric"]
        # after two steps of training, features may be so large that epsilon is below their costs' last digit
        allowed = ("finished", "unconverged") if metric == "otce" else ("finished", "undefined")
        assert record["status"] in allowed, record
        values[metric] = (record["metrics"] or {}).get("value")
    assert values["logme"] is not None and values["leep"] is not None
    found = load_samples(scores[0].parents["features"].folder(tmp_path / "store"))
    assert found["features"].shape[1] == 120 and found["probabilities"].shape[1] == 2
    for run in plan.of_kind("image_features"):
        assert carry_out(run)["metrics"]["dimensions"] == 120
