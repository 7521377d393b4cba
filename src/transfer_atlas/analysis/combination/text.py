"""What combining sources came to, for reading. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from transfer_atlas.analysis.combination.fusions import SINGLE
from transfer_atlas.analysis.combination.proposals import Proposal

STARTS = {
    "single": "the one source of the highest score",
    "proposed": "trained together as scores propose",
    "lowest": "as many that score lowest",
}
MOST_SINGLE = 5  # single sources that are told, the best ones


def as_text(
    scores: Mapping[str, Mapping[str, float | None]],
    reasons: Mapping[str, Mapping[str, str]],
    proposals: Mapping[str, Proposal | None],
    tables: Mapping[str, pd.DataFrame],
) -> str:
    """Target by target scores, probes, the proposal and what it gained; then all targets together.

    tables: the four of `schema.py` by name.
    """
    lines: list[str] = []
    for target in scores:
        lines += [f"{target}", *_of_fusions(target, reasons[target], tables["fusions"])]
        lines += [*_of_training(target, proposals[target], tables["joint_gains"]), ""]
    if len(scores) > 1:
        lines += ["All targets", *_over_targets(tables)]
    return "\n".join(lines).rstrip()


def _of_fusions(target: str, reasons: Mapping[str, str], fusions: pd.DataFrame) -> list[str]:
    own = fusions[fusions["target"] == target]
    lines = ["  Linear probe, accuracy on images held out (95 %); from the best single source, in points"]
    ranked = own.sort_values("accuracy", ascending=False)
    left_out = ranked[(ranked["pool"] == SINGLE) & (ranked["status"] == "finished")].iloc[MOST_SINGLE:]
    for row in ranked.drop(left_out.index).itertuples():
        if row.pool == SINGLE:
            score = "no score" if not _known(row.score) else f"OTCE {row.score:.3f}"
            name = f"{row.source} ({score})"
        else:
            name = f"{row.pool}, {row.how}, {row.weighting} weights ({len(row.sources)} sources)"
        if row.status != "finished":
            lines.append(f"    {name}: {row.reason}")
            continue
        told = f"{row.accuracy:.1f} %{_interval(row.low, row.high)}"
        if _known(row.from_best):
            told += f"; {row.from_best:+.1f}{_interval(row.from_best_low, row.from_best_high, '+')}"
        lines.append(f"    {name}: {told}")
    if len(left_out):
        lines.append(f"    {len(left_out)} further sources alone reach no more; they are in the table")
    lines += [f"    {source} has no score: {reason}" for source, reason in sorted(reasons.items())]
    return lines


def _of_training(target: str, proposal: Proposal | None, gains: pd.DataFrame) -> list[str]:
    if proposal is None:
        return ["  Nothing to train together: no task type has as many sources with a score"]
    lines = [
        f"  Proposed for one multi-source: {', '.join(proposal.proposed)}",
        f"  The highest score alone: {proposal.single}"
        + (f"; the lowest: {', '.join(proposal.lowest)}" if proposal.lowest else ""),
    ]
    return lines + _told_gains(gains[gains["target"] == target])


def _told_gains(own: pd.DataFrame) -> list[str]:
    lines = []
    for row in own.itertuples():
        told = f"gain {row.gain:+.1f} %{_interval(row.low, row.high, '+')}"
        if _known(row.from_single):
            told += (
                f"; from the single source {row.from_single:+.1f}"
                f"{_interval(row.from_single_low, row.from_single_high, '+')}"
            )
        lines.append(f"    {STARTS[row.start]}: {told}, {row.number} {row.over}")
    return lines


def _over_targets(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    lines = []
    for row in tables["fusion_summary"].itertuples():
        lines.append(
            f"  {row.pool}, {row.how}, {row.weighting} weights: from the best single source {row.from_best:+.1f}"
            f"{_interval(row.from_best_low, row.from_best_high, '+')}, from that of the highest score "
            f"{row.from_chosen:+.1f}{_interval(row.from_chosen_low, row.from_chosen_high, '+')}, {row.targets} targets"
        )
    return lines + _told_gains(tables["joint_gains"][tables["joint_gains"]["target"] == "all"])


def _interval(low: float, high: float, sign: str = "") -> str:
    return f" ({low:{sign}.1f} to {high:{sign}.1f})" if _known(low) else ""


def _known(value: float | None) -> bool:
    return value is not None and not pd.isna(value) and math.isfinite(value)
