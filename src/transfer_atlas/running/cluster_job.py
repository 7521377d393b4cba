"""The program of a job on a cluster: carry out runs that were planned elsewhere, one after another.

    python -m transfer_atlas.running.cluster_job FILE

The file holds what the workflow knows of the job's runs: their requests, marks, logs, threads, devices. So a job
starts no Snakemake and plans nothing: it imports what its runs need, once, and forks for each. What a plan would refuse
is refused here: code that was edited since, or is of another version than the runs' keys. A run that fails ends those
that build on it, and no other; the exit status is 1 then.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

from transfer_atlas import code_versions
from transfer_atlas.errors import AtlasError, CodeVersionError
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.running.jobs import asked_of, carry_out, leave_mark
from transfer_atlas.running.warm import ALSO, in_a_fork
from transfer_atlas.store.notices import about_this_job, note_failure

# What Snakemake sets for a job's script, and numerical libraries heed.
THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")


def carry_out_all(asked: dict[str, Any]) -> int:
    """Carry out the runs of a job; its exit status.

    asked: `folder`, the working folder; `inputs`, files that must have come to be seen here, for which is waited
    `patience` seconds; `jobs`, each with `job`, `done`, `log`, `threads`, `gpus` as `run_job` takes them, and `inputs`.
    """
    os.chdir(asked["folder"])
    jobs = asked["jobs"]
    try:
        check_code(each["job"] for each in jobs)
    except AtlasError as error:
        return _refused(jobs, str(error))
    wait_for(asked["inputs"], asked["patience"])
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the imports; each run sets its own number of threads
    _import_for(each["job"] for each in jobs)
    lacking: set[str] = set()  # marks of what failed
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)  # the run at work hears of it as well
    for each in jobs:
        done = Path(each["done"])
        if lacking & set(each["inputs"]):
            lacking.add(each["done"])
            continue
        done.unlink(missing_ok=True)
        _set_threads(each["threads"])
        signal.signal(
            signal.SIGTERM, stop
        )  # between two runs; the one at work hears of it by its own connection
        if stopped or in_a_fork(
            asked_of(each["job"], Path(each["log"]), each["threads"], each["gpus"]), carry_out
        ):
            lacking.add(each["done"])
        else:
            leave_mark(done)
    return 1 if lacking else 0


def check_code(jobs: Iterable[dict[str, Any]]) -> None:
    """Raises CodeVersionError if the code is not of the versions that the runs' keys were made with."""
    planned: dict[str, int] = {}
    for job in jobs:
        for request in job["runs"]:
            planned |= request["code_versions"]
    now = code_versions.versions(planned)
    other = [stage for stage in planned if now[stage] != planned[stage]]
    if other:
        told = ", ".join(f"{stage}: {planned[stage]} when planned, {now[stage]} now" for stage in other)
        raise CodeVersionError(
            f"code of another version than the runs were planned with ({told}). Run snakemake again."
        )


def wait_for(files: Iterable[str], patience: float) -> None:
    """Wait until files that other machines wrote are seen here, as a network's file system takes its time."""
    end = time.monotonic() + patience
    for path in map(Path, files):
        while not path.exists() and time.monotonic() < end:
            time.sleep(0.5)


def _import_for(jobs: Iterable[dict[str, Any]]) -> None:
    """Import what carries out some runs."""
    modules = {KINDS[request["kind"]].runner.split(":")[0]: None for job in jobs for request in job["runs"]}
    for module in modules:
        for name in (module, *ALSO.get(module, ())):
            import_module(name)


def _set_threads(threads: int) -> None:
    for name in THREADS:
        os.environ[f"{name}_NUM_THREADS"] = str(threads)


def _refused(jobs: list[dict[str, Any]], reason: str) -> int:
    """Say and note why no run is carried out; the exit status."""
    for each in jobs:
        request = each["job"]["runs"][0]
        message = f"{request['name']} cannot be carried out: {reason}"
        print(f"\n{message}\n", file=sys.stderr)
        note_failure(Path(request["folder"]), about_this_job(each["log"]), message)
    return 1


if __name__ == "__main__":
    sys.exit(carry_out_all(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
