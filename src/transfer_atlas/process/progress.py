"""Progress of a long run: a line now and then, for people; library chatter goes to the run's log."""

from __future__ import annotations

import time
from typing import TextIO


class Progress:
    """Prints where a run stands, at most every `every` seconds: step, loss, time left."""

    def __init__(self, name: str, total: int, stream: TextIO, every: float = 15.0) -> None:
        """total: steps of the whole run, over all its learning rates."""
        self.name, self.total, self.stream, self.every = name, total, stream, every
        self.began = self.shown = time.monotonic()
        self.done = self.skipped = 0
        self.seen = False

    def skip(self, steps: int) -> None:
        """Steps that an earlier, interrupted attempt has already done."""
        self.done += steps
        self.skipped += steps

    def show(self, done: int, what: str) -> None:
        """Say that `done` steps of the total are done. Speed is judged from the first call on: before it, a run
        may have been taken up where an earlier attempt left it.
        """
        self.done = done
        now = time.monotonic()
        if not self.seen:
            self.seen, self.began, self.skipped = True, now, done
        if now - self.shown < self.every:
            return
        self.shown = now
        speed = (done - self.skipped) / max(now - self.began, 1e-9)
        left = f", {(self.total - done) / speed:.0f} s left" if speed > 0 else ""
        print(f"  {self.name}: step {done} of {self.total}, {what}{left}", file=self.stream, flush=True)
