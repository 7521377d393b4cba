"""What a plan will cost in time and on disk, judged by the runs that are there, or by a probe of the backbone."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.presence import Presence
from transfer_atlas.planning.run import Run
from transfer_atlas.store.store import RUN_FILE
from transfer_atlas.study.task import BASELINES

if TYPE_CHECKING:  # every job imports this, and plans nothing
    from transfer_atlas.planning.plan import Plan

# What makes runs alike, and the amount of work by which their times are compared.
Work = tuple[str, float]


# What reading and judging a run.json that anybody may have written can come to.
NO_RECORD = (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError, RecursionError)
LARGEST = 1e18  # seconds, bytes, pixels: more is nonsense, and would spoil all that is calculated with it
LONGEST_DEVICE = 100  # characters of a device's name: makers need about forty


def plausible(value: Any, least: float = 0.0) -> float:
    """A number that a finished run may have taken. Raises ValueError for others, be they infinite or negative."""
    number = float(value)
    if not least <= number <= LARGEST:
        raise ValueError(f"{value} is no number of seconds, bytes or pixels")
    return number


def pixels(settings: Mapping[str, Any]) -> float | None:
    """Training pixels a run goes through, which its time is proportional to; None if it does not train."""
    training = settings.get("training")
    if training is None:
        return None
    height, width = training["crop"]
    rates = len(settings.get("learning_rates", [None]))
    return math.prod(map(float, (training["steps"], training["batch_size"], height, width, rates)))


def work_of(kind: str, settings: Mapping[str, Any]) -> Work:
    """What makes a run like others, and its work.

    Runs that train are alike by backbone, their work is training pixels; rendered datasets are alike, their work is
    rendered pixels; features are alike by backbone, their work is pixels looked at, where the number of images is
    known. Others count as one each: prepared datasets by adapter, scores by metric.
    """
    training = pixels(settings)
    if training is not None:
        return f"training/{_network(kind, settings)}", training
    if kind == "prepared":
        adapter = settings["adapter"]
        images = [adapter.get(name) for name in ("n_train", "n_val")]
        if adapter["name"] == "miniature" and None not in images:
            return "prepared/miniature", float(sum(images)) * float(adapter["image_size"]) ** 2
        return f"prepared/{adapter['name']}/whole", 1.0
    name = str(settings.get("metric") or _network(kind, settings))
    if settings.get("images") is not None and "resolution" in settings:
        height, width = settings["resolution"]
        return f"{kind}/{name}", math.prod(map(float, (settings["images"], height, width)))
    return f"{kind}/{name}/whole", 1.0


@dataclass
class Measured:
    """What finished runs took: seconds per unit of work, bytes, and whether on a GPU, by what makes them alike."""

    seconds: dict[str, float] = field(default_factory=dict)
    bytes: dict[str, float] = field(default_factory=dict)
    device: str = ""
    probed: dict[str, float] = field(default_factory=dict)  # as `seconds`, where nothing has finished

    def guess(self, run: Run) -> float | None:
        """Seconds of a run; None where nothing like it has finished or was probed."""
        alike, work = work_of(run.kind, run.settings)
        rate = self.seconds.get(alike, self.probed.get(alike))
        return None if rate is None else rate * work

    def size(self, run: Run) -> float | None:
        """Bytes of a run's files; None where nothing like it has finished."""
        return self.bytes.get(_alike_in_size(run.kind, run.settings))


def measured(store: Path, probed: Mapping[str, float] | None = None) -> Measured:
    """Medians over the finished runs of a store. probed: seconds per training pixel by backbone."""
    seconds: dict[str, list[float]] = {}
    sizes: dict[str, list[float]] = {}
    devices: dict[str, int] = {}
    for name, kind in KINDS.items():
        for path in sorted((store / kind.folder).glob(f"*/*/{RUN_FILE}")):
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
                if record["status"] != "finished":
                    continue
                settings = record["settings"]
                alike, work = work_of(name, settings)
                alike_in_size = _alike_in_size(name, settings)
                rate = plausible(record["seconds"]) / plausible(work, least=1.0)
                held = sum(plausible(each["bytes"]) for each in (record.get("files") or {}).values())
                held += path.stat().st_size
            except NO_RECORD:
                continue  # a damaged record is refused where it is used; here it only gives no estimate
            seconds.setdefault(alike, []).append(rate)
            sizes.setdefault(alike_in_size, []).append(held)
            if kind.uses_torch:
                device = record.get("device")
                if isinstance(device, str) and 0 < len(device) <= LONGEST_DEVICE and device.isprintable():
                    devices[device] = devices.get(device, 0) + 1
    return Measured(
        {alike: median(values) for alike, values in seconds.items()},
        {alike: median(values) for alike, values in sizes.items()},
        max(devices, key=lambda device: devices[device], default=""),
        {f"training/{name}": rate for name, rate in (probed or {}).items()},
    )


def unmeasured_backbones(known: Measured, missing: Iterable[Run]) -> dict[str, dict[str, Any]]:
    """Backbones of missing runs that train, of which nothing has finished: their settings, the side of their crops, and
    the size of their batches."""
    found: dict[str, dict[str, Any]] = {}
    for run in missing:
        alike, _ = work_of(run.kind, run.settings)
        if alike.startswith("training/") and "backbone" in run.settings and alike not in known.seconds:
            training = run.settings["training"]
            asked = {"backbone": run.settings["backbone"], "side": min(training["crop"])}
            found.setdefault(alike.removeprefix("training/"), asked | {"batch": training["batch_size"]})
    return found


def plan_table(
    plan: Plan, store: Path, workers: int, probed: Mapping[str, float] | None = None, where: str = ""
) -> str:
    """The plan as text: layer, runs, present, missing, estimated time; then hours and disk of all that is missing.

    Times are those of like runs in the store, in proportion to their work (`work_of`). probed: seconds per training
    pixel of backbones of which none has finished, measured on the device `where`.
    """
    there, known = Presence(store), measured(store, probed)
    lines = [f"{'layer':<20}{'runs':>7}{'present':>9}{'missing':>9}   estimated time"]
    lacking = [run for run in plan if not there(run)]
    for name, kind in KINDS.items():
        runs = plan.of_kind(name)
        if not runs and not kind.always_listed:
            continue
        missing = [run for run in lacking if run.kind == name]
        time, unknown = _sum(map(known.guess, missing))
        shown = "-" if not missing else "not yet measured" if unknown else duration(time / workers)
        lines.append(_line(kind.title, len(runs), len(missing), shown))
    time, unknown = _sum(map(known.guess, lacking))
    shown = "-" if not lacking else _at_least(duration(time / workers) if time else "", unknown)
    lines.append(_line("all", len(plan.runs), len(lacking), shown))
    if lacking and time:
        lines += ["", f"estimated from finished runs in {store}, for {workers} runs at a time"]
        lines += _further(known, lacking, where)
    return "\n".join(lines)


def _line(title: str, runs: int, missing: int, shown: str) -> str:
    return f"{title:<20}{runs:>7}{runs - missing:>9}{missing:>9}   {shown}"


def _further(known: Measured, missing: list[Run], where: str) -> Iterator[str]:
    """What was probed, the hours of training and scoring, the disk."""
    if known.probed:
        names = ", ".join(sorted(name.removeprefix("training/") for name in known.probed))
        yield f"no run with {names} has finished: three steps were tried, on {where}, without reading images"
    device = where or known.device or "cpu"
    unit = "processor hours" if device.startswith("cpu") else "GPU hours"
    hours, unknown = _sum(known.guess(run) for run in missing if run.described.uses_torch)
    if hours:
        yield f"training and scoring: {_at_least(f'{hours / 3600:.2g}', unknown)} {unit} ({device})"
    held, unknown = _sum(map(known.size, missing))
    if held:
        yield f"disk: {_at_least(storage(held), unknown)}"


def _sum(guesses: Iterable[float | None]) -> tuple[float, bool]:
    """The sum of what is known, and whether something is not."""
    found = list(guesses)
    return sum(guess for guess in found if guess is not None), None in found


def _at_least(words: str, unknown: bool) -> str:
    return words if not unknown else f"more than {words}" if words else "not yet measured"


def regime_table(plan: Plan) -> str:
    """The transfers of a plan by regime: gains, that is transfers from a source, and baselines."""
    lines = [f"{'transfers by regime':<26}{'gains':>7}{'baselines':>11}"]
    transfers = plan.wanted_of("transfer")
    for regime in dict.fromkeys(each["regime"] for each in transfers):
        sources = [each["source"] for each in transfers if each["regime"] == regime]
        baselines = sum(source in BASELINES for source in sources)
        lines.append(f"{regime:<26}{len(sources) - baselines:>7}{baselines:>11}")
    return "\n".join(lines)


def _alike_in_size(kind: str, settings: Mapping[str, Any]) -> str:
    """What makes the files of runs of one size: a backbone's weights, an adapter's datasets."""
    if kind == "prepared":
        return work_of(kind, settings)[0]
    return f"{kind}/{network_of(settings)}"


def _network(kind: str, settings: Mapping[str, Any]) -> str:
    """What makes training pixels of runs cost alike: the backbone; for AT/DT the kind with its encoder."""
    name = str(network_of(settings))
    return f"{kind} {name}" if "network" in settings else name


def network_of(settings: Mapping[str, Any]) -> str | None:
    """What makes networks of runs alike: the name, and the width where channels are scaled (unet at width 0.125)."""
    width = settings.get("backbone", {}).get("width", 1.0)
    name = network_name(settings)
    return name if name is None or width == 1.0 else f"{name} at width {width:g}"


def network_name(settings: Mapping[str, Any]) -> str | None:
    """Name of a run's backbone, or of AT/DT's encoder; None if it has neither."""
    if "network" in settings:
        return settings["network"]["encoder"]
    return settings.get("backbone", {}).get("name")


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def seconds_of(runs: list[Run], store: Path) -> list[float | None]:
    """Seconds that some runs are expected to take, judged by the runs in the store; None where nothing is like one."""
    return list(map(measured(store).guess, runs))


def storage(amount: float) -> str:
    """Bytes as people say them."""
    for size, unit in ((1e9, "GB"), (1e6, "MB")):
        if amount >= size:
            return f"{amount / size:.1f} {unit}"
    return f"{amount / 1e3:.0f} kB"
