"""Where a study stands, as numbers and rows: gathered from the store alone, while it runs and afterwards."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transfer_atlas.planning.estimates import seconds_of
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.store.notices import Attempt, attempt_at
from transfer_atlas.store.store import StoreError, read_run

LINES = 8  # of the log of a failed run
LONGEST = 300  # characters of a line that is shown
DONE_OF = re.compile(r"\b(\d+) of (\d+)\b")  # as progress is said: `step 380 of 1000`
FILE_FORMAT = 1  # of what `--json` prints; goes up when a key changes its meaning


@dataclass(frozen=True)
class OfKind:
    """The runs of one kind: how many are how far, and the hours they took and may take yet.

    `done` counts all that are in the store, `without_result` those of them that ended with a status and a reason.
    `hours_left` is None where nothing like a missing run has been measured.
    """

    kind: str
    title: str
    runs: int
    done: int
    without_result: int
    running: int
    queued: int
    failed: int
    hours_spent: float
    hours_left: float | None


@dataclass(frozen=True)
class Running:
    """A run that is being computed. `share`: how much of it is done, where it says so."""

    kind: str
    name: str
    key: str
    attempt: Attempt
    share: float | None


@dataclass(frozen=True)
class Failed:
    """A run whose last attempt failed, with the last lines of its log as far as it can be read from here."""

    kind: str
    name: str
    key: str
    attempt: Attempt
    lines: list[str]


@dataclass(frozen=True)
class WithoutResult:
    """A run that ended with a reason in place of a result: it diverged, no class was present, its source failed."""

    kind: str
    name: str
    key: str
    status: str
    reason: str


@dataclass(frozen=True)
class Status:
    """Where a study stands."""

    study: str
    store: str
    kinds: list[OfKind]
    running: list[Running]
    failed: list[Failed]
    without_result: list[WithoutResult]
    damaged: list[str]

    @property
    def is_done(self) -> bool:
        """Whether every run is in the store."""
        return all(kind.done == kind.runs for kind in self.kinds)

    def as_values(self) -> dict[str, Any]:
        """All of it as plain built-ins, for machines."""
        return {"format": FILE_FORMAT, "is_done": self.is_done, **asdict(self)}


def status_of(flow: Workflow) -> Status:
    """Where a planned study stands now."""
    flow.present.forget()
    kinds, running, failed, without, damaged = [], [], [], [], []
    for name, kind in KINDS.items():
        runs = [run for run in flow.plan.runs if run.kind == name]
        if not runs:
            continue
        missing = [run for run in runs if not flow.present(run)]
        spent, ended = 0.0, 0
        for run in runs:
            if not flow.present(run):
                continue
            try:
                record = read_run(run.folder(flow.study.store))
            except StoreError as error:
                damaged.append(str(error))
                continue
            spent += _number(record.get("seconds"))
            if record.get("status") != "finished":
                ended += 1
                told = {key: str(record.get(key)) for key in ("status", "reason")}
                without.append(WithoutResult(name, run.name, run.key, **told))
        at_work, broken, left = _of_missing(missing, flow.study.store)
        running += at_work
        failed += broken
        kinds.append(
            OfKind(
                kind=name,
                title=kind.title,
                runs=len(runs),
                done=len(runs) - len(missing),
                without_result=ended,
                running=len(at_work),
                queued=len(missing) - len(at_work) - len(broken),
                failed=len(broken),
                hours_spent=spent / 3600,
                hours_left=None if left is None else left / 3600,
            )
        )
    return Status(flow.study.study, str(flow.study.store), kinds, running, failed, without, damaged)


def _of_missing(missing: list[Run], store: Path) -> tuple[list[Running], list[Failed], float | None]:
    """Those of the missing runs that are at work or failed, and the seconds that all of them will take yet."""
    at_work: list[Running] = []
    broken: list[Failed] = []
    left: float | None = 0.0
    for run, seconds in zip(missing, seconds_of(missing, store) if missing else [], strict=True):
        attempt = attempt_at(run.folder(store))
        share = _share(attempt.said) if attempt is not None else None
        if attempt is not None and attempt.failed is None:
            at_work.append(Running(run.kind, run.name, run.key, attempt, share))
        elif attempt is not None:
            broken.append(Failed(run.kind, run.name, run.key, attempt, last_lines(attempt.log)))
        left = None if left is None or seconds is None else left + seconds * (1 - (share or 0.0))
    return at_work, broken, left


def _share(said: str | None) -> float | None:
    """How much of a run is done, by what it said last."""
    match = DONE_OF.search(said or "")
    done, total = map(int, match.groups()) if match else (0, 0)
    return min(1.0, done / total) if total else None


def last_lines(log: str | None, count: int = LINES) -> list[str]:
    """The last lines of a log that are not empty; none where it can't be read from here."""
    if log is None:
        return []
    try:
        with Path(log).open("rb") as file:
            file.seek(max(0, Path(log).stat().st_size - 64 * 1024))  # a log may be long
            text = file.read(64 * 1024).decode("utf-8", errors="replace")
    except (OSError, ValueError):
        return []
    return list(deque((line[:LONGEST] for line in text.splitlines() if line.strip()), maxlen=count))


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and value == value and value >= 0 else 0.0
