"""Methods of transfers: guidance lowers the task difference and is resumed, sources without data are refused, nearest
labelled images tell classes; through the plan and the store, on images drawn here."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import run_examples
import study_examples as examples
import torch

from transfer_atlas.analysis.tables.methods import method_summary_table, methods_table
from transfer_atlas.analysis.tables.records import dataset_facts, read_records
from transfer_atlas.analysis.tables.transfers import gains_table, transfers_table
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.planning.request import request
from transfer_atlas.running.execute import execute
from transfer_atlas.store.store import read_run
from transfer_atlas.training.methods import otce
from transfer_atlas.training.methods.episodic import episode, told_by
from transfer_atlas.training.methods.settings import EpisodeSettings

SMALL = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 4, "steps": 2, "learning_rate": 0.01}
SAMPLED = {"tasks": 2, "classes": 2, "shots": 2, "seed": 1}
CHANGES = (
    ("task_types", {"segmentation": {"training": SMALL}, "classification": {"training": SMALL}}),
    (
        "methods",
        {"otce": {"steps": 6, "learning_rate": 0.003, "samples": 60}, "episodes": {"steps": 2, "shots": 1}},
    ),
    ("datasets.ilsvrc.sampled", {"few": SAMPLED}),
    ("regimes", {"small_target": {"target_images": 6}}),
    ("backbones", {"lenet": {"name": "lenet"}}),
    ("ilsvrc", {"origin": "scratch"}),
    (
        "experiments",
        [
            {
                "sources": ["segmentation/camvid", "multi_segmentation"],
                "targets": ["segmentation/suim"],
                "methods": ["plain", "otce"],
            },
            {
                "sources": ["classification/ilsvrc+lenet"],
                "targets": ["classification/ilsvrc@few_*"],
                "methods": ["plain", "otce", "prototypical", "matching"],
                "baselines": [],
            },
        ],
    ),
    ("multi_sources", {"multi_segmentation": {"tasks": ["segmentation/camvid", "segmentation/isprs"]}}),
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Plan, folder, and records of its transfers by source, target and method, all carried out."""
    root = tmp_path_factory.mktemp("methods")
    run_examples.class_folders(root, "ilsvrc", train=6)
    for seed, name in enumerate(("camvid", "suim", "isprs")):
        run_examples.segmentation_folders(root, name, seed=seed)
    chosen = (*CHANGES, ("data_root", str(root)))
    plan = examples.plan(*chosen, versions=examples.versions_of(*chosen))
    for run in plan:
        execute(json.loads(json.dumps(request(run, root / "store", root / "scratch"))), io.StringIO())
    records = {
        (each["source"], each["target"], each["method"]): read_run(each.run.folder(root / "store"))
        for each in plan.wanted_of("transfer")
    }
    return plan, root, records


def test_baselines_are_plain_and_sources_have_every_method(done):
    _, _, records = done
    assert {method for source, _, method in records if source in ("ilsvrc", "scratch")} == {"plain"}
    few = [key for key in records if key[1].startswith("classification/ilsvrc@few_")]
    assert len(few) == 8 and {source for source, _, _ in few} == {"classification/ilsvrc+lenet"}


def test_guidance_lowers_the_task_difference_and_tells_the_scores(done):
    _, _, records = done
    guided = records["segmentation/camvid", "segmentation/suim", "otce"]
    told = guided["metrics"]["otce"]
    assert guided["status"] == "finished"
    assert told["difference_after"] < told["difference_before"]
    assert told["score_before"] <= 0 and told["curve"][-1][0] == 6
    assert guided["metrics"]["grid"] and guided["code_versions"]["method_otce"] >= 1
    plain = records["segmentation/camvid", "segmentation/suim", "plain"]
    assert "method_otce" not in plain["code_versions"] and "otce" not in plain["metrics"]


def test_a_source_without_one_labelled_dataset_is_a_row_with_its_reason(done):
    _, _, records = done
    refused = records["multi_segmentation", "segmentation/suim", "otce"]
    assert refused["status"] == "no_source_data"
    assert refused["reason"] == "multi_segmentation is no source of one labelled dataset at hand"


def test_tables_set_methods_beside_plain(done):
    plan, root, _ = done
    identified = [(each.identity, each.run.folder(root / "store")) for each in plan.wanted_of("transfer")]
    others = {
        kind: [run.folder(root / "store") for run in plan.of_kind(kind)]
        for kind in ("prepared", "part", "source")
    }
    records = read_records(identified, others)
    domains = dict.fromkeys(("ilsvrc", "camvid", "suim", "isprs"), "driving")
    multi = {"multi_segmentation": ["camvid", "isprs"]}
    transfers = transfers_table(records, dataset_facts(records, domains, multi))
    assert set(gains_table(transfers)["source"]) >= {"segmentation/camvid", "classification/ilsvrc+lenet"}
    methods = methods_table(transfers)
    row = methods[(methods["method"] == "otce") & (methods["source"] == "segmentation/camvid")].iloc[0]
    assert row["difference"] == pytest.approx(row["value"] - row["plain_value"]) and row["score_after"] <= 0
    summary = method_summary_table(methods).set_index(["source", "tasks", "method"])
    few = summary.loc["classification/ilsvrc+lenet", "classification/ilsvrc@few"]
    assert few["targets"].tolist() == [2] * 4 and few["low"].isna().all()  # two targets have no interval
    assert few.loc["plain", "difference"] == 0 and few.loc["plain", "better"] == 0.5
    assert summary.loc["multi_segmentation", "segmentation/suim", "otce"]["failed"] == 1


def test_an_interrupted_guidance_gives_the_same_to_the_bit(done, tmp_path, monkeypatch):
    plan, root, records = done
    (run,) = (
        each.run
        for each in plan.wanted_of("transfer")
        if (each["source"], each["method"]) == ("segmentation/camvid", "otce")
    )
    asked = json.loads(json.dumps(request(run, root / "store", tmp_path / "scratch")))
    asked["folder"] = str(tmp_path / "store" / "transfers" / "again" / run.key)
    monkeypatch.setenv("TRANSFER_ATLAS_SAVE_SECONDS", "0")
    whole, count = otce.task_difference, []

    def cut_off(*given, **options):
        count.append(1)
        if len(count) == 4:
            raise KeyboardInterrupt
        return whole(*given, **options)

    monkeypatch.setattr(otce, "task_difference", cut_off)
    with pytest.raises(KeyboardInterrupt):
        execute(asked, io.StringIO())
    assert (Path(asked["scratch"]) / otce.STATE_FILE).exists()
    monkeypatch.setattr(otce, "task_difference", whole)
    execute(asked, io.StringIO())
    again = read_run(Path(asked["folder"]))["metrics"]
    first = records["segmentation/camvid", "segmentation/suim", "otce"]["metrics"]
    assert again["value"] == first["value"] and again["otce"] == first["otce"]
    shutil.rmtree(tmp_path / "store")


def test_batches_of_one_class_end_as_a_result_with_a_reason(done, tmp_path, monkeypatch):
    """A target whose batches hold one class has a W_T of 0 whatever the features: nothing guides."""
    plan, root, _ = done
    (run,) = (
        each.run
        for each in plan.wanted_of("transfer")
        if (each["source"], each["method"]) == ("segmentation/camvid", "otce")
    )
    monkeypatch.setattr(
        otce, "_some_cells", lambda maps, *_: (maps.flatten(2)[0].T[:9], torch.ones(9).long())
    )
    asked = json.loads(json.dumps(request(run, root / "store", tmp_path / "scratch")))
    asked["folder"] = str(tmp_path / "store" / "transfers" / "one" / run.key)
    execute(asked, io.StringIO())
    record = read_run(Path(asked["folder"]))
    assert record["status"] == "one_class"
    assert (
        "6 of 6 steps of the guidance had no usable batch: the target's batch holds a single"
        in record["reason"]
    )


def test_the_nearest_prototype_and_the_votes_by_hand():
    support = torch.tensor([[0.0, 1.0], [0.0, 3.0], [4.0, 0.0]])
    classes = torch.tensor([0, 0, 2])
    found = told_by("prototypical", support, classes, torch.tensor([[0.0, 0.0]]), 3)
    assert found[0, [0, 2]].tolist() == pytest.approx([-4.0, -16.0]) and found.argmax() == 0
    assert found[0, 1] < -1e20 and torch.isfinite(found).all()  # no class without a labelled image
    votes = told_by("matching", support, classes, torch.tensor([[0.0, 2.0]]), 3).exp()
    one = np.exp(10.0)
    assert votes[0, [0, 2]].tolist() == pytest.approx([2 * one / (2 * one + 1), 1 / (2 * one + 1)], rel=1e-5)


def test_episodes_keep_labelled_images_and_queries_apart():
    labels = np.repeat([0, 1, 2, 3], [10, 10, 10, 2])
    settings = EpisodeSettings(ways=5, shots=3, queries=20)
    support, of_support, queries, of_queries = episode(labels, settings, np.random.default_rng(0))
    assert not set(support) & set(queries)
    assert np.bincount(of_support).tolist() == [3, 3, 3]  # the fourth class has too few images
    assert np.bincount(of_queries).tolist() == [7, 7, 7]
    with pytest.raises(LegitimateFailure, match="two classes with more than 3 images each; found 1"):
        episode(np.repeat([0, 1], [9, 2]), settings, np.random.default_rng(0))
