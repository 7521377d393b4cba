"""Runs as a job of the workflow: log file, one clear message on failure, a warm process if there is one."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.errors import AtlasError
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.process.stopping import StoppedError, heed
from transfer_atlas.running import warm
from transfer_atlas.running.devices import DeviceError, lent
from transfer_atlas.running.tally import count, finished_line, tally_of_workflow
from transfer_atlas.store.notices import about_this_job, note_failure
from transfer_atlas.store.store import RUN_FILE, read_run

AGAIN_VARIABLE = "TRANSFER_ATLAS_AGAIN"  # rules whose results are computed again although they are there


def run_job(job: dict[str, Any], done: Path, log: Path, threads: int, gpus: int = 0) -> None:
    """Carry out the runs of a job, then write the file that tells the workflow so.

    job: `runs`, the requests of one run or of several that share what is expensive; `what`, how people call them;
    `baseline`, the folder of the run that a gain is over, or None. gpus: devices that they may use, where there are
    any. In the warm process if there is one. Exits the process with status 1 if it fails.
    """
    if status := _on_its_devices(asked_of(job, log, threads, gpus)):
        sys.exit(status)
    leave_mark(done)


def leave_mark(done: Path) -> None:
    """Tell the workflow that the runs of a job are in the store."""
    Path(done).parent.mkdir(parents=True, exist_ok=True)
    Path(done).touch()


def asked_of(job: dict[str, Any], log: Path, threads: int, gpus: int) -> dict[str, Any]:
    """What `carry_out` is asked: the arguments of `run_job`, as one dict of built-ins."""
    requests = job["runs"]
    return {
        "requests": requests,
        "request": requests[0],
        "log": str(Path(log).resolve()),
        "threads": threads,
        "folder": str(Path.cwd()),
        "again": again(KINDS[requests[0]["kind"]].rule),
        "gpus": gpus,
        "what": job.get("what", requests[0]["name"]),
        "baseline": job.get("baseline"),
    }


def _on_its_devices(asked: dict[str, Any]) -> int:
    """Carry out a job on devices of its own, if this machine lends any; its exit status."""
    name, kind = asked["request"]["name"], KINDS[asked["request"]["kind"]]

    def waiting(devices: int) -> None:
        print(f"  {name}: waiting for a free one of {devices} GPUs", file=sys.stderr, flush=True)

    try:
        with lent(asked["gpus"], waiting=waiting) as loan:
            os.environ.update(loan.environment())
            address = os.environ.get(warm.SOCKET_VARIABLE)
            status = warm.ask(address, asked, loan.files) if address and kind.uses_torch else None
            return carry_out(asked) if status is None else status
    except DeviceError as error:
        message = f"{name} cannot be carried out: {error}"
        print(f"\n{message}\n", file=sys.stderr)
        note_failure(Path(asked["request"]["folder"]), about_this_job(asked["log"]), message)
        return 1


def again(rule: str) -> bool:
    """Whether Snakemake was told to repeat what a rule has done: `--forceall`, `--forcerun RULE` and their kin."""
    return bool({"all", rule} & set(os.environ.get(AGAIN_VARIABLE, "").split(",")))


def log_to(path: str | Path) -> TextIO:
    """Send what this process and its libraries print to a log file; an earlier one is kept beside it.

    Returns the terminal, for what people should see.
    """
    terminal = os.fdopen(os.dup(2), "w", buffering=1)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    if Path(path).exists():  # perhaps of a process that still writes to it
        Path(path).replace(f"{path}.previous")
    with Path(path).open("w", encoding="utf-8") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    return terminal


def tell(job: dict[str, Any], done: list[dict[str, Any]], terminal: TextIO) -> None:
    """Say what the runs of a job came to, in one line."""
    records = [read_run(Path(each["folder"])) for each in done]
    seconds = {record["key"]: record["seconds"] for record in records}
    tally = tally_of_workflow()
    counted = "" if tally is None else count(tally, seconds)
    baseline = Path(job["baseline"]) if job.get("baseline") else None
    known = read_run(baseline) if baseline and (baseline / RUN_FILE).exists() else None
    shown = records[-1] | {"seconds": sum(seconds.values())}
    what = job.get("what", job["request"]["name"])
    print(finished_line(what, shown, known, counted), file=terminal, flush=True)


def carry_out(job: dict[str, Any]) -> int:
    """Do the work in this process: output goes to the log, progress and the one message to the terminal."""
    heed()
    terminal = log_to(job["log"])
    current = job["request"]  # which of the job's runs is being carried out

    def ended(message: str) -> int:
        traceback.print_exc()
        print(f"\n{message}\n", file=terminal)
        note_failure(Path(current["folder"]), about_this_job(job["log"]), message)
        return 1

    try:
        if KINDS[current["kind"]].uses_torch:
            from transfer_atlas.training.device import use_threads

            use_threads(job["threads"])
        from transfer_atlas.running.execute import execute

        # The run that the job is named after comes last: when it is there, so are the others.
        done = []
        for current in reversed(job["requests"]):
            told = {"threads": job["threads"], "gpus": job["gpus"], "log": job["log"]}
            if execute(current | told, terminal, again=job["again"]):
                done.append(current)
        if done:
            tell(job, done, terminal)
    except StoppedError as error:
        return ended(f"{current['name']} is interrupted: {error}")
    except AtlasError as error:
        return ended(f"{current['name']} cannot be carried out: {error}")
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return ended(f"{current['name']} failed: {error}. The log is {job['log']}")
        return ended(
            f"{current['name']} stopped: the disk is full ({error.filename or current['folder']}). "
            "Finished runs are kept, and this one continues from its last saved state. "
            "Free some space and run snakemake again."
        )
    except Exception as error:  # the job's last resort: the user sees one line, and the log has all
        return ended(f"{current['name']} failed: {type(error).__name__}: {error}. The log is {job['log']}")
    return 0
