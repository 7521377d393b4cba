"""Learning rates over the steps of a training: stepwise and poly (paper, section 4.3), cosine, and warm-up."""

from __future__ import annotations

import math

from transfer_atlas.training.settings import CosineSchedule, PolySchedule, StepSchedule


def learning_rate_at(
    step: int,
    *,
    steps: int,
    start: float,
    schedule: StepSchedule | PolySchedule | CosineSchedule,
    warm_up: int = 0,
) -> float:
    """The learning rate of step `step` in 0..steps-1.

    Stepwise: start * factor^(number of drops passed). Poly: start * (1 - step / steps)^power. Cosine: from start to
    its share `final` along half a cosine. In the first `warm_up` steps it is (step + 1) / (warm_up + 1) of that.
    """
    rising = min(1.0, (step + 1) / (warm_up + 1))
    if isinstance(schedule, PolySchedule):
        return rising * start * (1 - step / steps) ** schedule.power
    if isinstance(schedule, CosineSchedule):
        share = (1 + math.cos(math.pi * step / steps)) / 2
        return rising * start * (schedule.final + (1 - schedule.final) * share)
    return rising * start * schedule.factor ** sum(step >= fraction * steps for fraction in schedule.drop_at)
