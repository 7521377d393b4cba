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
from transfer_atlas.running import warm

AGAIN_VARIABLE = "TRANSFER_ATLAS_AGAIN"  # rules whose results are computed again although they are there


def run_job(job: dict[str, Any], done: Path, log: Path, threads: int) -> None:
    """Carry out the runs of a job, then write the file that tells the workflow so.

    job: `runs`, the requests of one run or of several that share what is expensive. In the warm process if there is
    one. Exits the process with status 1 if it fails.
    """
    requests = job["runs"]
    asked = {
        "requests": requests,
        "request": requests[0],
        "log": str(Path(log).resolve()),
        "threads": threads,
        "folder": str(Path.cwd()),
        "again": again(KINDS[requests[0]["kind"]].rule),
    }
    address = os.environ.get(warm.SOCKET_VARIABLE)
    status = warm.ask(address, asked) if address and KINDS[requests[0]["kind"]].uses_torch else None
    if status is None:
        status = carry_out(asked)
    if status:
        sys.exit(status)
    Path(done).parent.mkdir(parents=True, exist_ok=True)
    Path(done).touch()


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


def carry_out(job: dict[str, Any]) -> int:
    """Do the work in this process: output goes to the log, progress and the one message to the terminal."""
    terminal = log_to(job["log"])
    request = job["request"]
    try:
        if KINDS[request["kind"]].uses_torch:
            from transfer_atlas.training.device import use_threads

            use_threads(job["threads"])
        from transfer_atlas.running.execute import execute

        # The run that the job is named after comes last: when it is there, so are the others.
        for each in reversed(job["requests"]):
            execute(each | {"threads": job["threads"]}, terminal, again=job["again"])
    except AtlasError as error:
        traceback.print_exc()
        print(f"\n{request['name']} cannot be carried out: {error}\n", file=terminal)
        return 1
    except OSError as error:
        traceback.print_exc()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            print(f"\n{request['name']} failed: {error}. The log is {job['log']}\n", file=terminal)
        else:
            print(
                f"\n{request['name']} stopped: the disk is full ({error.filename or request['folder']}). "
                "Finished runs are kept, and this one continues from its last saved state. "
                "Free some space and run snakemake again.\n",
                file=terminal,
            )
        return 1
    except Exception as error:  # the job's last resort: the user sees one line, and the log has all
        traceback.print_exc()
        print(
            f"\n{request['name']} failed: {type(error).__name__}: {error}. The log is {job['log']}\n",
            file=terminal,
        )
        return 1
    return 0
