"""How much longer a study takes through `profiles/cluster`, on a real Slurm of this machine, than on the machine alone.

    python benchmarks/through_slurm.py [--study tests/config/short_study.yaml] [--repetitions 2]
    python benchmarks/through_slurm.py --study config.yaml --repetitions 1 --group-components prepare_dataset=6 \
        train_source=4 transfer=18 score=60

Needs what `make test-cluster` needs. The two take turns, each in a clone of its own of what is committed. The profile's
waits between looks at the queue are shortened as in the tests, and said. Both have two cores: on the machine two runs
at a time, through Slurm the runs of a kind in two jobs.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY / "tests/support"))

from clones import Clone, checkout  # noqa: E402
from cluster_calls import QUICKLY, on_cluster  # noqa: E402
from slurm import Slurm, missing  # noqa: E402

IN_TWO_JOBS = ["prepare_dataset=2", "train_source=1", "transfer=3", "score=10"]  # of the short study


def seconds_of(clone: Clone, study: str, *arguments: str, **options: object) -> float:
    """Seconds of the wall of a whole study."""
    began = time.perf_counter()
    clone.snakemake(*arguments, study=study, timeout=3000, **options).well()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--study", default="tests/config/short_study.yaml")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--group-components", nargs="+", default=IN_TWO_JOBS, metavar="RULE=RUNS")
    chosen = parser.parse_args()
    if missing():
        raise SystemExit(f"no Slurm can be started here: {', '.join(missing())} missing")
    print(f"waits: {' '.join(QUICKLY[1:4])}")
    with (
        tempfile.TemporaryDirectory(prefix="slurm-") as name,
        Slurm(Path(name) / "slurm") as slurm,
    ):
        for turn in range(chosen.repetitions):
            here = seconds_of(checkout(Path(name) / f"here{turn}"), chosen.study, cores="2")
            how = on_cluster(slurm, "--group-components", *chosen.group_components)
            there = seconds_of(
                checkout(Path(name) / f"there{turn}"), chosen.study, *how["arguments"], **how["options"]
            )
            jobs = len(slurm.jobs("all"))
            print(
                f"on the machine {here:.0f} s, through Slurm {there:.0f} s ({jobs} jobs so far): "
                f"{there / here:.2f} times",
                flush=True,
            )


if __name__ == "__main__":
    main()
