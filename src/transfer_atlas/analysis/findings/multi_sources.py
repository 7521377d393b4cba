"""A5: multi-sources, and the largest single source of the target's domain and task type."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from transfer_atlas.analysis.findings.estimates import of_regime, share, share_of, usable
from transfer_atlas.analysis.findings.finding import PERCENT, SMALL, finding
from transfer_atlas.analysis.tables.uncertainty import POSITIVE

A5 = "Multi-sources yield good transfer, but the largest source of the target's domain is better"


def multi_against_largest(gains: pd.DataFrame, regime: str) -> pd.DataFrame:
    """By target: the gain of the multi-source and of the largest single source within domain and task type.

    Columns target, gain_multi, gain_largest, largest (the source), and the ends of both intervals; targets without
    either are left out.
    """
    rows = gains[(gains["regime"] == regime) & gains["gain"].notna()]
    within_type = rows["within_task_type"].eq(True).fillna(False)
    within_domain = rows["within_domain"].eq(True).fillna(False)
    multi = rows[(rows["source_dataset"] == "multi") & within_type]
    single = rows[(rows["source_dataset"] != "multi") & within_type & within_domain]
    largest = single.sort_values(["source_n_train", "source"], ascending=[False, True]).drop_duplicates(
        "target"
    )
    columns = ["target", "source", "gain", "gain_low", "gain_high"]
    both = multi[columns].merge(largest[columns], on="target", suffixes=("_multi", "_largest"))
    return both.rename(columns={"source_largest": "largest"}).drop(columns="source_multi")


def findings_a5(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of A5, within segmentation and a small target training set, as in the paper."""
    rows = of_regime(gains, SMALL)
    multi = rows[(rows["source_dataset"] == "multi") & rows["within_task_type"].eq(True).fillna(False)]
    multi = multi[multi["target_task_type"] == "segmentation"]
    both = multi_against_largest(usable(gains), SMALL)
    both = both[both["target"].str.startswith("segmentation/")]
    found = pd.DataFrame(
        {
            "hit": both["gain_largest"] - both["gain_multi"] > POSITIVE,
            "surely": both["gain_low_largest"] - both["gain_high_multi"] > POSITIVE,
            "possibly": both["gain_high_largest"].fillna(math.inf) - both["gain_low_multi"].fillna(-math.inf)
            > POSITIVE,
            "target": both["target"],
        }
    )
    known = bool(both["gain_low_multi"].notna().any())
    return [
        finding(
            "A05", "always_positive", SMALL, A5, "targets on which the multi-source has a positive effect", PERCENT,
            share(multi, "positive"), claim="all", printed=100.0, left_out=len(multi) - len(usable(multi)),
        ),
        finding(
            "A05", "largest_is_better", SMALL, A5,
            "targets on which the largest source of the domain gains over 2 points more than the multi-source", PERCENT,
            share_of(found, known), claim="> 50", printed=60.0,
        ),
    ]  # fmt: skip
