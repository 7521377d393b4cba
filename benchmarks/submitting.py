"""How long it takes to plan a study of 1,200 transfers and to hand them to a cluster: a fake one, which counts.

    python benchmarks/submitting.py [--transfers 1200]

The programs of Slurm are replaced by scripts: `sbatch` notes a job and answers at once, `squeue` says that all wait.
What the transfers build on is there, as files that planning looks at, so that all can be handed over at once.
Measured from the start of Snakemake to the last `sbatch`. Floor: a dry run of the same study.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from planning import REPOSITORY, dry_run, study_of

from transfer_atlas.planning.load import load_workflow

FILES = {"prepared": "dataset.json", "ilsvrc": "model.safetensors", "source": "model.safetensors"}
PROGRAMS = {
    "sbatch": 'printf "%s\\n" "$*" >> "{folder}/submitted"\nwc -l < "{folder}/submitted"',
    "squeue": 'seq -f "%.0f|PENDING" "$(wc -l < "{folder}/submitted")"',
    "scontrol": 'echo "MinJobAge = 300 sec"; echo "MaxArraySize = 1001"',
    "sinfo": "echo cpu",
    "sacctmgr": "exit 1",
    "scancel": "exit 0",
}


def fake_slurm(folder: Path) -> None:
    """Scripts in place of Slurm's programs."""
    for name, text in PROGRAMS.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{text.format(folder=folder)}\n", encoding="utf-8")
        program.chmod(0o755)
    (folder / "submitted").touch()


def present_but_for_transfers(study_file: Path) -> int:
    """Put files where the parents of all transfers would be; returns the number of transfers."""
    flow = load_workflow(yaml.safe_load(study_file.read_text(encoding="utf-8")), without_data=False)
    for kind, name in FILES.items():
        for run in flow.plan.of_kind(kind):
            folder = run.folder(flow.study.store)
            folder.mkdir(parents=True)
            for file in ("run.json", name):
                (folder / file).touch()
    return len(flow.plan.of_kind("transfer"))


def submit(study_file: Path, folder: Path, count: int, longest: float) -> float:
    """Seconds from the start of Snakemake to the last of `count` jobs handed over, after which it is ended."""
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--profile",
        "cluster",
        "--nolock",
        "--jobs",
        str(2 * count),
    ]
    command += ["--configfile", str(study_file), "--directory", str(folder / "work")]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "transfers"]
    path = os.pathsep.join([str(folder / "bin"), os.environ["PATH"]])
    said = folder / "said"
    began = time.perf_counter()
    with said.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env=os.environ | {"PATH": path},
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        while (done := (folder / "bin/submitted").read_text().count("\n")) < count:
            if process.poll() is not None or time.perf_counter() - began > longest:
                raise SystemExit(f"{done} of {count} were handed over:\n{said.read_text()[-3000:]}")
            time.sleep(0.1)
        return time.perf_counter() - began
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--transfers", type=int, default=1200)
    parser.add_argument("--longest", type=float, default=1200.0, help="seconds after which it is given up")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        study_file = folder / "study.yaml"
        study_file.write_text(yaml.safe_dump(study_of(chosen.transfers, folder)), encoding="utf-8")
        (folder / "bin").mkdir()
        (folder / "work").mkdir()
        fake_slurm(folder / "bin")
        count = present_but_for_transfers(study_file)
        floor = dry_run(study_file, "transfer")
        seconds = submit(study_file, folder, count, chosen.longest)
        print(f"{count} transfers planned and handed over in {seconds:.1f} s; a dry run takes {floor:.1f} s")


if __name__ == "__main__":
    main()
