"""Jobs: the warm process gives the same results, a failure is one message, killing a job kills its run."""

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
from transfer_atlas.running.execute import request
from transfer_atlas.running.jobs import SOCKET_VARIABLE, clear_other_stamps, wait_for_socket
from transfer_atlas.store.store import read_run

JOB = """
import json, sys
from pathlib import Path
from transfer_atlas.running.jobs import run_job
run_job(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]), 1)
"""
# Jobs run the package under test, from whatever folder they are started: not another one that is installed.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(transfer_atlas.__file__).resolve().parents[1])}
ENVIRONMENT.pop(SOCKET_VARIABLE, None)
SMALL = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 2, "steps": 2}


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A warm process; gives its socket, and at the end looks whether it goes with its workflow."""
    address = tmp_path_factory.mktemp("warm") / "socket"
    workflow = subprocess.Popen(["sleep", "600"])
    call = [sys.executable, "-m", "transfer_atlas.running.jobs", str(address), str(workflow.pid)]
    process = subprocess.Popen(call, env=ENVIRONMENT)
    try:
        assert wait_for_socket(address, 60)
        yield address
        workflow.kill()
        workflow.wait()
        assert process.wait(30) == 0, "the warm process outlived its workflow"
        assert not address.exists()
    finally:
        workflow.kill()
        process.kill()
        process.wait()


@pytest.fixture
def raw(tmp_path):
    root = tmp_path / "raw"
    run_examples.class_folders(root, "ilsvrc")
    run_examples.segmentation_folders(root, "camvid")
    return root


def plan_of(raw: Path, *changes):
    return examples.plan(
        ("task_types", {"segmentation": {"training": SMALL}}),
        ("experiments", [{"targets": ["segmentation/camvid"], "baselines": ["scratch"]}]),
        ("regimes", {"small_target": {"target_images": 4}}),
        ("data_root", str(raw)),
        *changes,
    )


class Job:
    """A job process of one run, as the workflow starts it."""

    def __init__(self, run, root: Path, warm: Path | None, *, folder: Path | None = None):
        root.mkdir(exist_ok=True)
        (root / f"{run.name}.json").write_text(json.dumps(request(run, root / "store", root / "scratch")))
        self.log = root / "logs" / f"{run.name}.log"
        environment = dict(ENVIRONMENT)
        if warm is not None:
            environment[SOCKET_VARIABLE] = str(warm)
        call = [sys.executable, "-c", JOB, str(root / f"{run.name}.json"), str(self.log)]
        self.process = subprocess.Popen(
            call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
        )

    def end(self) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        output, error = self.process.communicate(timeout=60)
        return self.process.returncode, output, error


def test_the_warm_process_gives_the_same_results(raw, tmp_path, warm):
    plan = plan_of(raw)
    metrics = {}
    for name, address in (("warm", warm), ("alone", None), ("gone", tmp_path / "no_socket")):
        if name == "gone":  # only that it falls back to doing the work itself: the first run is enough
            assert Job(plan.runs[0], tmp_path / name, address).end() == (0, "", "")
            continue
        for run in plan:
            assert Job(run, tmp_path / name, address, folder=tmp_path).end()[:2] == (0, "")
        metrics[name] = [read_run(run.folder(tmp_path / name / "store"))["metrics"] for run in plan]
    assert metrics["warm"] == metrics["alone"] and metrics["warm"][-1]["value"] >= 0


@pytest.mark.parametrize("through", ["warm", "alone"])
def test_a_mistake_of_the_user_is_one_message_and_the_log_has_the_rest(raw, tmp_path, warm, through):
    run = plan_of(raw, ("datasets.camvid.adapter.path", "gone")).of_kind("prepared")[0]
    job = Job(run, tmp_path, warm if through == "warm" else None)
    status, output, error = job.end()
    assert (status, output) == (1, "")
    assert error.strip().startswith("camvid cannot be carried out: Dataset 'camvid': the folder")
    assert len(error.strip().splitlines()) == 1
    assert "Traceback" in job.log.read_text() and "DatasetError" in job.log.read_text()


@pytest.mark.parametrize("through", ["warm", "alone"])
def test_a_failure_of_the_program_is_one_message_that_names_the_log(raw, tmp_path, warm, through):
    plan = plan_of(raw)
    run = plan.of_kind("transfer")[0]
    folder = run.parents["dataset"].folder(tmp_path / "store")
    folder.mkdir(parents=True)
    (folder / "dataset.json").mkdir()  # what nobody expects
    job = Job(run, tmp_path, warm if through == "warm" else None)
    status, output, error = job.end()
    assert (status, output) == (1, "")
    assert error.strip().startswith(f"{run.name} failed: ")
    assert error.strip().endswith(f"The log is {job.log}") and len(error.strip().splitlines()) == 1
    assert "Traceback" in job.log.read_text()


def test_a_full_disk_is_told_as_one(raw, tmp_path, warm):
    folder = tmp_path / "small_disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=32k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a small file system to fill up cannot be mounted here (not root, or not allowed)")
    try:
        (folder / "filler").write_bytes(bytes(16_000))
        run = plan_of(raw).of_kind("prepared")[0]
        values = request(run, tmp_path / "store", tmp_path / "scratch") | {"folder": str(folder / "result")}
        (tmp_path / "request.json").write_text(json.dumps(values))
        call = [sys.executable, "-c", JOB, str(tmp_path / "request.json"), str(tmp_path / "log")]
        environment = ENVIRONMENT | {SOCKET_VARIABLE: str(warm)}
        ended = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        assert ended.stderr.strip().startswith("camvid stopped: the disk is full")
        assert len(ended.stderr.strip().splitlines()) == 1
        assert not (folder / "result" / "run.json").exists()
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def long_run(raw, tmp_path, warm) -> Job:
    """A job whose run goes on for minutes, and has begun."""
    training = {"segmentation": {"training": SMALL | {"steps": 100_000}}}
    plan = plan_of(raw, ("task_types", training))
    for run in plan.of_kind("prepared"):
        assert Job(run, tmp_path, warm).end()[0] == 0
    job = Job(plan.of_kind("transfer")[0], tmp_path, warm)
    end = time.monotonic() + 30
    while not job.log.exists() and time.monotonic() < end:
        time.sleep(0.05)
    return job


def runs_of(log: Path) -> list[int]:
    """Processes that have a log open."""
    found = []
    for descriptors in Path("/proc").glob("[0-9]*/fd"):
        try:
            if any(each.readlink() == log for each in descriptors.iterdir()):
                found.append(int(descriptors.parent.name))
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc which process runs")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_killing_a_job_kills_its_run(raw, tmp_path, warm, how):
    job = long_run(raw, tmp_path, warm)
    (fork,) = runs_of(job.log)
    assert fork != job.process.pid
    job.process.send_signal(how)
    job.process.wait(10)
    end = time.monotonic() + 5
    while runs_of(job.log) and time.monotonic() < end:
        time.sleep(0.05)
    assert runs_of(job.log) == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="asks /proc which process runs")
def test_a_run_that_is_killed_fails_its_job_with_a_message(raw, tmp_path, warm):
    job = long_run(raw, tmp_path, warm)
    os.kill(runs_of(job.log)[0], signal.SIGKILL)
    status, _, error = job.end()
    assert status == 1
    assert (
        "was ended from outside" in error and str(job.log) in error and len(error.strip().splitlines()) == 1
    )


def test_stamps_of_other_keys_are_cleared_and_no_others(tmp_path):
    names = ["tables-1", "tables-2", "tables_of-1", "gains_a_b-1", "gains_a-1"]
    for name in names:
        (tmp_path / name).touch()
    clear_other_stamps(tmp_path / "tables-2")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])
