"""What jobs tell of themselves in the store, for people: what a run said last, and how its last attempt failed.

store/.leases/<kind>-<key>.json      the lease; beside who holds it: since when, on which GPUs, where its log is
store/.leases/<kind>-<key>.said      the last line that the run said
store/.failures/<kind>-<key>.json    how the last attempt failed, until one succeeds

Nothing depends on them but what is shown: a notice that cannot be written is left out, one that cannot be read is none.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.store.files import write_json
from transfer_atlas.store.leases import Holder, holder_of
from transfer_atlas.store.store import lease_of, store_of

SCHEDULER_VARIABLES = ("SLURM_JOB_ID",)  # what names a job of a scheduler; in Kubernetes the node is the pod
SILENT = 300.0  # seconds without a heartbeat after which a holder on another machine is shown as dead
EVERY = 2.0  # seconds between two lines that are noted


def said_of(folder: Path) -> Path:
    """Where the last line of the run that lives in `folder` is noted."""
    return lease_of(folder).with_suffix(".said")


def failure_of(folder: Path) -> Path:
    """Where the failure of the run that lives in `folder` is noted."""
    return store_of(folder) / ".failures" / lease_of(folder).name


def about_this_job(log: str | None) -> dict[str, Any]:
    """What a lease tells of a job beside its process: since when, node, GPUs, log, name at a scheduler."""
    gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
    return {
        "since": _now(),
        "node": socket.gethostname(),
        "gpus": None if gpus is None else [name for name in gpus.split(",") if name],
        "log": log,
        "job": next((os.environ[name] for name in SCHEDULER_VARIABLES if name in os.environ), None),
    }


def note_failure(folder: Path, about: dict[str, Any], message: str) -> None:
    """Note how an attempt at a run failed."""
    path = failure_of(folder)
    with contextlib.suppress(OSError):
        write_json(path, about | {"message": message, "when": _now(), "attempts": _attempts(path) + 1})


def forget_failure(folder: Path) -> None:
    """The run is there: how earlier attempts failed is of no interest any more."""
    with contextlib.suppress(OSError):
        failure_of(folder).unlink(missing_ok=True)


def _attempts(path: Path) -> int:
    count = _read(path).get("attempts")
    return count if isinstance(count, int) else 0


class Noted:
    """A stream that also notes the last whole line that is written to it; for the holder of the run's lease."""

    def __init__(self, stream: TextIO, folder: Path) -> None:
        self.stream, self.path = stream, said_of(folder)
        self._begun, self._noted = "", 0.0

    def write(self, text: str) -> int:
        """Write, and note what was written."""
        *lines, self._begun = (self._begun + text).split("\n")
        lines = [line.strip() for line in lines if line.strip()]
        if lines and time.monotonic() - self._noted >= EVERY:
            self._noted = time.monotonic()
            with contextlib.suppress(OSError):
                self.path.write_text(f"{lines[-1]}\n", encoding="utf-8")
        return self.stream.write(text)

    def flush(self) -> None:
        """Pass on what was written."""
        self.stream.flush()

    def close(self) -> None:
        """The run has ended: what it said last is of no interest any more. The stream stays open."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


@dataclass(frozen=True)
class Attempt:
    """An attempt at a run, as far as the store tells: in progress (`failed` is None), or how it failed."""

    node: str
    gpus: list[str] | None
    log: str | None
    job: str | None
    since: str | None
    said: str | None = None
    process: int | None = None
    failed: str | None = None
    attempts: int = 1


def attempt_at(folder: Path, now: float | None = None) -> Attempt | None:
    """What is known of the last attempt at a run that is not in the store; None if nobody has begun it.

    A lease whose holder has ended, or has not been heard of, is an attempt that was ended from outside.
    now: the time, in seconds, by the clock of the store's file system.
    """
    path = lease_of(folder)
    told = _read(path)
    holder = holder_of(path)
    failure = _read(failure_of(folder))
    if holder is None:
        return _attempt(failure, failed=str(failure["message"])) if "message" in failure else None
    about = told.get("about")
    return _attempt(
        (about if isinstance(about, dict) else {}) | {"attempts": _attempts(failure_of(folder)) + 1},
        node=holder.host.split("/")[0],
        process=holder.process,
        said=_line(said_of(folder)),
        failed=_silence(holder, path, time.time() if now is None else now),
    )


def _silence(holder: Holder, path: Path, now: float) -> str | None:
    """Why a holder can't be at work any more; None if it may be."""
    if holder.is_dead():
        return (
            "ended from outside, as by a kill or when memory runs out; it continues from its last saved state"
        )
    try:
        quiet = now - path.stat().st_mtime
    except OSError:
        return None
    return f"not heard of for {quiet / 60:.0f} minutes" if quiet > SILENT else None


def _attempt(about: dict[str, Any], **known: Any) -> Attempt:
    def text(name: str) -> str | None:
        return about[name] if isinstance(about.get(name), str) else None

    gpus, attempts = about.get("gpus"), about.get("attempts")
    found: dict[str, Any] = {
        "node": text("node") or "?",
        "gpus": [str(name) for name in gpus] if isinstance(gpus, list) else None,
        "log": text("log"),
        "job": text("job"),
        "since": text("since"),
        "attempts": attempts if isinstance(attempts, int) else 1,
    }
    return Attempt(**found | known)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _line(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()[:500] or None
    except OSError:
        return None


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
