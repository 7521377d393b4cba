"""What all charts of the page share: colours, fonts, and how rows become part of a Vega-Lite specification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from transfer_atlas.analysis.figures.style import INK
from transfer_atlas.analysis.report import words

# Blue and orange of Okabe and Ito, which the colour-blind tell apart; shapes and labels tell the same.
BLUE, ORANGE, GREY = "#0072b2", "#d55e00", "#8a8a8a"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
ROW = 22  # pixels of a row of a dot chart
# A chart's own rows by name: inside it, Altair would copy them at every step of building it.
ROWS = alt.NamedData(name="rows")

Chart = alt.LayerChart | alt.Chart


def specification(chart: Chart, rows: pd.DataFrame | Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The specification of a chart of ROWS; the page sets its width, and its fonts are the page's."""
    text = {
        "labelFont": FONT,
        "titleFont": FONT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
    }
    styled = chart.configure(font=FONT).configure_axis(
        **text, grid=True, gridColor="#eee", labelColor=INK, titleColor="#555"
    )
    styled = styled.configure_legend(labelFont=FONT, labelFontSize=12, titleFont=FONT).configure_view(
        stroke=None
    )
    found = styled.to_dict(validate=False)
    found.setdefault("datasets", {})["rows"] = _plain(rows)
    return found


def _plain(rows: pd.DataFrame | Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as dicts, without those cells that are empty."""
    if isinstance(rows, pd.DataFrame):
        plain = rows.to_dict("records")
        if not rows.isna().to_numpy().any():
            return plain
    else:
        plain = list(rows)
    return [{name: value for name, value in row.items() if words.known(value)} for row in plain]
