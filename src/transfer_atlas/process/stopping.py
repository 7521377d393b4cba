"""Being asked to stop: a scheduler that takes a machine back sends SIGTERM some time before it kills.

A run that is asked finishes the step at hand, saves its state and ends; the next attempt goes on from there. A signal
belongs to the whole process, and so does what remembers it.
"""

from __future__ import annotations

import signal
import threading
from types import FrameType

from transfer_atlas.errors import AtlasError

_asked = threading.Event()


class StoppedError(AtlasError):
    """The run was asked to stop before its end. It is no failure: another attempt goes on."""


def heed() -> None:
    """From now on SIGTERM asks this process to stop when it can; a second one ends it. For the main thread."""
    _asked.clear()
    signal.signal(signal.SIGTERM, _ask)


def _ask(number: int, frame: FrameType | None) -> None:
    _asked.set()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def ask_to_stop() -> None:
    """As if SIGTERM had come, but that it makes no difference where it has."""
    _asked.set()


def asked() -> bool:
    """Whether this process was asked to stop."""
    return _asked.is_set()


def stop_if_asked(where: str) -> None:
    """Raises StoppedError if this process was asked to stop. where: what was being done, and what is kept of it."""
    if asked():
        raise StoppedError(
            f"it was asked to stop (SIGTERM) {where}. Finished runs are kept; run snakemake again, or leave it to its "
            "retries, and this one goes on from its last saved state."
        )
