"""A5: multi-sources, and the largest single source of the target's domain and task type."""

from __future__ import annotations

import pandas as pd


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
