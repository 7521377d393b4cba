"""One chart for all numbers that have intervals: a dot a row, its interval as a line, the kind by colour and shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.vega import ROW, ROWS, specification


def interval_chart(
    rows: Sequence[Mapping[str, Any]],
    title: str,
    kinds: Mapping[str, tuple[str, str]],
    *,
    marks: Sequence[float] = (),
    row_title: str = "row",
    from_zero: bool = True,
    decimals: int = 2,
    unit: str = "",
) -> dict[str, Any] | None:
    """Rows from top to bottom in the order given; None where there is none.

    rows: `name`, `value`, `low`, `high` (both missing where there is no interval) and `kind`, one of `kinds`; `told`
    where the words for value and interval are others than these. kinds: colour and shape of each; marks: where dashed
    lines stand beside the line at 0; row_title: what a row is, for who points at it; from_zero: whether 0 is of any
    meaning, and has its line. A title is broken at semicolons, for narrow screens.
    """
    shown = [row for row in rows if words.known(row["value"])]
    if not shown:
        return None
    data = pd.DataFrame(
        {
            "name": [row["name"] for row in shown],
            "value": [round(float(row["value"]), decimals + 1) for row in shown],
            "low": _ends(shown, "low", decimals),
            "high": _ends(shown, "high", decimals),
            "kind": [row["kind"] for row in shown],
            "told": [row.get("told") or told(row, decimals, unit) for row in shown],
        }
    )
    there = [kind for kind in kinds if kind in set(data["kind"])]
    order = list(dict.fromkeys(data["name"]))
    legend = None if len(there) < 2 else alt.Legend(orient="top", direction="horizontal")
    colour = alt.Color(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=there, range=[kinds[kind][0] for kind in there]),
        legend=legend,
    )
    shape = alt.Shape(
        "kind:N",
        title=None,
        scale=alt.Scale(domain=there, range=[kinds[kind][1] for kind in there]),
        legend=legend,
    )
    tooltip = [
        alt.Tooltip("name:N", title=row_title),
        alt.Tooltip("told:N", title="value"),
        *([alt.Tooltip("kind:N")] if len(there) > 1 else []),
    ]
    base = alt.Chart(ROWS).encode(
        y=alt.Y("name:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False)), tooltip=tooltip
    )
    of_x = {"title": title.split("; "), "scale": alt.Scale(zero=from_zero)}
    bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", **of_x), x2="high:Q", color=colour)
    dots = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("value:Q", **of_x), color=colour, shape=shape
    )
    lines = []
    if from_zero:
        zero = alt.Chart(alt.InlineData([{"at": 0}]))
        lines.append(zero.mark_rule(color="#999").encode(x=alt.X("at:Q", **of_x)))
    if marks:
        dashed = alt.Chart(alt.InlineData([{"at": mark} for mark in marks]))
        lines.append(dashed.mark_rule(strokeDash=[3, 3], color="#bbb").encode(x=alt.X("at:Q", **of_x)))
    said = "; ".join(f"{name} {text}" for name, text in zip(data["name"], data["told"], strict=True))
    chart = alt.layer(*lines, *([bars] if data["low"].notna().any() else []), dots).properties(
        height=max(60, ROW * len(order)), description=f"{title}: {said}"
    )
    return specification(chart, data)


def told(row: Mapping[str, Any], decimals: int = 2, unit: str = "") -> str:
    """A value with its interval in words: `0.42 (0.31 to 0.50)`."""
    text = f"{words.signed(float(row['value']), decimals)}{unit}"
    if words.known(row["low"]) and words.known(row["high"]):
        ends = " to ".join(words.signed(float(row[end]), decimals) for end in ("low", "high"))
        text += f" ({ends})"
    return text


def _ends(rows: Sequence[Mapping[str, Any]], end: str, decimals: int) -> list[float | None]:
    return [round(float(row[end]), decimals + 1) if words.known(row[end]) else None for row in rows]
