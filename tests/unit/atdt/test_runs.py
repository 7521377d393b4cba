"""The steps as runs: each lowers its loss, leaves what the next needs, and is the same after an interruption."""

import io
import shutil

import pyarrow.parquet as pq
import pytest
import torch
from atdt_examples import SMALL, carried_out, planned, study

from transfer_atlas.models.checkpoints import load_checkpoint
from transfer_atlas.planning.request import request
from transfer_atlas.planning.run import ancestry
from transfer_atlas.running.execute import execute
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.store.store import read_run
from transfer_atlas.training import loop


@pytest.fixture(scope="module")
def plan():
    variants = {
        "methods": ["baseline", "atdt", "oracle", "no_transfer"],
        "directions": ["depth_to_segmentation"],
    }
    return planned(study(experiment=variants))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("atdt")


@pytest.fixture(scope="module")
def records(plan, folder):
    return carried_out(list(plan.of_kind("atdt_evaluation")), folder)


def of_kind(records, kind):
    return [record for record in records.values() if record["kind"] == kind]


@pytest.mark.parametrize("kind", ["atdt_network", "atdt_transfer_network"])
def test_every_step_lowers_its_loss(records, kind):
    for record in of_kind(records, kind):
        curve = record["metrics"]["curve"]
        assert curve[-1][1] < 0.9 * curve[0][1], record["name"]
        assert record["metrics"]["steps_per_second"] > 0


def test_the_trained_networks_are_bit_identical_after_g_was_trained(records, plan, folder):
    """Files are hashed before they are used, so that a changed one would have been refused: here it is looked at."""
    (mapping,) = plan.of_kind("atdt_transfer_network")
    tensors, _ = load_checkpoint(mapping.folder(folder / "store") / "model.safetensors")
    assert all(
        name.startswith("convolutions.") for name in tensors
    )  # G's weights, and no copy of a frozen network's


def test_evaluations_hold_the_papers_metrics(records, plan, folder):
    for each in plan.wanted_of("atdt_evaluation"):
        record = read_run(each.run.folder(folder / "store"))
        metrics = record["metrics"]
        assert set(metrics["per_class"]) <= set(each.run.parents["decoder"].settings["classes"])
        assert 0 <= metrics["value"] <= 1 and 0 <= metrics["pixel_accuracy"] <= 1
        per_image = pq.read_table(each.run.folder(folder / "store") / "per_image.parquet")
        assert len(set(per_image["image"].to_pylist())) == 5
        assert len(metrics["shown"]) == 3
        if each["method"] == "atdt":
            samples = load_samples(each.run.folder(folder / "store"))
            assert {name: values.shape[1] for name, values in samples.items()} == dict.fromkeys(
                ("given", "mapped", "wanted"), 64
            )


def test_depth_is_evaluated_in_metres(folder):
    plan = planned(study(experiment={"directions": ["segmentation_to_depth"], "methods": ["baseline"]}))
    for record in of_kind(carried_out(list(plan.of_kind("atdt_evaluation")), folder), "atdt_evaluation"):
        metrics = record["metrics"]
        assert 1 < metrics["rmse"] < 80 and 0 <= metrics["delta_1"] <= metrics["delta_3"] <= 1
        assert {"absolute_relative", "squared_relative", "rmse_log", "delta_2"} < set(metrics)


@pytest.mark.parametrize("kind", ["atdt_network", "atdt_transfer_network"])
def test_an_interrupted_step_goes_on_to_the_same_bits(records, plan, folder, tmp_path, monkeypatch, kind):
    run = plan.of_kind(kind)[0]
    store = tmp_path / "store"
    for parent in ancestry([run]):
        shutil.copytree(parent.folder(folder / "store"), parent.folder(store))
    monkeypatch.setattr(loop, "LOOK_EVERY", 7)
    monkeypatch.setenv("TRANSFER_ATLAS_SAVE_SECONDS", "0")
    own_save, saved = loop._save, []

    def save_and_die(path, *values):
        own_save(path, *values)
        saved.append(path)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        execute(request(run, store, tmp_path / "scratch"), io.StringIO())
    execute(request(run, store, tmp_path / "scratch"), io.StringIO())
    once, again = (
        load_checkpoint(run.folder(root) / "model.safetensors")[0] for root in (folder / "store", store)
    )
    assert once.keys() == again.keys()
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_a_network_that_diverged_is_a_result_and_so_is_what_builds_on_it(tmp_path):
    hopeless = {"segmentation": {**SMALL, "steps": 20}, "depth": {**SMALL, "learning_rate": 1e30}}
    plan = planned(
        study(training=hopeless, experiment={"methods": ["atdt"], "directions": ["depth_to_segmentation"]})
    )
    found = carried_out(list(plan.of_kind("atdt_evaluation")), tmp_path)
    (n1,) = [r for r in of_kind(found, "atdt_network") if list(r["settings"]["tasks"]) == ["depth"]]
    assert n1["status"] == "diverged"
    for record in of_kind(found, "atdt_evaluation"):
        assert record["status"] == "source_failed" and "diverged" in record["reason"]
