"""Multi-sources: one backbone, a head per dataset, batches in turn; where they are sources and where not."""

import shutil

import numpy as np
import pytest
import run_examples
import study_examples as examples
import torch

from transfer_atlas.analysis.tables.records import dataset_facts
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model, MultiHeadModel
from transfer_atlas.planning.request import request
from transfer_atlas.running.execute import execute
from transfer_atlas.store.store import read_run
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training import fit as fitting
from transfer_atlas.training import loop
from transfer_atlas.training.batches import Batches, InterleavedBatches
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.settings import TrainingSettings

TOGETHER = ("multi_sources", {"multi_segmentation": {"tasks": ["segmentation/camvid", "segmentation/suim"]}})
AS_SOURCE = ("experiments.0.sources", ["segmentation/camvid", "multi_segmentation"])
TASK = TASK_TYPES["segmentation"]
QUICK = TrainingSettings(resolution=(32, 32), crop=(32, 32), batch_size=2, steps=6, learning_rate=0.05)


def multi_source(plan):
    (run,) = [run for run in plan.of_kind("source") if run.name == "multi-segmentation"]
    return run


# Configuration and plan


def test_a_multi_source_is_no_source_for_what_it_was_trained_on():
    plan = examples.plan(TOGETHER, AS_SOURCE)
    pairs = [(each["source"], each["target"]) for each in plan.wanted_of("transfer")]
    assert ("multi_segmentation", "segmentation/isprs") in pairs
    assert [pair for pair in pairs if pair[0] == "multi_segmentation"] == [
        ("multi_segmentation", "segmentation/isprs")
    ]


def test_its_key_depends_on_its_datasets_and_their_sizes_only():
    base = examples.plan(TOGETHER, AS_SOURCE)
    run = multi_source(base)
    assert set(run.parents) == {"ilsvrc", "dataset_camvid", "dataset_suim"}
    assert set(run.settings["datasets"]) == {"camvid", "suim"}
    other_size = ("datasets.suim.tasks.segmentation.training", {"resolution": [96, 96]})
    assert multi_source(examples.plan(TOGETHER, AS_SOURCE, other_size)).key != run.key
    assert multi_source(examples.plan(TOGETHER, AS_SOURCE, versions={"suim": "2"})).key != run.key
    # what the datasets do differently as sources of their own is not the multi-source's
    rate = ("datasets.suim.tasks.segmentation.training", {"learning_rate": 0.5, "steps": 7})
    assert multi_source(examples.plan(TOGETHER, AS_SOURCE, rate)).key == run.key
    own = ("multi_sources.multi_segmentation.training", {"steps": 33})
    changed = multi_source(examples.plan(TOGETHER, AS_SOURCE, own))
    assert changed.key != run.key and changed.settings["training"]["steps"] == 33


def test_a_single_sources_key_does_not_know_of_multi_sources():
    plain = {run.name: run.key for run in examples.plan().of_kind("source")}
    beside = {run.name: run.key for run in examples.plan(TOGETHER, AS_SOURCE).of_kind("source")}
    assert beside["segmentation-camvid"] == plain["segmentation-camvid"]


@pytest.mark.parametrize(
    ("name", "tasks", "said"),
    [
        ("multi_depth", ["segmentation/camvid", "segmentation/suim"], "multi_segmentation"),
        (
            "multi_segmentation",
            ["segmentation/camvid", "classification/ilsvrc"],
            "classification, segmentation",
        ),
        ("multi_segmentation", ["segmentation/camvid", "segmentation/camvid"], "only segmentation/camvid"),
        (
            "multi_segmentation",
            ["segmentation/camvid", "segmentation/swim"],
            "did you mean segmentation/suim",
        ),
    ],
)
def test_what_is_refused(name, tasks, said):
    with pytest.raises(ConfigurationError, match=said) as caught:
        examples.study(("multi_sources", {name: {"tasks": tasks}}))
    assert f"multi_sources.{name}" in str(caught.value)


def test_an_unknown_source_names_the_nearest_multi_source():
    with pytest.raises(ConfigurationError, match="did you mean multi_segmentation"):
        examples.study(TOGETHER, ("experiments.0.sources", ["multi_segmentatoin"]))


def test_the_tables_learn_its_domains_and_size():
    records = [
        {
            "kind": "transfer",
            "identity": {"source": "multi_segmentation", "target": "segmentation/isprs"},
            "metrics": {"available_images": 20, "source_images": 500},
        }
    ]
    domains = {"camvid": "driving", "suim": "underwater", "isprs": "aerial"}
    facts = dataset_facts(records, domains, {"multi_segmentation": ["suim", "camvid"]})
    assert facts["multi_segmentation"] == {"domains": ["driving", "underwater"], "n_train": 500}


# Training


def test_batches_come_from_the_datasets_in_turn(tmp_path):
    parts = []
    for number in range(3):
        dataset = run_examples.prepared(tmp_path / str(number), 2)
        parts.append(Batches(dataset, TASK, np.arange(2), QUICK, seed=number))
    together = InterleavedBatches(parts)
    for step, (images, _) in enumerate(together(0, 7)):
        assert torch.equal(images, parts[step % 3].batch(step // 3)[0])


def new_parts(tmp_path, first_classes=2):
    datasets = {name: run_examples.prepared(tmp_path / name, 2) for name in ("one", "two")}
    backbone = build_backbone("hrnet_tiny", seed=0)
    torch.manual_seed(0)
    models = {
        name: Model(
            backbone,
            TASK.head(backbone, dataset.description),
            dataset.description.mean,
            dataset.description.std,
        )
        for name, dataset in datasets.items()
    }
    batches = [Batches(dataset, TASK, np.arange(2), QUICK, 0) for dataset in datasets.values()]
    return models, InterleavedBatches(batches)


def trained(tmp_path, state, watch=lambda done, loss: None, steps=6):
    models, batches = new_parts(tmp_path)
    model = MultiHeadModel(models)
    fitting.fit(
        model,
        TASK,
        batches,
        QUICK.model_copy(update={"steps": steps}),
        parts=list(models.values()),
        learning_rate=0.05,
        accelerator=make_accelerator("float32"),
        state=state,
        watch=watch,
    )
    return model.state_dict()


def test_one_step_trains_the_backbone_and_its_own_head_only(tmp_path):
    models, _ = new_parts(tmp_path / "before")
    before = {name: weight.clone() for name, weight in MultiHeadModel(models).state_dict().items()}
    after = trained(tmp_path / "after", tmp_path / "state", steps=1)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("backbone.") for name in moved)
    assert any(name.startswith("heads.one.") for name in moved)
    assert not any(name.startswith("heads.two.") for name in moved)


class KilledError(Exception):
    pass


def test_an_interrupted_training_ends_as_an_undisturbed_one(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "LOOK_EVERY", 3)
    monkeypatch.setenv("TRANSFER_ATLAS_SAVE_SECONDS", "0")
    undisturbed = trained(tmp_path / "undisturbed", tmp_path / "one.safetensors")

    def kill(done, loss):
        if done == 6:
            raise KilledError

    with pytest.raises(KilledError):
        trained(tmp_path / "killed", tmp_path / "two.safetensors", kill)
    assert (tmp_path / "two.safetensors").exists()
    shutil.rmtree(tmp_path / "killed")
    resumed = trained(tmp_path / "killed", tmp_path / "two.safetensors")
    assert undisturbed.keys() == resumed.keys()
    assert all(torch.equal(undisturbed[name], resumed[name]) for name in undisturbed)


@pytest.mark.slow
def backwards(value):
    """The same request with every mapping in it in reverse order."""
    if isinstance(value, dict):
        return {name: backwards(value[name]) for name in reversed(list(value))}
    return [backwards(inner) for inner in value] if isinstance(value, list) else value


def test_a_multi_source_run_leaves_a_backbone_that_a_transfer_starts_from(tmp_path):
    raw = tmp_path / "raw"
    for number, name in enumerate(("camvid", "suim", "isprs")):
        run_examples.segmentation_folders(raw, name, train=4, val=2, seed=number)
    run_examples.class_folders(raw, "ilsvrc")
    small = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 2, "steps": 4, "learning_rate": 0.01}
    plan = examples.plan(
        TOGETHER,
        ("experiments.0.sources", ["multi_segmentation"]),
        ("data_root", str(raw)),
        ("task_types.segmentation", {"training": small}),
        ("task_types.classification", {"training": small}),
    )
    for run in plan:
        execute(
            request(run, tmp_path / "store", tmp_path / "scratch"), progress_to=(tmp_path / "out").open("w")
        )
    source = read_run(multi_source(plan).folder(tmp_path / "store"))
    assert source["metrics"]["images"] == 8
    each = source["metrics"]["datasets"]
    assert source["metrics"]["value"] == pytest.approx((each["camvid"]["value"] + each["suim"]["value"]) / 2)

    # The order of its datasets, or of anything in a request, changes no bit of the weights.
    sent = backwards(request(multi_source(plan), tmp_path / "store", tmp_path / "scratch"))
    assert list(sent["settings"]["datasets"]) == ["suim", "camvid"]
    folder = multi_source(plan).folder(tmp_path / "other")
    execute(sent | {"folder": str(folder)}, progress_to=(tmp_path / "out").open("w"))
    assert read_run(folder)["files"]["model.safetensors"] == source["files"]["model.safetensors"]
    assert read_run(folder)["metrics"]["value"] == source["metrics"]["value"]
    (transfer,) = [each.run for each in plan.wanted_of("transfer") if each["source"] == "multi_segmentation"]
    record = read_run(transfer.folder(tmp_path / "store"))
    assert record["status"] == "finished" and record["metrics"]["source_images"] == 8
    assert set(record["dataset_versions"]) == {"camvid", "suim", "isprs", "ilsvrc"}
