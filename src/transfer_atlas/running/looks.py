"""When to look again what became of jobs that were sent to a cluster."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

SHARE = 0.1  # of the time that was waited already
LONGEST = 180.0  # seconds between two looks


@dataclass
class Looks:
    """Pauses between looks: a tenth of the time since jobs came or went, at least `first` seconds, at most LONGEST.

    So a job of seconds is noticed within seconds, a job of hours within minutes, and whatever a job takes, not knowing
    of its end adds a tenth to it.
    """

    first: float
    _jobs: Set[str] = field(default_factory=frozenset)
    _since: float = 0.0

    def pause(self, jobs: Set[str], now: float) -> float:
        """Seconds until the next look. jobs: what is still out; now: seconds of a clock."""
        if jobs != self._jobs:
            self._jobs, self._since = frozenset(jobs), now
        return max(self.first, min(LONGEST, SHARE * (now - self._since)))
