"""The program of a cluster's job: runs one after another in forks, without a Snakemake; what it refuses; its end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import run_examples
import study_examples as examples

import transfer_atlas
from transfer_atlas.errors import CodeVersionError
from transfer_atlas.planning.request import request
from transfer_atlas.running.cluster_job import check_code, wait_for
from transfer_atlas.running.slurm_step import cleaned
from transfer_atlas.store.notices import failure_of
from transfer_atlas.store.store import read_run

PROGRAM = [sys.executable, "-m", "transfer_atlas.running.cluster_job"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(transfer_atlas.__file__).resolve().parents[1])}
SMALL = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 2, "steps": 2}


@pytest.fixture
def raw(tmp_path):
    run_examples.class_folders(tmp_path / "raw", "ilsvrc")
    run_examples.segmentation_folders(tmp_path / "raw", "camvid")
    return tmp_path / "raw"


def plan_of(raw: Path, *changes, steps: int = 2):
    chosen = (
        ("task_types", {"segmentation": {"training": SMALL | {"steps": steps}}}),
        ("experiments", [{"targets": ["segmentation/camvid"], "baselines": ["scratch"]}]),
        ("regimes", {"small_target": {"target_images": 4}}),
        ("data_root", str(raw)),
        *changes,
    )
    return examples.plan(*chosen, versions=examples.versions_of(*chosen))


def file_of(runs, folder: Path) -> Path:
    """The file of a job that carries out some runs."""
    jobs = [
        {
            "job": {"runs": [request(run, folder / "store", folder / "scratch")]},
            "done": f"marks/{run.key}",
            "log": f"logs/{run.key}.log",
            "threads": 1,
            "gpus": 0,
            "inputs": [f"marks/{parent.key}" for parent in run.parents.values()],
        }
        for run in runs
    ]
    path = folder / "job.json"
    path.write_text(json.dumps({"folder": str(folder), "patience": 0, "inputs": [], "jobs": jobs}))
    return path


def begun(runs, folder: Path) -> subprocess.Popen:
    call = [*PROGRAM, str(file_of(runs, folder))]
    return subprocess.Popen(call, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True, start_new_session=True)


def test_runs_are_carried_out_in_their_order_each_with_its_log_and_mark(raw, tmp_path):
    (prepared,), (transfer,) = (plan_of(raw).of_kind(kind) for kind in ("prepared", "transfer"))
    job = begun([prepared, transfer], tmp_path)
    _, said = job.communicate(timeout=300)
    assert job.returncode == 0, said
    assert [line.split(":")[0].strip() for line in said.splitlines()] == ["camvid", transfer.name]
    record = read_run(transfer.folder(tmp_path / "store"))
    assert record["status"] == "finished" and record["parents"] == {"dataset": prepared.key}
    for run in (prepared, transfer):
        assert (tmp_path / "marks" / run.key).exists() and (tmp_path / "logs" / f"{run.key}.log").exists()


def test_a_run_that_fails_ends_those_that_build_on_it_and_no_other(raw, tmp_path):
    plan = plan_of(raw)
    (bad,) = plan_of(raw, ("datasets.camvid.adapter.path", "gone")).of_kind("prepared")
    (above,) = plan_of(raw, ("datasets.camvid.adapter.path", "gone")).of_kind("transfer")
    (good,) = plan.of_kind("prepared")
    job = begun([bad, above, good], tmp_path)
    _, said = job.communicate(timeout=300)
    assert job.returncode == 1
    assert "camvid cannot be carried out: Dataset 'camvid': the folder" in said
    assert [path.name for path in (tmp_path / "marks").iterdir()] == [good.key]
    assert not (tmp_path / "logs" / f"{above.key}.log").exists()


def test_code_of_another_version_is_refused_and_the_refusal_noted(raw, tmp_path):
    (prepared,) = plan_of(raw).of_kind("prepared")
    path = file_of([prepared], tmp_path)
    told = json.loads(path.read_text())
    versions = told["jobs"][0]["job"]["runs"][0]["code_versions"]
    versions["prepared"] += 1
    path.write_text(json.dumps(told))
    call = subprocess.run([*PROGRAM, str(path)], env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert call.returncode == 1 and len(call.stderr.strip().splitlines()) == 1
    assert "camvid cannot be carried out: code of another version" in call.stderr
    folder = prepared.folder(tmp_path / "store")
    assert "prepared: " in json.loads(failure_of(folder).read_text())["message"]
    assert not folder.exists() and not (tmp_path / "marks").exists()


def test_versions_as_they_are_pass():
    from transfer_atlas import code_versions

    stages = {name: entry["version"] for name, entry in code_versions.read_record()["stages"].items()}
    check_code([{"runs": [{"code_versions": stages}]}])
    with pytest.raises(CodeVersionError, match="training: 999 when planned"):
        check_code([{"runs": [{"code_versions": stages | {"training": 999}}]}])


def long_run(raw, tmp_path) -> tuple[subprocess.Popen, Path, Path]:
    """A job whose first training goes on for minutes, and has begun; logs of that and of what would come next."""
    plan = plan_of(raw, steps=100_000)
    runs = [*plan.of_kind("prepared"), *plan.of_kind("transfer"), *plan_of(raw).of_kind("transfer")]
    job = begun(runs, tmp_path)
    first, after = (tmp_path / "logs" / f"{run.key}.log" for run in runs[1:])
    end = time.monotonic() + 300
    while not list((tmp_path / "scratch" / runs[1].key).glob("*")) and time.monotonic() < end:
        assert job.poll() is None, job.communicate()
        time.sleep(0.05)
    return job, first, after


@pytest.mark.parametrize("whole_step", [True, False])
def test_a_job_that_is_asked_to_stop_saves_its_run_and_starts_no_other(raw, tmp_path, whole_step):
    """Slurm signals every process of a step, which asks the run twice: that is once."""
    job, _, after = long_run(raw, tmp_path)
    time.sleep(1)
    (os.killpg if whole_step else os.kill)(job.pid, signal.SIGTERM)
    _, said = job.communicate(timeout=120)
    assert job.returncode == 1 and "is interrupted: it was asked to stop (SIGTERM)" in said
    assert list((tmp_path / "scratch").glob("*/*.safetensors")) or list(
        (tmp_path / "scratch").rglob("*state*")
    )
    assert not after.exists()


def test_a_job_that_is_killed_leaves_no_run_behind(raw, tmp_path):
    job, _, _ = long_run(raw, tmp_path)
    job.kill()
    job.communicate()
    end = time.monotonic() + 10
    while of_session(job.pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert of_session(job.pid) == []


def of_session(session: int) -> list[int]:
    """Processes of a session that live."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def test_files_of_other_machines_are_waited_for_and_not_for_ever(tmp_path):
    began = time.monotonic()
    wait_for([str(tmp_path / "never")], 0.6)
    assert 0.5 < time.monotonic() - began < 10
    (tmp_path / "there").touch()
    began = time.monotonic()
    wait_for([str(tmp_path / "there")], 60)
    assert time.monotonic() - began < 1


def test_a_step_is_told_which_job_it_is_of_and_nothing_that_contradicts_its_options():
    told = {"SLURM_JOB_ID": "7", "SLURM_CONF": "/etc/x", "PATH": "/bin", "TRANSFER_ATLAS_AGAIN": "all"}
    other = {"SLURM_CPUS_PER_TASK": "4", "SRUN_CPUS_PER_TASK": "4", "SBATCH_GRES": "gpu:1"}
    assert cleaned(told | other) == told
