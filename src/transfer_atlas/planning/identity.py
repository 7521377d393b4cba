"""What a plan wants a run for: the factors of a transfer or a score, apart from the key that names the result.

Several identities may share one run, as two regimes with the same images do. Tables take identities from the plan,
never from a run.json, which may have been made for another study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transfer_atlas.planning.run import Run

# The factors of a transfer, in the order in which tables name them.
FACTORS = ("source", "target", "regime", "seed", "method")
PAIR = ("source", "target", "regime")  # what a score is of, beside its metric
PLAIN = "plain"  # the method of a transfer that is nothing but fine-tuning


@dataclass(frozen=True)
class Wanted:
    """An identity, factor by factor, and the run that gives it its result."""

    run: Run
    identity: dict[str, Any]

    def __getitem__(self, factor: str) -> Any:
        return self.identity[factor]

    @property
    def names(self) -> tuple[Any, ...]:
        """The values of its factors, as one hashable value."""
        return (self.run.kind, *self.identity.values())


def wanted(run: Run, **identity: Any) -> Wanted:
    """An identity given by its factors; those of a transfer stand in the order of FACTORS."""
    order = [name for name in FACTORS if name in identity]
    order += [name for name in identity if name not in FACTORS]
    return Wanted(run, {name: identity[name] for name in order})
