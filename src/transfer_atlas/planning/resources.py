"""What a run's job asks a scheduler for: host memory, time and processor cores.

By kind, backbone, batch and crop. Where runs like it are in the store, by what they took; else by counting: operations
and activations of a training pixel, as they were counted for the shipped backbones. Both with room to spare, since a
job that asks for too little is ended and repeated with more; what is asked for too much only makes it wait longer.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

from transfer_atlas.planning.estimates import NO_RECORD, network_name, network_of, pixels, plausible
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.run import Run
from transfer_atlas.store.store import RUN_FILE


@dataclass(frozen=True)
class Backbone:
    """What a backbone costs for each pixel of an image: operations of a forward pass, bytes kept for the backward one.

    Counted: docs/performance.md has the operations, `training.memory.activation_bytes` the bytes in float32.
    """

    operations: float
    activation_bytes: float


BACKBONES = {
    "hrnet_tiny": Backbone(3_900, 180),
    "tf_efficientnet_lite0": Backbone(14_500, 1_580),
    "hrnet_w48": Backbone(645_000, 4_150),
}
UNKNOWN = BACKBONES["hrnet_w48"]  # a backbone that was not counted is taken for the largest that was

# Operations a second that a run is expected to reach at least: an older data-centre GPU, one core of a processor.
SPEED = {"gpu float32": 4e12, "gpu bfloat16": 2e13, "cpu": 4e9}
OPERATIONS_OF_A_STEP = 3  # forward, and twice as many backward
ROOM_IN_TIME = 2.0  # times what like runs took: machines differ, and disks are shared
ROOM_IN_MEMORY = 1.3
ROUND_MINUTES = 5
ROUND_MEMORY = 500  # MB
IMAGES_AHEAD = 8  # batches that are decoded and ready, or nearly so
READ_BY_A_CORE = 2_000_000  # pixels of a batch that one core decodes and augments while a GPU computes
MOST_READING_CORES = 7
MB = 2**20


@dataclass(frozen=True)
class Taken:
    """What a finished run took: seconds, its work in training pixels (None: it did not train), bytes of host memory."""

    like: tuple[str, str, bool]
    seconds: float
    work: float | None
    batch: float
    memory: float


class Experience:
    """What finished runs took, by kind, backbone or adapter or metric, and whether on a GPU."""

    def __init__(self, taken: Iterable[Taken] = ()) -> None:
        self._by_likeness: dict[tuple[str, str, bool], list[Taken]] = {}
        for each in taken:
            self._by_likeness.setdefault(each.like, []).append(each)

    @classmethod
    def of_store(cls, store: Path) -> Experience:
        """That of all runs in a store; records that are damaged tell nothing here."""
        return cls(filter(None, map(_taken, sorted(Path(store).glob(f"[!.]*/*/*/{RUN_FILE}")))))

    def seconds(self, run: Run, on_gpu: bool) -> float | None:
        """Seconds that nine of ten runs like one would not exceed; None if there are none."""
        work = pixels(run.settings)
        known = self._by_likeness.get(_likeness(run.kind, run.settings, on_gpu), [])
        found = [each.seconds * (work / each.work if work and each.work else 1.0) for each in known]
        return _upper(found)

    def memory(self, run: Run, on_gpu: bool) -> float | None:
        """Bytes of host memory that nine of ten runs like one would not exceed, larger for a larger batch."""
        known = self._by_likeness.get(_likeness(run.kind, run.settings, on_gpu), [])
        batch = batch_pixels(run.settings)
        return _upper([each.memory * max(1.0, batch / each.batch if each.batch else 1.0) for each in known])


def memory_mb(run: Run, experience: Experience, *, on_gpu: bool) -> int:
    """Host memory for the first attempt at a run, in MB, in steps of ROUND_MEMORY."""
    kind = KINDS[run.kind]
    known = experience.memory(run, on_gpu)
    if known is not None:
        needed = known / MB * ROOM_IN_MEMORY
    else:
        needed = kind.memory_mb + _training_bytes(run.settings, on_gpu) / MB
    return max(kind.least_memory_mb, _rounded(needed, ROUND_MEMORY))


def minutes(run: Run, experience: Experience, *, on_gpu: bool) -> int:
    """Time for the first attempt at a run, in minutes, in steps of ROUND_MINUTES."""
    known = experience.seconds(run, on_gpu)
    if known is not None:
        return _rounded(known * ROOM_IN_TIME / 60, ROUND_MINUTES) + ROUND_MINUTES
    return _rounded(KINDS[run.kind].minutes + _training_seconds(run.settings, on_gpu) / 60, ROUND_MINUTES)


def cores(run: Run, threads: int, *, on_gpu: bool) -> int:
    """Processor cores of a run: its threads, and where a GPU computes, cores that decode and augment what it eats."""
    if not on_gpu:
        return threads
    reading = math.ceil(batch_pixels(run.settings) / READ_BY_A_CORE)
    return threads + min(MOST_READING_CORES, max(1, reading))


def batch_pixels(settings: Mapping[str, Any]) -> float:
    """Pixels of a batch of a run that trains; 0 for one that does not."""
    training = settings.get("training")
    if training is None:
        return 0.0
    height, width = training["crop"]
    return math.prod(map(float, (training["batch_size"], height, width)))


def _training_seconds(settings: Mapping[str, Any], on_gpu: bool) -> float:
    work = pixels(settings)
    if work is None:
        return 0.0
    speed = SPEED[f"gpu {settings['training']['precision']}"] if on_gpu else SPEED["cpu"]
    return work * _backbone(settings).operations * OPERATIONS_OF_A_STEP / speed


def _training_bytes(settings: Mapping[str, Any], on_gpu: bool) -> float:
    """Batches that are ready, as float32 with their annotation; without a GPU the activations of one as well."""
    batch = batch_pixels(settings)
    if not batch:
        return 0.0
    ready = IMAGES_AHEAD * batch * 4 * 4
    parts = settings["training"].get("accumulation", 1)
    return ready if on_gpu else ready + batch * _backbone(settings).activation_bytes / parts


def _backbone(settings: Mapping[str, Any]) -> Backbone:
    return BACKBONES.get(network_name(settings) or "", UNKNOWN)


def _likeness(kind: str, settings: Mapping[str, Any], on_gpu: bool) -> tuple[str, str, bool]:
    if kind == "prepared":
        return kind, str(settings["adapter"]["name"]), False
    return kind, str(settings.get("metric") or network_of(settings)), on_gpu


def _taken(path: Path) -> Taken | None:
    """What the run of a run.json took; None if it did not finish, or the file does not say."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["status"] != "finished":
            return None
        settings = record["settings"]
        work = pixels(settings)
        return Taken(
            _likeness(str(record["kind"]), settings, not record["device"].startswith("cpu")),
            plausible(record["seconds"]),
            None if work is None else plausible(work, least=1.0),
            0.0 if work is None else plausible(batch_pixels(settings), least=1.0),
            plausible(record["peak_memory_host_bytes"]),
        )
    except NO_RECORD:
        return None


def _upper(values: list[float]) -> float | None:
    """The ninth decile; the largest of fewer than ten."""
    if len(values) < 10:
        return max(values, default=None)
    return quantiles(values, n=10)[-1]


def _rounded(value: float, step: int) -> int:
    return math.ceil(value / step) * step
