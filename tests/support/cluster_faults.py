"""What clusters do to a study, one by one, on a real Slurm that is started here.

    python tests/support/cluster_faults.py [FAULT ...]        also `make faults-cluster`

A study whose datasets, checkpoint and sources are there runs its transfers through `profiles/cluster`, is hurt, and
must end all the same: nothing that was published is lost or computed again, and the tables are those of an undisturbed
study on one machine. Prints a line per fault.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clones import Clone
from cluster_calls import on_cluster
from kills import blank, published
from slurm import Slurm, wait_until

PRODUCTS = [f"results/tables/{name}.parquet" for name in ("transfers", "gains", "effects", "best_sources")]
STEPS = 60  # of a transfer at each of two rates: long enough to be hurt
WAIT = 900.0  # seconds for something to happen, on a machine however busy


@dataclass
class Report:
    """What came of a study that was hurt."""

    expected: dict[str, bytes]
    lost: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    noted: list[str] = field(default_factory=list)


@dataclass
class Hurt:
    """A study that is running, as a fault sees it."""

    clone: Clone
    slurm: Slurm
    how: dict[str, Any]
    process: subprocess.Popen[str]
    report: Report

    def running(self) -> list[dict[str, str]]:
        """Jobs of transfers that compute."""
        return [job for job in self.slurm.jobs("running") if "transfer" in job["comment"]]

    def wait_for_a_run(self) -> Path:
        """Wait until a transfer computes; its scratch folder."""
        found: list[Path] = []

        def begun() -> bool:
            assert self.process.poll() is None, self.process.communicate()
            found[:] = [path.parent for path in (self.clone.folder / "scratch").glob("*/output")]
            return bool(found and self.running())

        wait_until(begun, "a transfer computes", WAIT)
        return found[0]

    def start_again(self) -> None:
        """Start Snakemake anew, as a user does."""
        self.process, _ = self.clone.start(*self.how["arguments"], **self.how["options"])


def longer(study: dict[str, Any]) -> None:
    """Transfers to harbour alone, of some length."""
    study["datasets"]["harbour"]["tasks"]["segmentation"] = {"regimes": {"small_target": {"steps": STEPS}}}
    study["experiments"][0] |= {
        "sources": ["segmentation/meadow"],
        "targets": ["segmentation/harbour"],
        "baselines": ["ilsvrc"],
    }


def half_done(finished: Clone, folder: Path) -> Clone:
    """A copy of a finished study that has two transfers to do."""
    shutil.copytree(finished.folder, folder, symlinks=True)
    clone = Clone(folder)
    clone.change(longer)
    return clone


def under_fault(clone: Clone, slurm: Slurm, fault: Callable[[Hurt], None], expected: Any = None) -> Report:
    """Run a half-done study on a Slurm while a fault hurts it, until it is done; expected: its tables, if known."""
    report = Report(expected or undisturbed(clone))
    known = published(clone)
    how = on_cluster(slurm, **getattr(fault, "environment", {}))
    how["arguments"] += getattr(fault, "arguments", [])
    process, _ = clone.start(*how["arguments"], **how["options"])
    hurt = Hurt(clone, slurm, how, process, report)
    try:
        fault(hurt)
        said = hurt.process.communicate(timeout=2 * WAIT)
        for _ in range(3):
            if hurt.process.returncode == 0:
                break
            report.noted.append("started again")
            hurt.start_again()
            said = hurt.process.communicate(timeout=2 * WAIT)
        assert hurt.process.returncode == 0, said
    finally:
        if hurt.process.poll() is None:
            os.killpg(hurt.process.pid, signal.SIGKILL)
    now = published(clone)
    report.lost = [path for path in known if path not in now]
    report.repeated = [path for path, content in known.items() if now.get(path, content) != content]
    return report


def undisturbed(clone: Clone) -> dict[str, bytes]:
    """The tables of a copy of a half-done study, ended on one machine."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "atlas"
        shutil.copytree(clone.folder, copy, symlinks=True)
        other = Clone(copy)
        other.snakemake("--cores", "2", cores=None, timeout=2 * WAIT).well()
        return other.files(*PRODUCTS)


# ------------------------------------------------------------------------------------------------------ the faults


def preempted(hurt: Hurt) -> None:
    """A job of higher priority takes the node: SIGTERM, a grace period in which state is saved, and the queue again."""
    scratch = hurt.wait_for_a_run()
    assert not list(scratch.glob("state-*"))  # nothing is saved by the clock: what comes was saved when asked
    node = hurt.running()[0]["node"]
    urgent = ["sbatch", "--parsable", "--partition=urgent", f"--nodelist={node}", "--exclusive", "--mem=0"]
    job = hurt.slurm.say(*urgent, "--output=/dev/null", "--wrap=sleep 1").strip()
    wait_until(lambda: list(scratch.glob("state-*")), f"state is saved (job {job})", WAIT)
    hurt.report.noted.append("state was saved within the grace period")


def preempted_then_killed(hurt: Hurt) -> None:
    """One after the other: a job is preempted, then Snakemake is killed with -9 and started again."""
    preempted(hurt)
    time.sleep(5)
    os.kill(hurt.process.pid, signal.SIGKILL)
    hurt.process.communicate()
    hurt.start_again()


def run_processes(hurt: Hurt) -> list[int]:
    """The programs of a job that computes, in the order in which they came: its step, and the fork of the run."""
    job = [line.split() for line in hurt.clone.processes() if "-m transfer_atlas.running.cluster_job" in line]
    programs = [
        words for words in job if "python" in Path(words[1]).name
    ]  # and not srun, nor the job's script
    assert len(programs) > 1, job
    return sorted(int(words[0]) for words in programs)


def killed(hurt: Hurt) -> None:
    """The process of a run is killed on its node."""
    hurt.wait_for_a_run()
    os.kill(run_processes(hurt)[-1], signal.SIGKILL)


def scancelled(hurt: Hurt) -> None:
    """Somebody cancels a job."""
    hurt.wait_for_a_run()
    hurt.slurm.say("scancel", hurt.running()[0]["id"])


def out_of_memory(hurt: Hurt) -> None:
    """The first attempt's memory does not suffice; the next has more."""
    wait_until(lambda: hurt.slurm.jobs("failed,out_of_memory,cancelled"), "a job is killed for memory", WAIT)


def out_of_time(hurt: Hurt) -> None:
    """A run hangs, until its job's time is over; it goes on in the next attempt, which has more."""
    hurt.wait_for_a_run()
    for process in run_processes(hurt):
        os.kill(process, signal.SIGSTOP)
    wait_until(lambda: hurt.slurm.jobs("timeout,failed"), "a job is ended for time", WAIT)


def node_down(hurt: Hurt) -> None:
    """The controller takes a node for down; it comes back later."""
    hurt.wait_for_a_run()
    node = hurt.running()[0]["node"]
    hurt.slurm.set_node(node, "down")
    time.sleep(5)
    hurt.slurm.set_node(node, "resume")


def slurmd_killed(hurt: Hurt) -> None:
    """The daemon of a node dies, and is started again."""
    hurt.wait_for_a_run()
    node = hurt.running()[0]["node"]
    hurt.slurm.kill(node)
    time.sleep(5)
    hurt.slurm.start_node(node)


def snakemake_killed(hurt: Hurt) -> None:
    """kill -9 of Snakemake, started again while its jobs go on."""
    hurt.wait_for_a_run()
    os.kill(hurt.process.pid, signal.SIGKILL)
    hurt.process.communicate()
    hurt.start_again()


def controller_restarted(hurt: Hurt) -> None:
    """The controller dies while jobs run, and comes back."""
    hurt.wait_for_a_run()
    hurt.slurm.kill("slurmctld")
    time.sleep(5)
    hurt.slurm.start_controller()


def two_snakemakes(hurt: Hurt) -> None:
    """A second Snakemake of the same folder sends the same runs."""
    other, _ = hurt.clone.start(*hurt.how["arguments"], **hurt.how["options"])
    said = other.communicate(timeout=2 * WAIT)
    assert other.returncode == 0, said


def full_scratch(hurt: Hurt) -> None:
    """The disk of scratch is full, until somebody makes room."""
    filling = hurt.clone.folder / "scratch/filling"
    wait_until(lambda: hurt.slurm.jobs("failed"), "a job fails", WAIT)
    filling.unlink()


def logs_lost(hurt: Hurt) -> None:
    """The folder of all logs is removed while jobs run."""
    hurt.wait_for_a_run()
    shutil.rmtree(hurt.clone.folder / "logs")


def clock_skew(hurt: Hurt) -> None:
    """A node's clock is an hour ahead: what it writes comes from the future."""
    hurt.wait_for_a_run()
    ahead = time.time() + 3600
    for root in ("scratch", "store", ".snakemake/transfer_atlas"):
        for path in (hurt.clone.folder / root).rglob("*"):
            with contextlib.suppress(OSError):
                os.utime(path, (ahead, ahead), follow_symlinks=False)


for _fault in (preempted, preempted_then_killed):
    _fault.environment = {"TRANSFER_ATLAS_SAVE_SECONDS": "100000"}  # type: ignore[attr-defined]
GPU = "transfer:slurm_partition=gpu"  # what is set here takes the place of all that the profile sets
out_of_memory.arguments = ["--set-resources", "transfer:mem_mb=250*attempt*attempt", GPU]  # type: ignore[attr-defined]
out_of_time.arguments = ["--set-resources", "transfer:runtime=1*attempt*attempt*3-2", GPU]  # type: ignore[attr-defined]

FAULTS: dict[str, Callable[[Hurt], None]] = {
    function.__name__: function
    for function in (
        preempted,
        preempted_then_killed,
        killed,
        scancelled,
        out_of_memory,
        out_of_time,
        node_down,
        slurmd_killed,
        snakemake_killed,
        controller_restarted,
        two_snakemakes,
        full_scratch,
        logs_lost,
        clock_skew,
    )
}


@contextlib.contextmanager
def small_scratch(clone: Clone, size: str = "2m") -> Iterator[None]:
    """The clone's scratch on a file system of its own, which is full."""
    folder = clone.folder / "scratch"
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=True)
    try:
        filling = folder / "filling"
        filling.write_bytes(bytes(shutil.disk_usage(folder).free - 16 * 1024))
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def main(chosen: list[str]) -> int:
    """Try faults; 1 if one of them cost a result."""
    unknown = [name for name in chosen if name not in FAULTS]
    if unknown:
        print(f"no fault {', '.join(unknown)}; there are: {', '.join(FAULTS)}")
        return 2
    failed = 0
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        root = Path(folder)
        finished = blank(root / "finished")
        finished.snakemake("--cores", "2", "sources", cores=None, timeout=2 * WAIT).well()
        expected = undisturbed(half_done(finished, root / "expected"))
        for number, name in enumerate(chosen or FAULTS):
            began = time.monotonic()
            clone = half_done(finished, root / name)
            full = small_scratch(clone) if name == "full_scratch" else contextlib.nullcontext()
            with full, Slurm(root / f"slurm{number}") as slurm:
                try:
                    report = under_fault(clone, slurm, FAULTS[name], expected)
                    same = clone.files(*PRODUCTS) == expected
                    bad = bool(report.lost or report.repeated or not same)
                    said = f"lost {len(report.lost)}, repeated {len(report.repeated)}, tables "
                    said += "equal" if same else "DIFFER"
                    said += f" {'; '.join(report.noted)}"
                except (AssertionError, TimeoutError, subprocess.TimeoutExpired) as error:
                    bad, said = True, f"DID NOT END: {str(error)[-2000:]}"
            failed += bad
            print(f"{name:<22}{time.monotonic() - began:6.0f} s  {said}", flush=True)
            shutil.rmtree(clone.folder, ignore_errors=True)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
