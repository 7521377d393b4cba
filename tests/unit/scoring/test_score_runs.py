"""Features and scores as runs: what they leave, that they repeat, and that failures are rows."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
import run_examples
import study_examples as examples
import torch

from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.planning.run import Run
from transfer_atlas.running import execute as runs
from transfer_atlas.scoring.features import Sampling, extract_samples, pooled_features
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.scoring.scores import ScoreSettings, score_pair
from transfer_atlas.scoring.source_heads import source_head
from transfer_atlas.transferability import leep, logme

ALL = ("leep", "nce", "n_leep", "h_score", "shrinkage_h_score", "logme", "gbc", "transrate", "parc", "otce")
SETTINGS = ScoreSettings(ALL, 150, 2, 100, 0.1, 0, "diagonal")


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


def test_every_metric_has_a_value_and_a_deviation():
    found = score_pair(samples(0), samples(1), SETTINGS)
    assert set(found) == {*ALL, "otce_domain_difference", "otce_marginal_error"}
    for entry in found.values():
        assert entry["status"] == "finished" and entry["repeats"] == 2 and entry["deviation"] >= 0
    assert found == found | {
        name: entry | {"seconds": found[name]["seconds"]}
        for name, entry in score_pair(samples(0), samples(1), SETTINGS).items()
    }


def test_few_samples_are_taken_as_they_are():
    target = samples(0, n=120)
    found = score_pair(target, samples(1, n=90), SETTINGS)
    assert found["logme"]["value"] == logme(target["features"], target["labels"])
    assert found["leep"]["value"] == leep(target["probabilities"], target["labels"])
    assert found["logme"]["repeats"] == 1 and found["logme"]["deviation"] is None


def test_what_does_not_apply_is_a_row_with_its_reason():
    found = score_pair(samples(0, heads=None), None, SETTINGS)
    assert found["leep"]["status"] == found["otce"]["status"] == "not_applicable"
    assert found["leep"]["reason"] == "the source has no head with classes"
    assert found["logme"]["status"] == "finished"
    one = samples(0) | {"labels": np.zeros(200, np.int64)}
    found = score_pair(one, samples(1), SETTINGS)
    assert found["gbc"]["status"] == "undefined" and "compares classes" in found["gbc"]["reason"]
    assert found["gbc"]["value"] is None


def test_an_unconverged_plan_is_a_row(monkeypatch):
    monkeypatch.setattr("transfer_atlas.transferability.transport.plan.ROUNDS", 1)
    found = score_pair(samples(0), samples(1), SETTINGS)
    assert found["otce"]["status"] == "unconverged" and found["otce"]["value"] is None


def test_depth_is_scored_as_classes_and_as_regression():
    target = samples(0, heads=None)
    target["targets"] = np.exp(target["features"][:, 0].astype(float))
    assert score_pair(target, None, SETTINGS)["logme"]["value"] > -2


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
    plan = examples.plan(
        ("transferability", {"pixels": 30, "samples": 100, "repeats": 2}),
        ("data_root", str(raw)),
        ("experiments.0.targets", ["segmentation/isprs"]),
        ("experiments.0.sources", ["segmentation/camvid"]),
        ("task_types.segmentation.training.steps", 2),
        ("task_types.segmentation.training.batch_size", 2),
        ("task_types.classification.training.steps", 2),
        ("task_types.classification.training.batch_size", 2),
    )

    def carry_out(run: Run) -> dict:
        folder = run.folder(tmp_path / "store")
        if not (folder / "run.json").exists():
            for parent in run.parents.values():
                carry_out(parent)
            runs.execute(runs.request(run, tmp_path / "store", tmp_path / "scratch"), io.StringIO())
        return json.loads((folder / "run.json").read_text())

    (score,) = plan.of_kind("score")
    record = carry_out(score)
    assert record["status"] == "finished"
    found = {name: entry["status"] for name, entry in record["metrics"]["scores"].items()}
    # after two steps of training, features may be so large that epsilon is below their costs' last digit
    assert found.pop("otce") in ("finished", "unconverged")
    assert set(found.values()) == {"finished"}
    assert record["metrics"]["scores"]["logme"]["value"] is not None
    found = load_samples(score.parents["features"].folder(tmp_path / "store"))
    assert found["features"].shape[1] == 120 and found["probabilities"].shape[1] == 2
    for run in plan.of_kind("image_features"):
        assert carry_out(run)["metrics"]["dimensions"] == 120
