"""A8 and A9: which way transfer flows between sizes, and what a small target training set tells about the full one."""

from __future__ import annotations

import pandas as pd

from transfer_atlas.analysis.tables.effects import true_sources
from transfer_atlas.analysis.tables.uncertainty import NEGATIVE, POSITIVE


def by_relative_size(gains: pd.DataFrame, regime: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A8: rows within domain and task type whose source is larger than the target, and those whose source is smaller.

    Sizes are those of the training sets before any limit; equal sizes and multi-sources belong to neither.
    """
    rows = true_sources(gains)
    rows = rows[(rows["regime"] == regime) & rows["gain"].notna() & (rows["source_dataset"] != "multi")]
    within = rows["within_domain"].eq(True).fillna(False) & rows["within_task_type"].eq(True).fillna(False)
    rows = rows[within & rows["source_n_train"].notna() & rows["target_n_train"].notna()]
    larger = rows["source_n_train"] > rows["target_n_train"]
    smaller = rows["source_n_train"] < rows["target_n_train"]
    return rows[larger], rows[smaller]


def small_and_full(gains: pd.DataFrame) -> pd.DataFrame:
    """A9: segmentation pairs measured with a small and with the full target training set, no multi-sources.

    Columns source, target, and gain, gain_low, gain_high, each with _small and _full.
    """
    rows = true_sources(gains)
    chosen = rows["source"].str.startswith("segmentation/") & rows["target"].str.startswith("segmentation/")
    rows = rows[chosen & rows["gain"].notna()]
    names = ["source", "target", "target_domain", "within_domain"]
    values = ["gain", "gain_low", "gain_high"]
    small, full = (
        rows[rows["regime"] == regime][[*names, *values]] for regime in ("small_target", "full_target")
    )
    return small.merge(
        full[["source", "target", *values]], on=["source", "target"], suffixes=("_small", "_full")
    )


def kept_effects(pairs: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """A9's three statements over `small_and_full`: the pairs that each speaks of, with `hit` where it is so.

    `possible_low` and `possible_high` are the smallest and largest share of hits that the intervals of the gains allow:
    a gain is taken as positive where its interval can be, in both the condition and the hit.
    """
    positive = {end: pairs[f"gain_{end}"] > POSITIVE for end in ("small", "full")}
    negative = {end: pairs[f"gain_{end}"] < NEGATIVE for end in ("small", "full")}
    return {
        "positive_full_then_small": pairs[positive["full"]].assign(hit=positive["small"]),
        "positive_small_then_full": pairs[positive["small"]].assign(hit=positive["full"]),
        "negative_small_not_positive_full": pairs[negative["small"]].assign(hit=~positive["full"]),
    }


def share_bounds(
    condition: tuple[pd.Series, pd.Series], hit: tuple[pd.Series, pd.Series]
) -> tuple[float, float]:
    """Least and largest share of hits among rows that meet a condition, in percent, where either may be undecided.

    Each is a pair of truths: surely, possibly. A row that may or may not meet the condition is taken in where that
    makes the share smaller (without a hit) or larger (with one).
    """
    surely, possibly = condition
    hit_surely, hit_possibly = hit
    sure, open_rows = int(surely.sum()), possibly & ~surely
    least_hits = int((surely & hit_surely).sum())
    least_rows = sure + int((open_rows & ~hit_surely).sum())
    most_hits = int((surely & hit_possibly).sum()) + int((open_rows & hit_possibly).sum())
    most_rows = sure + int((open_rows & hit_possibly).sum())
    least = 100.0 * least_hits / least_rows if least_rows else float("nan")
    most = 100.0 * most_hits / most_rows if most_rows else float("nan")
    return least, most
