"""What a plan will cost, judged by the runs that are already there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from transfer_atlas.planning.plan import Plan
from transfer_atlas.planning.run import KINDS, Run
from transfer_atlas.planning.scores import SCORING
from transfer_atlas.store.store import FOLDERS, RUN_FILE

TITLES = {
    "prepared": "prepared datasets",
    "ilsvrc": "ILSVRC checkpoint",
    "source": "sources",
    "transfer": "transfers",
    "image_features": "image features",
    "features": "features of targets",
    "score": "scores",
}


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
    of its backbone; one that does not train, as long as the median of its layer.
    """
    present = {run.key: _record(run, store) for run in plan}
    speeds, fixed = _speeds(store)
    lines = [f"{'layer':<20}{'runs':>7}{'present':>9}{'missing':>9}   estimated time"]
    total, unknown = 0.0, False
    for kind in KINDS:
        runs = plan.of_kind(kind)
        if not runs and kind in SCORING:
            continue
        missing = [run for run in runs if not present[run.key]]
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
            f"{TITLES[kind]:<20}{len(runs):>7}{len(runs) - len(missing):>9}{len(missing):>9}   {shown}"
        )
    missing_count = sum(not record for record in present.values())
    count = len(plan.runs)
    shown = "-" if not missing_count else _total(total / workers, unknown)
    lines.append(f"{'all':<20}{count:>7}{count - missing_count:>9}{missing_count:>9}   {shown}")
    if missing_count and total:
        lines.append(f"estimated from finished runs in {store}, for {workers} runs at a time")
    return "\n".join(lines)


def regime_table(plan: Plan) -> str:
    """The transfers of a plan by regime: gains, that is transfers from a source, and baselines."""
    lines = [f"{'transfers by regime':<26}{'gains':>7}{'baselines':>11}"]
    transfers = [run.identity for run in plan.of_kind("transfer")]
    for regime in dict.fromkeys(each["regime"] for each in transfers):
        sources = [each["source"] for each in transfers if each["regime"] == regime]
        baselines = sum(source in ("ilsvrc", "scratch") for source in sources)
        lines.append(f"{regime:<26}{len(sources) - baselines:>7}{baselines:>11}")
    return "\n".join(lines)


def _record(run: Run, store: Path) -> bool:
    return (run.folder(store) / RUN_FILE).exists()


def _speeds(store: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Median seconds per training pixel by backbone, and median seconds of runs that do not train by kind."""
    by_backbone: dict[str, list[float]] = {}
    by_kind: dict[str, list[float]] = {}
    for kind, folder in FOLDERS.items():
        for path in sorted((store / folder).glob(f"*/*/{RUN_FILE}")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue  # a damaged record is refused where it is used; here it only gives no estimate
            if record["status"] != "finished":
                continue
            work = pixels(record["settings"])
            if work is None:
                by_kind.setdefault(kind, []).append(record["seconds"])
            else:
                by_backbone.setdefault(record["settings"]["backbone"]["name"], []).append(
                    record["seconds"] / work
                )
    return {k: median(v) for k, v in by_backbone.items()}, {k: median(v) for k, v in by_kind.items()}


def _guess(run: Run, speeds: dict[str, float], fixed: dict[str, float]) -> float | None:
    work = pixels(run.settings)
    if work is None:
        return fixed.get(run.kind)
    speed = speeds.get(run.settings["backbone"]["name"])
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
