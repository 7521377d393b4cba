"""Learning rates over the steps of a training: stepwise and poly (paper, section 4.3)."""

from __future__ import annotations

from transfer_atlas.training.settings import PolySchedule, StepSchedule


def learning_rate_at(step: int, *, steps: int, start: float, schedule: StepSchedule | PolySchedule) -> float:
    """The learning rate of step `step` in 0..steps-1.

    Stepwise: start * factor^(number of drops passed). Poly: start * (1 - step / steps)^power.
    """
    if isinstance(schedule, PolySchedule):
        return start * (1 - step / steps) ** schedule.power
    return start * schedule.factor ** sum(step >= fraction * steps for fraction in schedule.drop_at)
