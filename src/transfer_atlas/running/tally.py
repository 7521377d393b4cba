"""One line for each finished run: what it was, what came out, runs done of how many, and time left for them all.

The workflow writes a file when it starts: what is to be done. Every job appends the seconds of its runs. Time left is
judged by like runs, in proportion to their work (`planning/estimates.py`).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from transfer_atlas.planning.estimates import Work, duration, work_of
from transfer_atlas.planning.run import Run

TALLY_VARIABLE = "TRANSFER_ATLAS_TALLY"  # path of the file, for the jobs of this workflow


def begin(path: Path, runs: Iterable[Run], workers: int) -> None:
    """Say what is to be done: runs by key, each with what makes it like others and its work; `workers` at a time."""
    asked = {run.key: work_of(run.kind, run.settings) for run in runs}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"asked": asked, "workers": workers}) + "\n", encoding="utf-8")


def count(path: Path, finished: Mapping[str, float]) -> str:
    """Add finished runs (seconds by key), and say how many are done and how long the others will take.

    Empty where the file is not there or not readable: whoever tells progress never fails a run.
    """
    try:
        with path.open("a", encoding="utf-8") as file:  # one short write: lines of several jobs do not mix
            file.write(json.dumps(dict(finished)) + "\n")
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        begun = json.loads(first)
        done = {key: seconds for line in lines for key, seconds in json.loads(line).items()}
        return _told(begun["asked"], done, begun["workers"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _told(asked: Mapping[str, Work], done: Mapping[str, float], workers: int) -> str:
    rates: dict[str, list[float]] = {}
    for key, seconds in done.items():
        if key in asked:
            group, work = asked[key]
            rates.setdefault(group, []).append(seconds / work)
    left = {key: work for key, work in asked.items() if key not in done}
    told = f"{len(asked) - len(left)} of {len(asked)} runs"
    if not left:
        return told
    known = [median(rates[group]) * work for group, work in left.values() if group in rates]
    if not known:
        return told
    more = "" if len(known) == len(left) else "more than "
    return f"{told}, {more}{duration(sum(known) / workers)} left"


def finished_line(
    what: str, record: Mapping[str, Any], baseline: Mapping[str, Any] | None, counted: str
) -> str:
    """What a finished run is told as: its metric, its gain over the baseline if that is there, seconds."""
    parts = [_result(record, baseline), f"{record['seconds']:.0f} s"]
    told = ", ".join(filter(None, parts))
    return f"  {what}: {told}" + (f"  [{counted}]" if counted else "")


def _result(record: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> str:
    if record["status"] != "finished":
        return f"{record['status'].replace('_', ' ')} ({record['reason']})"
    metrics = record.get("metrics") or {}
    if metrics.get("primary") is None:
        return ""
    value = metrics["value"]
    told = f"{metrics['primary'].replace('_', ' ')} {value:.3g}"
    of_baseline = ((baseline or {}).get("metrics") or {}).get("value")
    if of_baseline:
        gain = 100.0 * (value / of_baseline - 1.0)
        told += f" ({gain if metrics['higher_is_better'] else -gain:+.1f} %)"
    return told


def tally_of_workflow() -> Path | None:
    """The file of the workflow that started this process, if there is one on this machine."""
    path = os.environ.get(TALLY_VARIABLE)
    return Path(path) if path else None


def fresh_path(folder: Path) -> Path:
    """A file of one workflow's own; those of workflows that began more than a week ago go."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("tally-*.jsonl"):
        if time.time() - old.stat().st_mtime > 7 * 86400:
            old.unlink(missing_ok=True)
    return (folder / f"tally-{os.getpid()}.jsonl").absolute()
