"""Carries out one run of the plan, from its request (`planning/request.py`) to its place in the store."""

from __future__ import annotations

import contextlib
import math
import shutil
import sys
from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.planning.kinds import KINDS, called
from transfer_atlas.running.provenance import surroundings
from transfer_atlas.running.spent import counted
from transfer_atlas.running.state_copy import copied_state
from transfer_atlas.store.leases import Holder, leased
from transfer_atlas.store.notices import Noted, about_this_job, forget_failure
from transfer_atlas.store.store import StoreError, is_whole, lease_of, problems_of, publish, tidy

Outcome = dict[str, Any]  # metrics of a finished run
TOLD = ("kind", "name", "key", "settings", "code_versions", "versions", "dataset_versions")


def execute(request: dict[str, Any], progress_to: TextIO = sys.stderr, *, again: bool = False) -> bool:
    """Carry out a run and publish its result; a legitimate failure is a result, with status and reason.

    Only one process on any machine computes a run at a time: while another does, this one waits, and then finds the
    result. State of an interrupted attempt is taken up from the run's scratch folder. again: compute and replace a
    result that is there. Returns whether anything was computed.
    """
    folder, places = Path(request["folder"]), request.get("places", {})
    publishing = places.get("publishing")

    def waiting(holder: Holder) -> None:
        print(f"  {request['name']}: {holder} is computing it; waiting", file=progress_to, flush=True)

    about = about_this_job(request.get("log"))
    with leased(lease_of(folder), waiting=waiting, about=about) as lease:
        tidy(folder, publishing)
        if is_whole(folder) and not again:
            return False
        check_parents(request)
        scratch = Path(request["scratch"])
        copies = places.get("scratch_copy")
        with copied_state(scratch, Path(copies) / scratch.name if copies else None):
            with contextlib.closing(Noted(progress_to, folder)) as noted:
                record = _computed(request, scratch / "output", noted)
            lease.check()
            publish(scratch / "output", folder, record, replace=again, publishing=publishing)
            forget_failure(folder)
            shutil.rmtree(scratch)
    return True


def _computed(request: dict[str, Any], output: Path, progress_to: Noted) -> dict[str, Any]:
    """Compute a run into `output`. Returns its record."""
    scratch, kind = Path(request["scratch"]), KINDS[request["kind"]]
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    status, reason, metrics = "finished", None, None
    with counted(scratch) as seconds:
        try:
            with _team(request):
                metrics = called(kind.runner)(request, scratch, progress_to)
            _check_finite(metrics)
        except LegitimateFailure as failure:
            status, reason, metrics = failure.status, failure.reason, None
            shutil.rmtree(output)
            output.mkdir()
            if kind.placeholder is not None:
                called(kind.placeholder)(output, status, reason)
    return {
        **{name: request[name] for name in TOLD},
        "parents": {role: parent["key"] for role, parent in request["parents"].items()},
        "status": status,
        "reason": reason,
        "metrics": metrics,
        "seconds": seconds(),
        **surroundings(),
    }


def _team(request: dict[str, Any]) -> contextlib.AbstractContextManager[None]:
    """The processes that fit together where a run was given several GPUs."""
    gpus = request.get("gpus", 0)
    if gpus < 2 or not KINDS[request["kind"]].uses_torch:
        return contextlib.nullcontext()
    from transfer_atlas.training import team

    return team.lead(request, team.processes_for(gpus))


def check_parents(request: dict[str, Any]) -> None:
    """Refuse to build on files that are damaged, or of unknown provenance. Raises StoreError that names them.

    Every file of every parent is hashed, once on a machine as long as it does not change.
    """
    for parent in request["parents"].values():
        folder = Path(parent["folder"])
        problems = problems_of(folder, remembered=True)
        if problems:
            raise StoreError(
                f"{' '.join(problems)} Remove {folder} and run snakemake again; or fetch what is recorded again "
                "with `transfer-atlas verify --refetch`."
            )


def _check_finite(metrics: Outcome | None) -> None:
    """Nothing that is not finite is ever a finished result."""

    def visit(value: Any, where: str) -> None:
        if isinstance(value, float) and not math.isfinite(value):
            raise LegitimateFailure("diverged", f"{where or 'the result'} is {value}")
        if isinstance(value, dict):
            for name, inner in value.items():
                visit(inner, f"{where}.{name}" if where else str(name))
        elif isinstance(value, list | tuple):
            for index, inner in enumerate(value):
                visit(inner, f"{where}[{index}]")

    visit(metrics, "")
