"""Runs that are killed, repeated, short of disk, or fail for a reason that is a result: behaviour 7 and its kin."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from clones import ALL_RUNS, TABLES_AND_FIGURES, transfer, transfers
from PIL import Image
from steps import pull, wait_for
from tiny_data import draw_scenes

PRODUCTS = [f"results/tables/{name}.parquet" for name in ("transfers", "gains", "effects", "best_sources")]
MODELS = ["store/ilsvrc/*/*/model.safetensors", "store/sources/*/*/model.safetensors"]


def test_repeated_study_is_the_same_to_the_byte(finished, begun):
    begun.snakemake().well()
    assert begun.files(*PRODUCTS, *MODELS) == finished.files(*PRODUCTS, *MODELS)
    prepared = "store/prepared/*/*/**/*.parquet"
    assert begun.files(prepared) == finished.files(prepared)


def test_two_jobs_at_a_time_give_the_same(finished, begun):
    call = begun.snakemake("--cores", "2").well()
    assert begun.files(*PRODUCTS, *MODELS) == finished.files(*PRODUCTS, *MODELS)
    # Every finished run is a line, and Snakemake's own lines about jobs go to its log.
    one = r"  transfer segmentation/meadow to segmentation/harbour, small target, seed 0: mean iou [\d.]+.*, \d+ s  "
    number = len(ALL_RUNS)
    assert re.search(one + rf"\[\d+ of {number} runs", call.said)
    assert call.said.count(f" of {number} runs") == number and f"[{number} of {number} runs]" in call.said
    assert "Select jobs" not in call.said and "Finished jobid" not in call.said


# ------------------------------------------------------------------------------------------------- killed runs


@pytest.fixture(scope="module")
def undisturbed(finished, tmp_path_factory):
    """A study whose source and transfers last long enough to be killed, run without a break."""
    folder = tmp_path_factory.mktemp("undisturbed") / "atlas"
    shutil.copytree(finished.folder, folder, symlinks=True)
    clone = type(finished)(folder)
    clone.change(last_longer)
    assert clone.snakemake().well().finished == LONGER_RUNS | TABLES_AND_FIGURES
    return clone


LONGER_RUNS = {
    "train_source segmentation-meadow",
    transfer("ilsvrc", "harbour"),
    transfer("meadow", "harbour"),
}


def last_longer(study):
    study["datasets"]["meadow"]["tasks"]["segmentation"] = {"training": {"steps": 120}}
    study["datasets"]["harbour"]["tasks"]["segmentation"] = {"regimes": {"small_target": {"steps": 80}}}
    study["experiments"][0] |= {
        "sources": ["segmentation/meadow"],
        "targets": ["segmentation/harbour"],
        "baselines": ["ilsvrc"],
    }


@pytest.mark.parametrize(
    ("job", "state", "earlier"),
    [
        ("train_source segmentation-meadow", "state.safetensors", None),
        (transfer("ilsvrc", "harbour"), "state-0.safetensors", None),
        (transfer("meadow", "harbour"), "state-1.safetensors", "rate-0.json"),
    ],
    ids=["source", "first_rate", "second_rate"],
)
def test_a_killed_run_resumes(undisturbed, done, job, state, earlier):
    done.change(last_longer)
    record_file = undisturbed.record_file(job).relative_to(undisturbed.folder)
    scratch = done.folder / "scratch" / record_file.parent.name
    process, _ = done.start(TRANSFER_ATLAS_SAVE_SECONDS="0")
    wait_for(scratch / state, process)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    done.no_process_left()
    assert (scratch / state).is_file()
    assert not (done.folder / record_file).exists()

    # What is kept gets a mark, to be found again in the record: then that part was not done anew.
    mark_state(scratch / state)
    if earlier:
        mark_rate(scratch / earlier)
    call = done.snakemake()
    if call.status:  # Snakemake's lock outlives a kill; it says so, and how to lift it
        assert "--unlock" in call.said
        done.snakemake("--unlock").well()
        call = done.snakemake()
    call.well()
    assert job in call.finished
    metrics = done.record(job)["metrics"]
    curves = [entry["curve"] for entry in metrics["grid"]] if "grid" in metrics else [metrics["curve"]]
    number = int(re.search(r"\d", state).group()) if re.search(r"\d", state) else 0
    assert curves[number][0] == [20, MARK]
    assert all(curve[0][1] != MARK for index, curve in enumerate(curves) if index != number)
    assert earlier is None or done.record(job)["seconds"] > MARK
    assert not scratch.exists()
    models = [str(record_file.parents[1] / "*/model.safetensors")] if "source" in job else []
    assert done.files(*PRODUCTS, *models) == undisturbed.files(*PRODUCTS, *models)
    done.no_process_left()


def test_an_interrupted_study_leaves_no_process(undisturbed, done):
    done.change(last_longer)
    key = undisturbed.record("train_source segmentation-meadow")["key"]
    process, _ = done.start(TRANSFER_ATLAS_SAVE_SECONDS="0")
    wait_for(done.folder / "scratch" / key / "state.safetensors", process)
    process.send_signal(signal.SIGKILL)  # Snakemake alone, as the kernel does when memory runs out
    process.communicate()
    # Its jobs may finish what they have begun, or end; none may stay.
    done.no_process_left(seconds=60)


MARK = 12345.0


def mark_state(path: Path) -> None:
    """Replace the first loss of the training curve in a saved state."""
    content = path.read_bytes()
    (size,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + size])
    description = json.loads(header["__metadata__"]["description"])
    description["curve"][0][1] = MARK
    header["__metadata__"]["description"] = json.dumps(description)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + content[8 + size :])


def mark_rate(path: Path) -> None:
    """Add to the seconds that a finished learning rate took."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(entry | {"seconds": 2 * MARK}), encoding="utf-8")


# ------------------------------------------------------------------------------------------------- full disk


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 6 MB, and how to give it more room."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"needs the right to mount a small file system: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("full", ["scratch", "store"])
def test_a_full_disk_is_told_and_loses_nothing(finished, begun, small_disk, full):
    pull(finished, begun, "store/prepared")  # what had been finished before
    if full == "store":
        shutil.copytree(begun.folder / "store", small_disk, dirs_exist_ok=True)
        shutil.rmtree(begun.folder / "store")
    (begun.folder / full).symlink_to(small_disk)
    filling = small_disk / "filling"
    filling.write_bytes(bytes(shutil.disk_usage(small_disk).free - 64 * 1024))
    kept = begun.files("store/prepared/*/*/run.json")
    call = begun.snakemake("sources")
    assert call.status == 1
    assert call.said.count("hrnet_tiny stopped: the disk is full") == 1
    assert "Free some space and run snakemake again" in call.said
    assert "Traceback" not in call.said
    assert begun.files("store/prepared/*/*/run.json") == kept
    assert not list(begun.folder.glob("store/ilsvrc/*/*/run.json"))
    filling.unlink()
    call = begun.snakemake("sources").well()
    sources = {"train_source segmentation-meadow", "train_source segmentation-street"}
    assert call.finished == {"ilsvrc_checkpoint hrnet_tiny"} | sources
    assert begun.files(*MODELS) == finished.files(*MODELS)


# --------------------------------------------------------------------------------- failures that are results


@pytest.fixture(scope="module")
def awkward(finished, tmp_path_factory):
    """A study with a class that is never evaluated, a dataset that has none at all, and a diverging target."""
    folder = tmp_path_factory.mktemp("awkward") / "atlas"
    shutil.copytree(finished.folder, folder, symlinks=True)
    clone = type(finished)(folder)
    for name in ("desert", "fog", "storm"):
        draw_scenes(clone.folder / "data", "desert")
        if name != "desert":
            shutil.copytree(clone.folder / "data/desert", clone.folder / "data" / name)
    edit_masks(clone.folder / "data/desert/masks/val", {2: 0})
    edit_masks(clone.folder / "data/fog/masks/val", {0: 255, 1: 255, 2: 255})

    def add(study):
        entry = study["datasets"]["meadow"]
        for name in ("desert", "fog", "storm"):
            study["datasets"][name] = entry | {"adapter": entry["adapter"] | {"path": name}}
        study["datasets"]["storm"] = study["datasets"]["storm"] | {
            "tasks": {"segmentation": {"regimes": {"small_target": {"learning_rate": 1.0e30, "steps": 3}}}}
        }
        study["experiments"][0] |= {
            "sources": ["segmentation/meadow", "segmentation/fog"],
            "targets": ["segmentation/desert", "segmentation/fog", "segmentation/storm"],
            "baselines": ["ilsvrc"],
        }

    clone.change(add)
    call = clone.snakemake()
    return clone, call


def edit_masks(folder: Path, values: dict[int, int]) -> None:
    """Replace values in all masks of a folder."""
    for path in folder.iterdir():
        with Image.open(path) as mask:
            edited = mask.point(lambda value: values.get(value, value))
        edited.save(path)


def table(clone, name: str) -> pd.DataFrame:
    """A result table with short names of source and target as its index."""
    frame = pd.read_parquet(clone.folder / f"results/tables/{name}.parquet")
    short = [frame[side].str.removeprefix("segmentation/") for side in ("source", "target")]
    return frame.set_index(short)


def test_results_that_are_failures_do_not_end_the_study(awkward):
    clone, call = awkward
    assert call.status == 0, call.said
    expected = transfers(
        {
            "desert": ["ilsvrc", "meadow", "fog"],
            "fog": ["ilsvrc", "meadow"],
            "storm": ["ilsvrc", "meadow", "fog"],
        }
    )
    made = {"prepare_dataset desert", "prepare_dataset fog", "prepare_dataset storm"}
    assert call.finished == expected | made | {"train_source segmentation-fog"} | TABLES_AND_FIGURES
    assert clone.planned() == set()
    assert len(table(clone, "transfers")) == len(expected)
    assert len(table(clone, "gains")) == len(expected)


def test_a_class_absent_from_evaluation_is_noted(awkward):
    clone, call = awkward
    assert "desert: no pixel of circle in val" in call.said
    rows = table(clone, "transfers")
    assert rows.loc[("meadow", "desert"), "status"] == "finished"
    assert 0 <= rows.loc[("meadow", "desert"), "value"] <= 1
    metrics = clone.record(transfer("meadow", "desert"))["metrics"]
    assert metrics["absent_classes"] == ["circle"]
    assert metrics["per_class"]["circle"] is None


def test_no_class_at_all_is_a_row_with_its_reason(awkward):
    clone, _ = awkward
    rows = table(clone, "transfers")
    for source in ("ilsvrc", "meadow"):
        row = rows.loc[(source, "fog")]
        assert row["status"] == "no_class_present"
        assert "none of the 3 classes is annotated in the evaluation set" in row["reason"]
        assert pd.isna(row["value"])
    row = rows.loc[("fog", "desert")]  # fog cannot be evaluated, and so is no source one can judge
    assert row["status"] == "source_failed"
    assert "segmentation-fog" in row["reason"]
    gains = table(clone, "gains")
    assert gains.loc[("meadow", "fog"), "status"] == "no_class_present"
    assert pd.isna(gains.loc[("meadow", "fog"), "gain"])


def test_a_diverging_run_is_a_row_with_its_reason(awkward):
    clone, _ = awkward
    rows = table(clone, "transfers")
    for source in ("ilsvrc", "meadow"):
        row = rows.loc[(source, "storm")]
        assert row["status"] == "diverged"
        assert re.search(r"the loss was (nan|inf) at step 3 \(learning rate 1e\+30\)", row["reason"])
    assert table(clone, "gains").loc[("meadow", "storm"), "status"] == "diverged"
