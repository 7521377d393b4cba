"""How long it takes to plan all scores of the paper's study, and to find them complete.

    python benchmarks/score_planning.py [--study studies/paper.yaml]

Every metric that a study can ask for, every pair of the study; no data is needed, and results are empty files where
runs would have put theirs. Floor: one `stat` for each score.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import yaml

from transfer_atlas.planning.load import load_workflow
from transfer_atlas.scoring.metrics import METRICS


def main() -> None:
    """Print seconds of planning and of looking."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--study", type=Path, default=Path("studies/paper.yaml"))
    values = yaml.safe_load(parser.parse_args().study.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        values |= {"store": folder, "transferability": {"metrics": sorted(METRICS)}}
        began = time.perf_counter()
        flow = load_workflow(values, without_data=True)
        planned = time.perf_counter() - began
        scores = flow.plan.of_kind("score")
        for run in scores:
            for path in run.outputs(Path(folder)).values():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        flow.present.forget()
        began = time.perf_counter()
        assert flow.missing(scores) == []
        looked = time.perf_counter() - began
        began = time.perf_counter()
        for run in scores:
            os.stat(run.outputs(Path(folder))["run"])  # noqa: PTH116 (the floor is the bare call)
        floor = time.perf_counter() - began
    pairs = len(flow.jobs_for(scores))
    print(f"{len(METRICS)} metrics, {pairs} pairs of samples, {len(scores)} scores")
    print(
        f"planned in {planned:.1f} s; found complete in {looked:.2f} s (a bare stat for each: {floor:.2f} s)"
    )


if __name__ == "__main__":
    main()
