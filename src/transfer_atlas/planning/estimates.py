"""What a plan will cost, judged by the runs that are already there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from transfer_atlas.planning.identity import BASELINES
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.presence import Presence
from transfer_atlas.planning.run import Run
from transfer_atlas.store.store import RUN_FILE


def pixels(settings: Mapping[str, Any]) -> float | None:
    """Training pixels a run goes through, which its time is proportional to; None if it does not train."""
    training = settings.get("training")
    if training is None:
        return None
    height, width = training["crop"]
    rates = len(settings.get("learning_rates", [None]))
    return float(training["steps"] * training["batch_size"] * height * width * rates)


def plan_table(plan: Plan, store: Path, workers: int) -> str:
    """The plan as text: layer, runs, present, missing, estimated time of what is missing.

    A missing run that trains is expected to take as long per pixel as the median of the present ones
    of its backbone; one that does not train, as long as the median of like runs: prepared datasets of the same adapter,
    features and scores of the same backbone.
    """
    there = Presence(store)
    present = {(run.kind, run.key): there(run) for run in plan}
    speeds, fixed = _speeds(store)
    lines = [f"{'layer':<20}{'runs':>7}{'present':>9}{'missing':>9}   estimated time"]
    total, unknown = 0.0, False
    for name, kind in KINDS.items():
        runs = plan.of_kind(name)
        if not runs and not kind.always_listed:
            continue
        missing = [run for run in runs if not present[run.kind, run.key]]
        guesses = [_guess(run, speeds, fixed) for run in missing]
        known = [guess for guess in guesses if guess is not None]
        unknown |= len(known) < len(guesses)
        total += sum(known)
        shown = (
            "-"
            if not missing
            else _duration(sum(known) / workers)
            if len(known) == len(guesses)
            else "not yet measured"
        )
        lines.append(
            f"{kind.title:<20}{len(runs):>7}{len(runs) - len(missing):>9}{len(missing):>9}   {shown}"
        )
    missing_count = sum(not each for each in present.values())
    count = len(plan.runs)
    shown = "-" if not missing_count else _total(total / workers, unknown)
    lines.append(f"{'all':<20}{count:>7}{count - missing_count:>9}{missing_count:>9}   {shown}")
    if missing_count and total:
        lines.append(f"estimated from finished runs in {store}, for {workers} runs at a time")
    return "\n".join(lines)


def regime_table(plan: Plan) -> str:
    """The transfers of a plan by regime: gains, that is transfers from a source, and baselines."""
    lines = [f"{'transfers by regime':<26}{'gains':>7}{'baselines':>11}"]
    transfers = plan.wanted_of("transfer")
    for regime in dict.fromkeys(each["regime"] for each in transfers):
        sources = [each["source"] for each in transfers if each["regime"] == regime]
        baselines = sum(source in BASELINES for source in sources)
        lines.append(f"{regime:<26}{len(sources) - baselines:>7}{baselines:>11}")
    return "\n".join(lines)


Like = tuple[str, str]  # kind, and what makes runs of a kind take alike times


def _like(kind: str, settings: Mapping[str, Any]) -> Like:
    """Which runs that do not train are judged by one another."""
    if kind == "prepared":
        return kind, settings["adapter"]["name"]
    return kind, str(settings.get("metric") or _network(kind, settings))


def _network(kind: str, settings: Mapping[str, Any]) -> str:
    """What makes training pixels of runs cost alike: the backbone; for AT/DT the kind with its encoder."""
    name = str(network_name(settings))
    return f"{kind} {name}" if "network" in settings else name


def network_name(settings: Mapping[str, Any]) -> str | None:
    """Name of a run's backbone, or of AT/DT's encoder; None if it has neither."""
    if "network" in settings:
        return settings["network"]["encoder"]
    return settings.get("backbone", {}).get("name")


def _speeds(store: Path) -> tuple[dict[str, float], dict[Like, float]]:
    """Median seconds per training pixel by backbone, and median seconds of runs that do not train by likeness."""
    by_backbone: dict[str, list[float]] = {}
    by_likeness: dict[Like, list[float]] = {}
    for name, kind in KINDS.items():
        for path in sorted((store / kind.folder).glob(f"*/*/{RUN_FILE}")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if record["status"] != "finished":
                    continue
                settings, seconds = record["settings"], float(record["seconds"])
                work = pixels(settings)
                if work is None:
                    by_likeness.setdefault(_like(name, settings), []).append(seconds)
                else:
                    by_backbone.setdefault(_network(name, settings), []).append(seconds / work)
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                continue  # a damaged record is refused where it is used; here it only gives no estimate
    return (
        {name: median(values) for name, values in by_backbone.items()},
        {like: median(values) for like, values in by_likeness.items()},
    )


def _guess(run: Run, speeds: Mapping[str, float], fixed: Mapping[Like, float]) -> float | None:
    work = pixels(run.settings)
    if work is None:
        return fixed.get(_like(run.kind, run.settings))
    speed = speeds.get(_network(run.kind, run.settings))
    return None if speed is None else work * speed


def _total(seconds: float, unknown: bool) -> str:
    if not unknown:
        return _duration(seconds)
    return f"more than {_duration(seconds)}" if seconds else "not yet measured"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def seconds_of(runs: list[Run], store: Path) -> list[float | None]:
    """Seconds that some runs are expected to take, judged by the runs in the store; None where nothing is like one."""
    speeds, fixed = _speeds(store)
    return [_guess(run, speeds, fixed) for run in runs]
