"""Carries out one run of the plan, from its request to its place in the store.

A request is what `request()` makes of a planned run: a dict of plain built-ins, so that it can travel
through Snakemake's params, to another process or machine.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.planning.run import Run
from transfer_atlas.running.provenance import surroundings
from transfer_atlas.store.store import MODEL_FILE, StoreError, problems_of, publish

Outcome = dict[str, Any]  # metrics of a finished run
Runner = Callable[[dict[str, Any], Path, TextIO], Outcome]


def request(run: Run, store: Path, scratch: Path) -> dict[str, Any]:
    """Everything needed to carry out a run, as plain built-ins with sorted keys."""
    values = {
        "kind": run.kind,
        "name": run.name,
        "key": run.key,
        "settings": run.settings,
        "identity": run.identity,
        "code_versions": run.code,
        "versions": run.versions,
        "dataset_versions": _dataset_versions(run),
        "parents": {role: {"key": p.key, "folder": str(p.folder(store))} for role, p in run.parents.items()},
        "location": run.location,
        "folder": str(run.folder(store)),
        "scratch": str(Path(scratch) / run.key),
    }
    return dict(sorted(values.items()))


def execute(request: dict[str, Any], progress_to: TextIO = sys.stderr) -> None:
    """Carry out a run and publish its result; a legitimate failure is a result, with status and reason.

    State of an interrupted attempt is taken up from the run's scratch folder.
    """
    check_parents(request)
    scratch, folder = Path(request["scratch"]), Path(request["folder"])
    output = scratch / "output"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    began, earlier = time.monotonic(), _earlier_seconds(scratch)
    status, reason, metrics = "finished", None, None
    try:
        metrics = _runner(request["kind"])(request, scratch, progress_to)
    except LegitimateFailure as failure:
        status, reason = failure.status, failure.reason
        shutil.rmtree(output)
        output.mkdir()
        if request["kind"] in ("ilsvrc", "source") or request["location"].get("keep_model") == "yes":
            _save_no_model(output, status, reason)
        elif request["kind"] in ("image_features", "features"):
            _save_no_samples(output, status, reason)
    record = {
        key: request[key]
        for key in (
            "kind",
            "name",
            "key",
            "settings",
            "identity",
            "code_versions",
            "versions",
            "dataset_versions",
        )
    }
    record |= {
        "parents": {role: parent["key"] for role, parent in request["parents"].items()},
        "status": status,
        "reason": reason,
        "metrics": metrics,
        "seconds": round(earlier + time.monotonic() - began, 3),
        **surroundings(),
    }
    publish(output, folder, record)
    shutil.rmtree(scratch)


def check_parents(request: dict[str, Any]) -> None:
    """Refuse to start from a checkpoint that is damaged, or of unknown provenance. Raises StoreError that names it."""
    for parent in request["parents"].values():
        folder = Path(parent["folder"])
        problems = problems_of(folder, only=(MODEL_FILE,)) if (folder / MODEL_FILE).is_file() else []
        if problems:
            raise StoreError(
                f"{' '.join(problems)} Remove {folder} and run snakemake again; or fetch what is recorded again "
                "with `python -m transfer_atlas.sharing verify --refetch`."
            )


def _earlier_seconds(scratch: Path) -> float:
    """Work of learning rates that an interrupted attempt finished, so that a run states its whole cost."""
    return sum(
        json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in scratch.glob("rate-*.json")
    )


def _runner(kind: str) -> Runner:
    # Each kind is imported where it is needed: preparing a dataset must not pay for importing torch.
    if kind == "prepared":
        from transfer_atlas.datasets.prepare import prepare

        return prepare
    if kind in ("image_features", "features", "score"):
        from transfer_atlas.scoring import runners as scoring

        return {
            "image_features": scoring.image_features,
            "features": scoring.features,
            "score": scoring.score,
        }[kind]
    from transfer_atlas.training import runners

    return {"ilsvrc": runners.ilsvrc, "source": runners.source, "transfer": runners.transfer}[kind]


def _save_no_model(output: Path, status: str, reason: str) -> None:
    """A checkpoint without weights: the declared output of a run that legitimately has none."""
    from transfer_atlas.models.checkpoints import save_checkpoint

    save_checkpoint(output / "model.safetensors", {}, {"status": status, "reason": reason})


def _save_no_samples(output: Path, status: str, reason: str) -> None:
    """Samples of a run that legitimately has none."""
    from transfer_atlas.scoring.sample_files import save_samples

    save_samples(output, {}, {"status": status, "reason": reason})


def _dataset_versions(run: Run) -> dict[str, str]:
    """Versions of all datasets whose images went into a run, directly or through its parents."""
    found: dict[str, str] = {}
    for parent in run.parents.values():
        found |= _dataset_versions(parent)
    if run.kind == "prepared":
        found[run.name] = run.versions["dataset"]
    return dict(sorted(found.items()))
