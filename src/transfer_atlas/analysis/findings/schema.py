"""The table of findings column by column, as `tables/schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

FINDINGS = Table(
    "findings",
    "The findings A1 to A10 of Mensink et al., Factors of Influence for Transfer Learning (section 6), each "
    "as what can be "
    "measured of it, on the transfers of a study (`origin` is `study`) or on the cells that the paper "
    "prints (`published`). "
    "Every row stands in every table: what a study does not hold is `not_measured`.",
    ("origin", "finding", "part", "regime"),
    (
        Column("origin", "text", "", "`study` or `published`"),
        Column("finding", "text", "", "`A01` to `A10`"),
        Column("part", "text", "", "Which measurable part of it"),
        Column(
            "regime", "text", "", "Regime of the transfers; two joined by ` and ` where regimes are compared"
        ),
        Column("statement", "text", "", "The finding in words"),
        Column("statistic", "text", "", "What is computed"),
        Column("unit", "text", "", "`percent`, `percentage points`, `tau`"),
        Column("value", "number", "see unit", "The statistic; empty if not measured"),
        Column(
            "low",
            "number",
            "see unit",
            "Lower end of its 95 % interval over targets (and sources, for a tau); empty below six targets",
        ),
        Column("high", "number", "see unit", "Upper end"),
        Column(
            "at_least",
            "number",
            "see unit",
            "Smallest value that the intervals of the single gains allow (noise, or rounding of printed gains)",
        ),
        Column("at_most", "number", "see unit", "Largest value that they allow"),
        Column(
            "printed", "number", "see unit", "The figure printed in the paper; empty where it prints none"
        ),
        Column(
            "claim",
            "text",
            "",
            "What would have to be so: `> 50`, `all`, `none`; empty where it only describes",
        ),
        Column("verdict", "text", "", "`holds`, `does_not_hold`, `undecided`, `described` or `not_measured`"),
        Column(
            "why", "text", "", "Reason of the verdict, where the interval alone does not tell; may be empty"
        ),
        Column("count", "integer", "", "Transfers that entered"),
        Column("targets", "integer", "", "Targets that entered"),
        Column(
            "left_out",
            "integer",
            "",
            "Transfers that were asked for but failed, are missing, or start at chance",
        ),
    ),
)

FINDING_TABLES: dict[str, Table] = {FINDINGS.name: FINDINGS}
