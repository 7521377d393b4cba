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
from transfer_atlas.scoring.scores import drawn_by, draws_of, score_of, together
from transfer_atlas.scoring.source_heads import predictions, source_head
from transfer_atlas.transferability import leep, logme
from transfer_atlas.transferability.arrays import UnconvergedError

SETTINGS = {"parc_samples": 100, "epsilon": 0.1, "covariance": "diagonal", "superpixels": 2}


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


def with_everything(seed):
    """Samples that hold what any metric may ask for; boxes as a target of detection has them."""
    found = samples(seed)
    generator = np.random.default_rng(seed)
    boxes = np.column_stack([generator.uniform(0.3, 0.7, (200, 2)), generator.uniform(0.1, 0.5, (200, 2))])
    logits = np.log(found["probabilities"]) + generator.standard_normal((200, 1))
    depths = np.exp(found["features"][:, 0].astype(float))
    places = generator.random((200, 2))
    return found | {"targets": depths, "boxes": boxes, "logits": logits, "places": places}


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_has_a_value_and_a_deviation(metric):
    found = scored(metric, with_everything(0), samples(1))
    assert found["repeats"] == 2 and found["samples"] == 150
    parts = {"otce": {"otce_domain_difference", "otce_marginal_error"}}.get(metric, set())
    values = METRICS[metric].values
    if len(values) > 1:  # its value is one among all sources of a target: `with_combined`
        assert found["value"] is None and found["deviation"] is None and set(found["parts"]) == set(values)
    else:
        assert found["deviation"] >= 0 and set(found["parts"]) == parts
    assert found == scored(metric, with_everything(0), samples(1))


@pytest.mark.parametrize("metric", [name for name in METRICS if not needs_source(name)])
def test_whether_there_are_source_samples_changes_no_other_metric(metric):
    # a pair's scores are keyed one by one: they may be computed with or without OTCE beside them
    assert scored(metric, with_everything(0), samples(1)) == scored(metric, with_everything(0), None)


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
        ("det_logme", samples(0), "not_applicable", "the target has no boxes"),
        ("etran_energy", samples(0), "not_applicable", "the source has no head with classes"),
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
    sampling = Sampling(("class_balanced",), 20, 10, 0)
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


def test_pixels_of_two_schemes_are_those_that_each_would_draw_alone(tmp_path):
    dataset = run_examples.prepared(tmp_path / "prepared", count=4, sizes=(32, 64))
    network = build_backbone("hrnet_tiny", seed=0)

    def drawn(*schemes):
        asked = (dataset, np.arange(4), "segmentation", (64, 64), Sampling(schemes, 15, 10, 3))
        return extract_samples(network, None, *asked, device=torch.device("cpu"))

    both = drawn("class_balanced", "uniform")
    for scheme in ("class_balanced", "uniform"):
        alone, found = drawn(scheme), drawn_by(both, scheme)
        assert set(found) == set(alone)
        for name in alone:
            np.testing.assert_array_equal(found[name], alone[name])
    assert not np.array_equal(drawn_by(both, "uniform")["labels"], drawn_by(both, "class_balanced")["labels"])


def test_places_of_pixels_are_where_their_labels_were_annotated(tmp_path):
    dataset = run_examples.prepared(tmp_path / "prepared", count=3, sizes=(32, 64))
    sampling = Sampling(("uniform", "class_balanced"), 25, 10, 0, ("places",))
    network = build_backbone("hrnet_tiny", seed=0)
    found = extract_samples(
        network, None, dataset, np.arange(3), "segmentation", (64, 64), sampling, device=torch.device("cpu")
    )
    masks = [sample.mask.numpy() for sample in dataset.read("train", [0, 1, 2], "segmentation")]
    for label, image, place in zip(found["labels"], found["images"], found["places"], strict=True):
        row, column = (place * masks[image].shape).astype(int)
        assert masks[image][row, column] == label
    assert found["places"].dtype == np.float32 and len(set(found["scheme"])) == 2


def test_a_target_without_a_label_in_every_pixel_has_no_dense_score():
    with pytest.raises(LegitimateFailure, match="no label in every pixel") as caught:
        scored("dense_h_score", samples(0), None)
    assert caught.value.status == "not_applicable"
    few = with_everything(0) | {"places": np.random.default_rng(0).random((200, 2))}
    with pytest.raises(LegitimateFailure, match="Fewer superpixels") as caught:
        score_of(
            "dense_h_score",
            draws_of(few, None, samples=150, repeats=1, seed=0),
            SETTINGS | {"superpixels": 9},
        )
    assert caught.value.status == "undefined"


def test_a_multi_source_is_scored_by_all_its_heads():
    network = build_backbone("hrnet_tiny", seed=0).eval()
    generator = torch.Generator().manual_seed(0)
    tensors = {}
    for name, classes in (("b", 4), ("a", 3)):
        weight = torch.randn(classes, network.channels, 1, 1, generator=generator)
        tensors |= {
            f"heads.{name}.classifier.weight": weight,
            f"heads.{name}.classifier.bias": torch.zeros(classes),
        }
    head = source_head(network, tensors, "segmentation", "test")
    branches = network.branches(torch.rand(1, 3, 64, 64, generator=generator))
    shares, logits = predictions(head, branches)
    assert shares.shape == logits.shape == (1, 7, 16, 16)
    torch.testing.assert_close(
        shares[:, :3], torch.softmax(logits[:, :3], dim=1) / 2
    )  # in the order of names
    torch.testing.assert_close(shares.sum(dim=1), torch.ones(1, 16, 16))
    assert source_head(network, tensors, "depth", "test") is None


def test_a_multi_source_has_the_samples_of_all_its_datasets():
    first, second = samples(1, n=50), samples(2, n=30)
    found = together([first, second])
    assert len(found["features"]) == 80 and set(found["labels"]) == {0, 1, 2, 3, 4, 5}
    assert together([]) is None and together([first]) is first
    assert np.isfinite(scored("otce", samples(0), found)["value"])


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
