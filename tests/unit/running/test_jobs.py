"""Jobs: the warm process gives the same results, a failure is one message, killing a job kills its run."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import run_examples
import study_examples as examples
from small_disks import small_disk

import transfer_atlas
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.request import request
from transfer_atlas.running import warm as warming
from transfer_atlas.running.jobs import again
from transfer_atlas.running.warm import SOCKET_VARIABLE
from transfer_atlas.store.store import read_run

JOB = """
import json, sys
from pathlib import Path
from transfer_atlas.running.jobs import run_job
job = {"runs": [json.loads(Path(sys.argv[1]).read_text())]}
run_job(job, Path(sys.argv[2] + ".done"), Path(sys.argv[2]), 1)
"""
# Jobs run the package under test, from whatever folder they are started: not another one that is installed.
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(transfer_atlas.__file__).resolve().parents[1])}
ENVIRONMENT.pop(SOCKET_VARIABLE, None)
SMALL = {"crop": [32, 32], "resolution": [32, 32], "batch_size": 2, "steps": 2}


def served(address: Path, parent: int, *modules: str) -> subprocess.Popen:
    """A warm process that has begun to listen."""
    call = [sys.executable, "-m", "transfer_atlas.running.serving", str(address), str(parent), *modules]
    process = subprocess.Popen(call, env=ENVIRONMENT, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 300
    while not address.exists() and time.monotonic() < end:
        time.sleep(0.02)
    assert address.exists()
    return process


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A warm process; gives its socket, and at the end looks whether it goes with its workflow."""
    address = tmp_path_factory.mktemp("warm") / "socket"
    workflow = subprocess.Popen(["sleep", "600"])
    process = served(address, workflow.pid, "transfer_atlas.training.runners")
    try:
        yield address
        workflow.kill()
        workflow.wait()
        assert process.wait(120) == 0, "the warm process outlived its workflow"
        assert not address.parent.exists()
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
    chosen = (
        ("task_types", {"segmentation": {"training": SMALL}}),
        ("experiments", [{"targets": ["segmentation/camvid"], "baselines": ["scratch"]}]),
        ("regimes", {"small_target": {"target_images": 4}}),
        ("data_root", str(raw)),
        *changes,
    )
    return examples.plan(*chosen, versions=examples.versions_of(*chosen))


class Job:
    """A job process of one run, as the workflow starts it."""

    def __init__(
        self, run, root: Path, warm: Path | None, *, folder: Path | None = None, **environment_of_it
    ):
        root.mkdir(exist_ok=True)
        (root / f"{run.name}.json").write_text(json.dumps(request(run, root / "store", root / "scratch")))
        self.log = root / "logs" / f"{run.name}.log"
        environment = ENVIRONMENT | environment_of_it
        if warm is not None:
            environment[SOCKET_VARIABLE] = str(warm)
        call = [sys.executable, "-c", JOB, str(root / f"{run.name}.json"), str(self.log)]
        self.process = subprocess.Popen(
            call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder
        )

    def end(self) -> tuple[int, str, str]:
        """Exit status, standard output, standard error."""
        output, error = self.process.communicate(timeout=300)  # however busy the machine is
        return self.process.returncode, output, error


def test_the_warm_process_gives_the_same_results(raw, tmp_path, warm):
    plan = plan_of(raw)
    metrics = {}
    for name, address in (("warm", warm), ("alone", None), ("gone", tmp_path / "no_socket")):
        if name == "gone":  # only that it falls back to doing the work itself: the first run is enough
            status, output, said = Job(plan.runs[0], tmp_path / name, address).end()
            assert (status, output) == (0, "")
            assert re.fullmatch(rf"  {plan.runs[0].name}: \d+ s", said.splitlines()[-1]), (
                "what came of it, in one line"
            )
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
    for parent in run.parents.values():
        assert Job(parent, tmp_path, None).end()[0] == 0
    (tmp_path / "scratch" / run.key).mkdir(parents=True)
    (tmp_path / "scratch" / run.key / "rate-0.json").mkdir()  # what nobody expects
    job = Job(run, tmp_path, warm if through == "warm" else None)
    status, output, error = job.end()
    assert (status, output) == (1, "")
    assert error.strip().startswith(f"{run.name} failed: ")
    assert error.strip().endswith(f"The log is {job.log}") and len(error.strip().splitlines()) == 1
    assert "Traceback" in job.log.read_text()


def test_a_full_disk_is_told_as_one(raw, tmp_path, warm):
    with small_disk(tmp_path / "small_disk", "32k") as folder:
        (folder / "filler").write_bytes(bytes(16_000))
        run = plan_of(raw).of_kind("prepared")[0]
        values = request(run, folder / "store", tmp_path / "scratch")
        (tmp_path / "request.json").write_text(json.dumps(values))
        call = [sys.executable, "-c", JOB, str(tmp_path / "request.json"), str(tmp_path / "log")]
        environment = ENVIRONMENT | {SOCKET_VARIABLE: str(warm)}
        ended = subprocess.run(call, env=environment, capture_output=True, text=True, check=False)
        assert ended.returncode == 1
        said = ended.stderr.strip().splitlines()[-1]  # after a line of progress, where it went slowly
        assert said.startswith("camvid stopped: the disk is full")
        assert len(ended.stderr.strip().splitlines()) == 1
        assert not run.folder(folder / "store").exists()


def long_run(raw, tmp_path, warm) -> Job:
    """A job whose run goes on for minutes, and has begun."""
    training = {"segmentation": {"training": SMALL | {"steps": 100_000}}}
    plan = plan_of(raw, ("task_types", training))
    for run in plan.of_kind("prepared"):
        assert Job(run, tmp_path, warm).end()[0] == 0
    job = Job(plan.of_kind("transfer")[0], tmp_path, warm)
    end = time.monotonic() + 300
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
    end = time.monotonic() + 60  # asked to stop, it saves its state first, which a busy disk makes slow
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


def test_a_warm_process_that_dies_before_it_accepts_leaves_the_work_to_the_job(raw, tmp_path):
    address = tmp_path / "warm" / "socket"
    address.parent.mkdir()
    process = served(address, os.getpid(), "transfer_atlas.training.runners")
    process.send_signal(signal.SIGSTOP)  # while it imports: jobs wait in its backlog
    run = plan_of(raw).of_kind("transfer")[0]
    for parent in run.parents.values():
        assert Job(parent, tmp_path, None).end()[0] == 0
    job = Job(run, tmp_path, address)
    time.sleep(2)
    process.kill()
    process.wait()
    status, output, error = job.end()
    assert (status, output) == (0, "") and "ended from outside" not in error
    assert read_run(run.folder(tmp_path / "store"))["status"] == "finished"


def test_a_fork_has_the_environment_of_its_job(raw, tmp_path, warm):
    run = plan_of(raw).of_kind("transfer")[0]
    for parent in run.parents.values():
        assert Job(parent, tmp_path, None).end()[0] == 0
    cache = tmp_path / "cache of the job"
    job = Job(run, tmp_path, warm, XDG_CACHE_HOME=str(cache))
    assert job.end()[0] == 0
    assert list(
        (cache / "transfer_atlas/digests").iterdir()
    )  # what was checked is remembered where the job says


def test_a_long_temporary_folder_is_no_obstacle(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    monkeypatch.setattr(warming.tempfile, "tempdir", None)
    address = warming.start([])
    try:
        assert address is not None and len(address) < 100 and list(long.iterdir()) == []
    finally:
        subprocess.run(["pkill", "-f", address], check=False)


def test_importing_all_runners_leaves_cuda_alone():
    """A fork of a process in which CUDA was initialised cannot use a GPU."""
    modules = sorted({kind.runner.split(":")[0] for kind in KINDS.values()})
    code = (
        "import importlib, sys, torch\n"
        "touched = []\n"
        "torch._C._cuda_getDeviceCount = lambda: touched.append('count') or 0\n"
        "torch.cuda._lazy_init = lambda: touched.append('init')\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        "assert not touched and not torch.cuda.is_initialized(), touched\n"
        "maps = open('/proc/self/maps').read() if sys.platform == 'linux' else ''\n"
        "assert 'libcuda.so' not in maps\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=ENVIRONMENT)


def test_what_is_to_be_repeated_is_told_by_rule(monkeypatch):
    monkeypatch.delenv("TRANSFER_ATLAS_AGAIN", raising=False)
    assert not again("transfer")
    monkeypatch.setenv("TRANSFER_ATLAS_AGAIN", "train_source,transfer")
    assert again("transfer") and not again("score")
    monkeypatch.setenv("TRANSFER_ATLAS_AGAIN", "all")
    assert again("score")


def test_a_second_job_for_the_same_run_waits_and_finds_the_result(raw, tmp_path, warm):
    training = {"segmentation": {"training": SMALL | {"steps": 40}}}
    run = plan_of(raw, ("task_types", training)).of_kind("transfer")[0]
    for parent in run.parents.values():
        assert Job(parent, tmp_path, None).end()[0] == 0
    jobs = [Job(run, tmp_path, warm), Job(run, tmp_path, None), Job(run, tmp_path, warm)]
    ends = [job.end() for job in jobs]
    assert [end[0] for end in ends] == [0, 0, 0], ends
    assert sum("is computing it; waiting" in end[2] for end in ends) >= 1
    assert read_run(run.folder(tmp_path / "store"))["status"] == "finished"
    assert (
        list((tmp_path / "store/.leases").iterdir()) == list((tmp_path / "store/.publishing").iterdir()) == []
    )
