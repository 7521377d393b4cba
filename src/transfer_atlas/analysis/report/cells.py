"""Numbers of tables as cells of the page: the text, its interval, and what the cell is sorted by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from transfer_atlas.analysis.report import words

DASH = "\N{EN DASH}"
NOTHING = -1e9  # where a cell without a number is sorted


def in_two_decimals(value: float) -> str:
    """The usual way to write a number."""
    return words.signed(float(value), 2)


def signed(decimals: int) -> Callable[[float], str]:
    """Writes a number with so many decimals."""
    return lambda value: words.signed(float(value), decimals)


def number(
    row: Mapping[str, Any],
    name: str,
    shown: Callable[[float], str] = in_two_decimals,
    ends: tuple[str, str] | None = None,
) -> dict[str, Any]:
    """A column of a row with the interval whose ends stand in `ends`, else in `<name>_low` and `<name>_high`."""
    if not words.known(row[name]):
        return {"text": DASH, "interval": "", "order": NOTHING}
    low, high = (row.get(end) for end in ends or (f"{name}_low", f"{name}_high"))
    told = f"{shown(low)} to {shown(high)}" if words.known(low) and words.known(high) else ""
    return {"text": shown(row[name]), "interval": told, "order": float(row[name])}


def share(value: Any) -> str:
    """A share of 1 in percent; a dash where there is none."""
    return f"{100 * value:.0f} %" if words.known(value) else DASH


def decided(low: Any, high: Any) -> str:
    """Whether an interval tells better from worse: `better`, `worse`, `undecided`, or that there is none."""
    if not (words.known(low) and words.known(high)):
        return "noise not known"
    return "better" if low > 0 else "worse" if high < 0 else "undecided"
