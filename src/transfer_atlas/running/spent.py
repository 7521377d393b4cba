"""How long a run has taken, over all its attempts: an interrupted one leaves its seconds in the scratch folder."""

from __future__ import annotations

import contextlib
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from transfer_atlas.store.files import write_json

FILE = "spent.json"
FINISHED = "rate-*.json"  # of learning rates that are done, each with its own seconds: a kill takes nothing from them
EVERY = 15.0  # seconds between two notes: what a kill loses at most


@contextlib.contextmanager
def counted(scratch: Path, every: float = EVERY) -> Iterator[Callable[[], float]]:
    """While this lasts, note in `scratch` how many seconds its run has taken; yields what tells them.

    Attempts before this one are counted, up to their last note, so that a run states its whole cost: what it costs is
    what other runs are planned by.
    """
    path, began = scratch / FILE, time.monotonic()
    earlier = max(_noted(path), sum(_noted(rate) for rate in scratch.glob(FINISHED)))
    over = threading.Event()

    def seconds() -> float:
        return round(earlier + time.monotonic() - began, 3)

    def note() -> None:
        with contextlib.suppress(OSError):  # a full disk: the run itself will say so
            write_json(path, {"seconds": seconds()})

    def keep() -> None:
        while not over.wait(every):
            note()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    ended = False
    try:
        yield seconds
        ended = True  # the record says it, and the scratch folder goes
    finally:
        over.set()
        keeper.join()
        if not ended:
            note()


def _noted(path: Path) -> float:
    try:
        found = float(json.loads(path.read_text(encoding="utf-8"))["seconds"])
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        OverflowError,
    ):  # none, or damaged: a number for people is lost
        return 0.0
    return found if math.isfinite(found) and found > 0 else 0.0
