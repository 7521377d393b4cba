"""Fine-tunes the most promising candidates within a budget of time: trials of a quarter of the steps, then the best.

The rules by which it stops early:

1. ILSVRC is always tried, then candidates in the order of the recommendation, as long as the budget leaves time for the
   complete runs that are to come: of ILSVRC, of the best source, and of the model that is kept. The first source
   is tried
   in any case.
2. Of each, only the learning rate that was best in the trial goes on.
3. A source whose trial was more than a tenth worse than that of ILSVRC is given up; of the others the best goes on,
   and then the next ones while there is time.

Every trial and complete run is an ordinary run of the store: asked for again, it is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.store.store import RUN_FILE, read_run

ILSVRC = "ilsvrc"
WORSE = 0.1  # of ILSVRC's result in the trial: a source that far below it is given up
Carry = Callable[[dict[str, Any], TextIO], Any]


@dataclass
class Tried:
    """What became of one candidate: results are those of the primary metric, None where a run failed.

    seconds: of its trial; folder: of its complete run; fate: in words.
    """

    source: str
    trial: float | None = None
    rate: str | None = None
    seconds: float = 0.0
    complete: float | None = None
    folder: str | None = None
    fate: str = ""


@dataclass
class Started:
    """All candidates that were tried, in their order; `kept`, the folder of the best model; seconds that it all
    took.
    """

    tried: dict[str, Tried] = field(default_factory=dict)
    best: str | None = None
    kept: str | None = None
    seconds: float = 0.0
    higher_is_better: bool = True


def start(
    facts: Mapping[str, Any],
    order: Sequence[str],
    terminal: TextIO,
    carry_out: Carry,
    clock: Callable[[], float] = time.monotonic,
) -> Started:
    """Try, complete and keep within `facts["budget"]` seconds.

    Parameters
    ----------
    facts
        As `planning/start.py` makes them.
    order
        Candidates from the most promising; ILSVRC may be among them.
    carry_out
        Carries out one request, which may be there already (`execute`).
    """
    begin = clock()
    found = Started()
    candidates, budget = facts["candidates"], facts["budget"]

    def left() -> float:
        return budget - (clock() - begin)

    def say(words: str) -> None:
        print(f"  {words}", file=terminal, flush=True)

    def carry(request: dict[str, Any]) -> dict[str, Any]:
        carry_out(request, terminal)
        return read_run(Path(request["folder"]))

    def try_out(source: str) -> Tried:
        asked = candidates[source]
        for request in asked["before"]:
            if not (Path(request["folder"]) / RUN_FILE).exists():
                carry(request)
        record = carry(asked["trial"])
        tried = Tried(source, seconds=float(record["seconds"]))
        tried.trial, higher = _result(record)
        if higher is not None:
            found.higher_is_better = higher
        if tried.trial is None:
            tried.fate = f"its trial {record['status']}: {record['reason']}"
        else:
            tried.rate = repr(record["metrics"]["best_learning_rate"])
            say(
                f"trial of {source}: {tried.trial:.4g} at rate {tried.rate}, {tried.seconds:.0f} s, {left():.0f} s left"
            )
        found.tried[source] = tried
        return tried

    def finish(source: str) -> None:
        tried = found.tried[source]
        if tried.rate is None:
            return
        request = candidates[source]["complete"][tried.rate]
        record = carry(request)
        tried.complete, _ = _result(record)
        tried.folder, tried.fate = request["folder"], "completed"
        if tried.complete is None:
            tried.fate = f"its complete run {record['status']}: {record['reason']}"
        else:
            say(f"complete run of {source}: {tried.complete:.4g}, {left():.0f} s left")

    sources = [name for name in order if name != ILSVRC and name in candidates]
    baseline = try_out(ILSVRC)
    rates = max(1, len(candidates[ILSVRC]["complete"]))
    complete = (
        baseline.seconds * _longer(candidates[ILSVRC]) / rates
    )  # of one rate, judged by the trial of all
    for number, source in enumerate(sources):
        if number and left() < baseline.seconds + 3 * complete:
            break
        try_out(source)
    finish(ILSVRC)
    hopeful = _hopeful(found)
    for number, source in enumerate(hopeful):
        if number and left() < 2 * complete:
            found.tried[source].fate = "given up: no time was left"
            continue
        finish(source)
    done = [tried for tried in found.tried.values() if tried.complete is not None]
    if done:
        best = max(done, key=lambda tried: _better(tried.complete, found.higher_is_better))
        assert best.rate is not None
        kept = candidates[best.source]["kept"][best.rate]
        carry(kept)
        found.best, found.kept = best.source, kept["folder"]
    found.seconds = clock() - begin
    return found


def _longer(candidate: Mapping[str, Any]) -> float:
    """How many times longer a complete run is than a trial, at one rate."""
    steps = [
        run["settings"]["training"]["steps"] for run in (*candidate["complete"].values(), candidate["trial"])
    ]
    return steps[0] / steps[-1]


def _hopeful(found: Started) -> list[str]:
    """Sources that go on, the best trial first; the others are told why not."""
    baseline = found.tried[ILSVRC].trial
    going = []
    for source, tried in found.tried.items():
        if source == ILSVRC or tried.trial is None:
            continue
        allowed = (
            None if baseline is None else baseline * (1 - WORSE if found.higher_is_better else 1 + WORSE)
        )
        worse = allowed is not None and (
            tried.trial < allowed if found.higher_is_better else tried.trial > allowed
        )
        if worse:
            tried.fate = f"given up: its trial was more than {WORSE:.0%} worse than that of ILSVRC"
        else:
            going.append(source)
    return sorted(going, key=lambda name: -_better(found.tried[name].trial, found.higher_is_better))


def _better(value: float | None, higher_is_better: bool) -> float:
    if value is None:
        return float("-inf")
    return value if higher_is_better else -value


def _result(record: Mapping[str, Any]) -> tuple[float | None, bool | None]:
    """Primary metric of a transfer and its direction; None where it has no result."""
    if record["status"] != "finished":
        return None, None
    metrics = record["metrics"]
    return float(metrics["value"]), bool(metrics["higher_is_better"])
