"""A1 and A2: ILSVRC beats random weights, and for most targets some source beats ILSVRC."""

from __future__ import annotations

from typing import Any

import pandas as pd

from transfer_atlas.analysis.findings.estimates import hits, of_regime, share, share_of, usable
from transfer_atlas.analysis.findings.finding import FULL, PERCENT, SMALL, finding
from transfer_atlas.analysis.tables.effects import best_of_each_target

A1 = "Transfer from ILSVRC always outperforms training from scratch"
A2 = "For most targets some source brings further benefits over ILSVRC"
PRINTED_A2 = {SMALL: (85.0, 70.0), FULL: (56.0, 22.0)}  # Table 7, first row


def findings_a1_a2(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of A1 and A2 for a small and for the full target training set."""
    rows = []
    for regime in (SMALL, FULL):
        scratch = gains[(gains["source"] == "scratch") & (gains["regime"] == regime)]
        known = usable(scratch)
        worse = share_of(hits(known, "below_zero"), known=bool(known["gain_low"].notna().any()))
        statistic = "targets on which random weights are worse than ILSVRC"
        rows.append(
            finding("A01", "scratch", regime, A1, statistic, PERCENT, worse, claim="all", printed=100.0)
            | {"left_out": len(scratch) - len(known)}
        )
        everything = of_regime(gains, regime)
        best = best_of_each_target(usable(everything))
        lost = len(everything) - len(usable(everything))
        for part, claim, printed in zip(
            ("positive", "very_positive"), ("> 50", ""), PRINTED_A2[regime], strict=True
        ):
            statistic = f"targets whose best source has a {part.replace('_', ' ')} effect"
            estimate = share(best, part)
            rows.append(
                finding(
                    "A02",
                    f"best_{part}",
                    regime,
                    A2,
                    statistic,
                    PERCENT,
                    estimate,
                    claim=claim,
                    printed=printed,
                )
                | {"left_out": lost}
            )
    return rows
