"""What carrying out a study costs beyond its runs' own work: wall time against the summed time of the runs.

    python benchmarks/study.py [--configfile config.yaml] [--cores 2]

Runs the study from nothing into a temporary store. Floor: the summed time of the runs' own work (the column
`seconds` of the table `runs`: training, evaluating, preparing), divided by the number of workers.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--configfile", type=Path, default=REPOSITORY / "config.yaml")
    parser.add_argument("--cores", type=int, default=2)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folders = [f"{name}={temporary}/{name}" for name in ("store", "scratch", "results")]
        command = [Path(sys.executable).parent / "snakemake", "--nolock", "--cores", str(chosen.cores)]
        command += ["--configfile", chosen.configfile.resolve(), "--config", *folders]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        began = time.perf_counter()
        subprocess.run(command, cwd=REPOSITORY, check=True, env=environment, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        began = time.perf_counter()
        subprocess.run(command, cwd=REPOSITORY, check=True, env=environment, capture_output=True)
        again = time.perf_counter() - began
        runs = pd.read_parquet(f"{temporary}/results/tables/runs.parquet")
    by_kind = runs.groupby("kind", sort=False)["seconds"].agg(["count", "sum", "median"])
    work = runs["seconds"].sum()
    print(by_kind.round(1).to_string())
    print(f"wall time {wall:.1f} s, runs' own work {work:.1f} s on {chosen.cores} workers")
    print(f"wall / (work / workers) = {wall / (work / chosen.cores):.3f}")
    print(f"second call, nothing to be done: {again:.1f} s")


if __name__ == "__main__":
    main()
