"""A study under random kills: processes of a running study are killed with -9 until it is done all the same.

    python tests/support/kills.py [--kills 24] [--seed 0] [--minutes 60] [--slurm]
                                                                  also `make faults`, `make faults-cluster`

Every kill is drawn from a seed: when, and which process (Snakemake, a job, the warm process or a fork of it). With
--slurm the study runs on a real Slurm of this machine, and what is killed may be on a node, or be its slurmstepd. After
each, what was published must be there still, byte for byte; in the end nothing may be left to do, and the tables must
be those of an undisturbed study. A study that ends is followed by another until there were as many kills as asked for,
or `minutes` are over. Prints a line per kill, and what was lost: which should be nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from clones import Clone, checkout
from cluster_calls import on_cluster
from slurm import Slurm
from tiny_data import draw_all

TABLES = [f"results/tables/{name}.parquet" for name in ("transfers", "gains", "effects", "best_sources")]
MINUTES = 60.0  # in which processes are killed
LONGEST = 3600.0  # seconds that a study may take from then on
LOCALLY: dict[str, Any] = {"arguments": ["--cores", "2"], "options": {}}


@dataclass
class Report:
    """What came of a study under kills."""

    kills: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)  # published and then gone, or changed
    restarts: int = 0


def under_kills(
    clone: Clone,
    kills: int,
    seed: int,
    *,
    pause: tuple[float, float] = (1.0, 12.0),
    how: dict[str, Any] = LOCALLY,
    minutes: float = MINUTES,
    tell: Callable[[str], None] = lambda line: None,
) -> Report:
    """Run a clone's study to the end while `kills` of its processes are killed. how: it is run, see `Clone.start`.

    minutes: no kill comes later. tell: is told of each kill as it happens.
    """
    generator, report = np.random.default_rng(seed), Report()
    last_kill = time.monotonic() + 60 * minutes
    known = published(clone)
    while True:
        process, _ = clone.start(*how["arguments"], **how["options"])
        while process.poll() is None and len(report.kills) < kills and time.monotonic() < last_kill:
            pause_until = time.monotonic() + generator.uniform(*pause)
            while time.monotonic() < pause_until and process.poll() is None:
                time.sleep(0.05)
            victims = sorted(clone.processes())
            if process.poll() is None and victims:
                victim = victims[int(generator.integers(len(victims)))]
                report.kills.append(victim.split(" ", 1)[1][:60])
                tell(f"kill {len(report.kills)}: {report.kills[-1]}")
                kill(int(victim.split(" ", 1)[0]))
            known = look(clone, known, report)
        process.communicate(timeout=LONGEST)
        known = look(clone, known, report)
        if time.monotonic() - last_kill > LONGEST:
            raise TimeoutError(f"not done {LONGEST:.0f} s after the last of {len(report.kills)} kills")
        if process.returncode == 0 and clone.planned() == set():
            return report
        report.restarts += 1


def kill(process: int) -> None:
    """Kill a process without a warning; nothing if it has just ended."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def published(clone: Clone) -> dict[str, bytes]:
    """run.json of every published run, by its path."""
    found = {}
    for path in (clone.folder / "store").glob("[!.]*/*/*/run.json"):
        found[path.relative_to(clone.folder).as_posix()] = path.read_bytes()
    return found


def look(clone: Clone, known: dict[str, bytes], report: Report) -> dict[str, bytes]:
    """Compare what is published with what was."""
    now = published(clone)
    report.lost += [path for path, content in known.items() if now.get(path) != content]
    return now


def blank(folder: Path) -> Clone:
    """A clone with raw data of which nothing has been run."""
    clone = checkout(folder)
    draw_all(clone.folder / "data")
    return clone


def main() -> int:
    """Run it; 1 if anything was lost or differs."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="no kill comes later")
    parser.add_argument("--slurm", action="store_true", help="on a Slurm that is started for it")
    chosen = parser.parse_args()
    last_kill = time.monotonic() + 60 * chosen.minutes
    kills, studies, restarts, lost, differ, left = 0, 0, 0, 0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        undisturbed = blank(Path(folder) / "undisturbed")
        undisturbed.snakemake("--cores", "2", cores=None, timeout=LONGEST).well()
        expected = undisturbed.files(*TABLES)
        while kills < chosen.kills and (time.monotonic() < last_kill or not studies):
            clone = blank(Path(folder) / f"killed{studies}")
            bounds: dict[str, Any] = {
                "minutes": (last_kill - time.monotonic()) / 60,
                "tell": lambda line: print(line, flush=True),
            }
            with contextlib.ExitStack() as stack:
                if chosen.slurm:
                    slurm = stack.enter_context(Slurm(Path(folder) / f"slurm{studies}"))
                    bounds["how"] = on_cluster(slurm)
                report = under_kills(clone, chosen.kills - kills, chosen.seed + studies, **bounds)
            same, still = clone.files(*TABLES) == expected, len(clone.processes())
            studies, kills, restarts = studies + 1, kills + len(report.kills), restarts + report.restarts
            lost, differ, left = lost + len(report.lost), differ + (not same), left + still
            print(
                f"study {studies}: {len(report.kills)} kills, {report.restarts} restarts, lost or changed results: "
                f"{len(report.lost)}, tables {'equal' if same else 'DIFFER'}, processes left: {still}",
                flush=True,
            )
            shutil.rmtree(clone.folder, ignore_errors=True)
    print(
        f"{kills} kills in {studies} studies, {restarts} restarts, lost or changed results: {lost}, "
        f"studies with other tables: {differ}, processes left: {left}"
    )
    return int(bool(lost or differ))


if __name__ == "__main__":
    sys.exit(main())
