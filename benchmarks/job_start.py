"""How long a job of a cluster takes to begin: all that is done in it up to the work of its run.

    python benchmarks/job_start.py [--repetitions 5]

`snakemake --profile cluster` hands a transfer to a program in the place of `sbatch`, which notes what the job would do;
that is then carried out here, with a program in the place of `srun`: once in full, and then with its result there, so
that it does all that comes before the work, and ends. Reference: importing torch and timm, and nothing else, by turns
with the jobs. Processor time, of all processes that a job started, says more than the wall's where others are at work.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import yaml
from planning import REPOSITORY
from submitting import fake_slurm

REFERENCE = [sys.executable, "-c", "import torch, timm"]
ADOPT_ORPHANS = 36  # prctl(2): a process that a job left behind becomes a child of this one, and is counted
SBATCH = """#!{python}
import sys
for argument in sys.argv[1:]:
    if argument.startswith("--wrap="):
        open("{folder}/job.sh", "w").write(argument.removeprefix("--wrap="))
print(1)
"""
SRUN = '#!/bin/sh\nwhile [ "${1#-}" != "$1" ]; do shift; done\nexec "$@"\n'


def study_in(folder: Path) -> Path:
    """A study of one transfer of three steps, on rendered images: it builds on a prepared dataset alone."""
    whole = yaml.safe_load((REPOSITORY / "studies/miniature_segmentation.yaml").read_text(encoding="utf-8"))
    training = {"resolution": [96, 96], "crop": [64, 64], "batch_size": 8, "learning_rate": 0.03, "steps": 3}
    study = {
        "study": "job_start",
        "task_types": {"segmentation": {"training": training, "learning_rate_factors": [1.0]}},
        "datasets": {name: whole["datasets"][name] for name in ("ilsvrc", "pascal_voc")},
        "experiments": [
            {"sources": [], "targets": ["segmentation/pascal_voc"], "baselines": ["scratch"]},
        ],
    }
    study |= {name: whole[name] for name in ("backbone", "ilsvrc")}
    study |= {name: str(folder / name) for name in ("store", "scratch", "results")}
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    return path


def snakemake(study: Path, *arguments: str) -> list[str]:
    """Its command line, in a working folder of its own."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--configfile", str(study)]
    return [*command, "--directory", str(study.parent / "work"), "--snakefile", str(REPOSITORY / "Snakefile")]


def job_of(study: Path, programs: Path) -> list[str]:
    """The command that Slurm would be given for the transfer."""
    command = snakemake(study, "transfers", "--profile", "cluster", "--nolock")
    path = os.pathsep.join([str(programs), os.environ["PATH"]])
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=os.environ | {"PATH": path}, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        while not (programs / "job.sh").exists():
            if process.poll() is not None:
                raise SystemExit("Snakemake ended and sent no job.")
            time.sleep(0.1)
        time.sleep(1)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return ["sh", str(programs / "job.sh")]


def measured(command: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Seconds on the wall and of processors that a command takes, with all processes that it starts."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, cwd=REPOSITORY, env=os.environ | environment, capture_output=True, text=True
    )
    wall = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(command)[:200]} failed:\n{done.stderr[-3000:]}")
    while True:  # a warm process ends a moment after its job
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            break
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def one_job(folder: Path, command: list[str]) -> tuple[float, float]:
    """A job whose transfer is there, if an earlier one made it: wall and processor seconds."""
    shutil.rmtree(folder / "work/.snakemake/transfer_atlas/transfer", ignore_errors=True)
    path = os.pathsep.join([str(folder / "programs"), os.environ["PATH"]])
    return measured(command, {"PATH": path, "SLURM_JOB_ID": "1"})


def table(rows: dict[str, list[tuple[float, float]]]) -> str:
    """Medians with lowest and highest, wall and processor."""
    lines = [f"{'':<28}{'wall (s)':<26}processor (s)"]
    for name, pairs in rows.items():
        columns = [f"{median(c):.2f} ({min(c):.2f} to {max(c):.2f})" for c in zip(*pairs, strict=True)]
        lines.append(f"{name:<28}{columns[0]:<26}{columns[1]}")
    pairs = list(zip(*rows.values(), strict=True))
    ratios = [median(job[which] / reference[which] for reference, job in pairs) for which in (0, 1)]
    return "\n".join([*lines, f"{'ratio (goal 1.5)':<28}{ratios[0]:<26.2f}{ratios[1]:.2f}"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=5)
    chosen = parser.parse_args()
    ctypes.CDLL(None).prctl(ADOPT_ORPHANS, 1)
    os.environ["OMP_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name in ("programs", "work"):
            (folder / name).mkdir()
        fake_slurm(folder / "programs")
        for name, text in {"sbatch": SBATCH, "srun": SRUN}.items():
            text = text.replace("{python}", sys.executable).replace("{folder}", str(folder / "programs"))
            (folder / "programs" / name).write_text(text, encoding="utf-8")
            (folder / "programs" / name).chmod(0o755)
        study = study_in(folder)
        measured(snakemake(study, "prepared_datasets", "--cores", "1"), {})
        command = job_of(study, folder / "programs")
        one_job(folder, command)
        act: dict[str, Callable[[], tuple[float, float]]] = {
            "import torch, timm": lambda: measured(REFERENCE, {}),
            "start of a job": lambda: one_job(folder, command),
        }
        rows: dict[str, list[tuple[float, float]]] = {name: [] for name in act}
        for _ in range(chosen.repetitions):
            for name, call in act.items():
                rows[name].append(call())
        print(table(rows))


if __name__ == "__main__":
    main()
