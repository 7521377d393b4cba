"""The table of printed figures beside what follows from the printed cells; see `tables/schema.py`."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

PUBLISHED_CHECKS = Table(
    "published_checks",
    "Figures printed in papers, beside what our analysis makes of the cells printed in the same papers. Where a figure "
    "does not follow, both numbers stand here.",
    ("paper", "place", "row", "statistic"),
    (
        Column("paper", "text", "", "Who printed the figure"),
        Column("place", "text", "", "Table, figure or section"),
        Column("row", "text", "", "Which line of it"),
        Column("statistic", "text", "", "Which number of the line"),
        Column("printed", "number", "of the statistic", "The printed figure"),
        Column(
            "derived",
            "number",
            "of the statistic",
            "Ours from the printed cells; empty where they cannot tell",
        ),
        Column("low", "number", "of the statistic", "Smallest value that rounded and unreadable cells allow"),
        Column("high", "number", "of the statistic", "Largest value that they allow"),
        Column(
            "agrees",
            "truth",
            "",
            "Does the printed figure follow, within its own rounding? Empty without `derived`",
        ),
        Column("cells", "integer", "", "Printed cells that it was derived from"),
        Column("note", "text", "", "What to know before quoting it; may be empty"),
    ),
)

PUBLISHED_TABLES: dict[str, Table] = {PUBLISHED_CHECKS.name: PUBLISHED_CHECKS}
