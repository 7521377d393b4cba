"""One measurable part of a finding: statement, statistic, estimate, and whether it holds."""

from __future__ import annotations

import math
from typing import Any

from transfer_atlas.analysis.findings.estimates import Estimate
from transfer_atlas.analysis.tables.intervals import FEWEST_TARGETS

SMALL, FULL, SMALL_SOURCE = "small_target", "full_target", "small_source_small_target"
PERCENT, POINTS, TAU = "percent", "percentage points", "tau"


def finding(
    name: str,
    part: str,
    regime: str,
    statement: str,
    statistic: str,
    unit: str,
    estimate: Estimate,
    *,
    claim: str = "",
    printed: float = math.nan,
    left_out: int = 0,
) -> dict[str, Any]:
    """A row of `findings` but for its origin. `claim`: `> number`, `all` or `none` (of a share), or empty."""
    verdict, why = judge(estimate, claim)
    return {
        "finding": name,
        "part": part,
        "regime": regime,
        "statement": statement,
        "statistic": statistic,
        "unit": unit,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "at_least": estimate.at_least,
        "at_most": estimate.at_most,
        "printed": printed,
        "claim": claim or None,
        "verdict": verdict,
        "why": why or None,
        "count": estimate.count,
        "targets": estimate.targets,
        "left_out": left_out,
    }


def judge(estimate: Estimate, claim: str) -> tuple[str, str]:
    """Verdict and reason.

    `> number`: by the whole interval over targets. `all` and `none` are statements about the measured transfers
    themselves: they hold, or do not, if the intervals of all single gains say so; where no gain has an
    interval, the gains are taken as they are, and the reason says so.
    """
    if math.isnan(estimate.value):
        return "not_measured", "no such transfers, or too few to compare" if estimate.count == 0 else (
            f"{estimate.count} transfers, too few or of one kind only"
        )
    if not claim:
        return "described", ""
    if claim in ("all", "none"):
        return _of_every_transfer(estimate, claim)
    threshold = float(claim.removeprefix("> "))
    if math.isnan(estimate.low):
        few = estimate.targets < FEWEST_TARGETS
        return (
            "undecided",
            f"{estimate.targets} targets; intervals need {FEWEST_TARGETS}"
            if few
            else "no spread to judge by",
        )
    if estimate.low > threshold:
        return "holds", ""
    return ("does_not_hold", "") if estimate.high < threshold else ("undecided", "the interval contains both")


def _of_every_transfer(estimate: Estimate, claim: str) -> tuple[str, str]:
    wanted = 100.0 if claim == "all" else 0.0
    if math.isnan(estimate.at_least):
        verdict = "holds" if estimate.value == wanted else "does_not_hold"
        return verdict, "one run each: noise is not known"
    worst, best = estimate.at_least, estimate.at_most
    if claim == "none":
        worst, best = best, worst
    if worst == wanted:
        return "holds", ""
    if best != wanted:
        return "does_not_hold", ""
    return "undecided", "some single gains are within noise or rounding of the threshold"
