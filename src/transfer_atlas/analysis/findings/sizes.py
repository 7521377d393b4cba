"""A8, A9 and A10: sizes of source and target, and what a small target training set tells about the full one."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from transfer_atlas.analysis.findings.distances import segmentation_pairs
from transfer_atlas.analysis.findings.domains import scored
from transfer_atlas.analysis.findings.estimates import (
    mean_difference,
    share,
    share_difference,
    share_of,
    tau,
    tau_difference,
    usable,
)
from transfer_atlas.analysis.findings.finding import FULL, PERCENT, POINTS, SMALL, SMALL_SOURCE, TAU, finding
from transfer_atlas.analysis.tables.effects import true_sources
from transfer_atlas.analysis.tables.uncertainty import NEGATIVE, POSITIVE

A8 = "Transfer naturally flows from larger to smaller datasets"
A9 = "Transfer effects are larger for small target training sets"
A10 = "That the source's domain includes the target's matters more than the number of source images"


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


def findings_a8(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of A8. The paper does not say which tables its 60 % and 5 % are of; those of the full target come near."""
    found = []
    for regime, printed in ((SMALL, (math.nan,) * 3), (FULL, (60.0, 5.0, 55.0))):
        larger, smaller = by_relative_size(gains, regime)
        for part, rows, value in (("larger", larger, printed[0]), ("smaller", smaller, printed[1])):
            words = f"positive effects within domain and task type where the source is {part} than the target"
            estimate = share(rows, "positive")
            found.append(finding("A08", part, regime, A8, words, PERCENT, estimate, printed=value))
        difference = share_difference(larger, smaller, "positive")
        words = "positive effects of larger sources minus those of smaller ones"
        found.append(
            finding(
                "A08",
                "larger_or_smaller",
                regime,
                A8,
                words,
                POINTS,
                difference,
                claim="> 0",
                printed=printed[2],
            )
        )
    return found


def findings_a9(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of A9, on the segmentation pairs that were measured in both settings."""
    pairs, both = small_and_full(usable(gains)), f"{SMALL} and {FULL}"
    statements = {
        "positive_full_then_small": (
            "positive with a small target, of the pairs positive with the full",
            78.0,
            "> 50",
        ),
        "positive_small_then_full": (
            "positive with the full target, of the pairs positive with a small",
            25.0,
            "",
        ),
        "negative_small_not_positive_full": (
            "not positive with the full target, of the pairs negative with a small",
            98.0,
            "> 90",
        ),
    }
    found = []
    for part, rows in kept_effects(pairs).items():
        words, printed, claim = statements[part]
        estimate = share_of(rows.assign(surely=False, possibly=True), known=False)
        row = finding("A09", part, both, A9, words, PERCENT, estimate, claim=claim, printed=printed)
        found.append(row)
    within = pairs[pairs["within_domain"].eq(True).fillna(False)]
    within = within.assign(small=within["gain_small"].abs(), full=within["gain_full"].abs())
    words = "mean absolute gain within domain, small target minus full target"
    estimate = mean_difference(within, "small", "full")
    found.append(finding("A09", "larger_effects", both, A9, words, POINTS, estimate, claim="> 0"))
    return found


def findings_a10(gains: pd.DataFrame, distances: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of A10: what stays when all sources have the same number of images."""
    columns = ["source", "target", "gain"]
    pairs = [usable(segmentation_pairs(gains, regime))[columns] for regime in (SMALL, SMALL_SOURCE)]
    both = pairs[0].merge(pairs[1], on=["source", "target"], suffixes=("", "_few"))
    larger, smaller = by_relative_size(gains, SMALL_SOURCE)
    equal = scored(gains, distances, SMALL_SOURCE)
    return [
        finding(
            "A10", "same_pattern", f"{SMALL} and {SMALL_SOURCE}", A10,
            "Kendall tau of gains with all source images and with few", TAU, tau(both, "gain_few"), claim="> 0",
        ),
        finding(
            "A10", "larger_or_smaller", SMALL_SOURCE, A10,
            "positive effects of sources that were larger minus those that were smaller, all cut to one size", POINTS,
            share_difference(larger, smaller, "positive"), claim="> 0",
        ),
        finding(
            "A10", "distance_or_size", SMALL_SOURCE, A10,
            "Kendall tau with nearness minus that with the size before the cut", TAU,
            tau_difference(equal, "target_to_source", "size"), claim="> 0",
        ),
    ]  # fmt: skip
