"""Does what "Factors of Influence" prints in its analysis follow from its own cells? One row per printed figure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.findings.distances import segmentation_pairs, with_distance
from transfer_atlas.analysis.findings.multi_sources import multi_against_largest
from transfer_atlas.analysis.findings.sizes import (
    by_relative_size,
    kept_effects,
    share_bounds,
    small_and_full,
)
from transfer_atlas.analysis.findings.task_types import across_task_types
from transfer_atlas.analysis.published.factors_of_influence import (
    HALF_UNIT,
    MULTI_SOURCES,
    SAME_IMAGES,
    published_distances,
    published_gains,
    read,
)
from transfer_atlas.analysis.tables.effects import (
    best_effects_table,
    effects_table,
    shares_of,
)
from transfer_atlas.analysis.tables.metric_evaluation import kendall
from transfer_atlas.analysis.tables.uncertainty import NEGATIVE, POSITIVE

PAPER = "Mensink et al. 2021"
SHARES = ("positive", "very_positive", "negative")
TAU_TOLERANCE = 0.02  # integers stand in for distances and gains, which moves a tau over 272 pairs by as much
ROUNDING_DRAWS = 300


def foi_checks(folder: Path | str) -> list[dict[str, Any]]:
    """Rows of `published_checks` for "Factors of Influence", from the files of resources/published."""
    gains, distances = published_gains(folder), published_distances(folder)
    return [
        *table_6_and_7(gains, read(folder, "foi_table6.csv"), "Table 6"),
        *table_6_and_7(gains, read(folder, "foi_table7.csv"), "Table 7"),
        *table_8(gains, distances, read(folder, "foi_table8.csv")),
        *table_9(gains, read(folder, "foi_table9.csv")),
        *correlations_of_a3(gains, distances),
        *figures_of_a1_and_a5(gains),
        *figures_of_a8(gains),
        *figures_of_a9(gains),
    ]


def check(
    place: str,
    row: str,
    statistic: str,
    printed: float,
    derived: float,
    bounds: tuple[float, float],
    unit: float,
    cells: int,
    note: str = "",
    paper: str = PAPER,
) -> dict[str, Any]:
    """One row; it agrees where `bounds` and the printed figure, give or take half a `unit`, have a value in common."""
    low, high = bounds
    agrees = None
    if math.isfinite(derived):
        agrees = bool(low <= printed + unit / 2 + 1e-9 and high >= printed - unit / 2 - 1e-9)
    return {
        "paper": paper,
        "place": place,
        "row": row,
        "statistic": statistic,
        "printed": printed,
        "derived": derived,
        "low": low,
        "high": high,
        "agrees": agrees,
        "cells": cells,
        "note": note or None,
    }


def table_6_and_7(gains: pd.DataFrame, printed: pd.DataFrame, place: str) -> Iterator[dict[str, Any]]:
    """Shares of effects and their denominators. Experiments that cannot be read may have any effect."""
    make = effects_table if place == "Table 6" else best_effects_table
    index = ["regime", "image_domain", "task_type"]
    derived = make(gains).set_index(index)
    for line in printed.itertuples():
        found = derived.loc[(line.regime, line.image_domain, line.task_type)]
        lost = line.count - int(found["count"])
        row = f"{line.regime}: {line.image_domain} domain, {line.task_type} task type"
        note = f"{lost} of {line.count} cannot be read and may be anything" if lost else ""
        yield check(
            place,
            row,
            "count",
            line.count,
            found["count"],
            (found["count"], line.count),
            0,
            found["count"],
            note,
        )
        for name in SHARES:
            least, most = (
                found[f"{name}_at_{end}_percent"] * found["count"] / line.count for end in ("least", "most")
            )
            bounds = (least, most + 100.0 * lost / line.count)
            share = f"{name}_percent"
            yield check(
                place, row, share, getattr(line, share), found[share], bounds, 1, found["count"], note
            )


def table_8(gains: pd.DataFrame, distances: pd.DataFrame, printed: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Kendall's tau-b over all pairs at once: the printed rows 3 and 4 exclude means over targets."""
    for line in printed.itertuples():
        rows = with_distance(segmentation_pairs(gains, line.regime), distances, line.assignment)
        row = f"({line.row}) {line.assignment}"
        if rows.empty:
            note = "one-to-one distances are not printed"
            yield check("Table 8", row, "kendall", line.tau, math.nan, (math.nan, math.nan), 0.01, 0, note)
        else:
            yield _tau_check(
                "Table 8", row, line.tau, -rows["distance"], rows["gain"], (HALF_UNIT, HALF_UNIT)
            )


def correlations_of_a3(gains: pd.DataFrame, distances: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Section 6, A3: 0.38 for domain distance, 0.12 for source size, small target training sets."""
    rows = with_distance(segmentation_pairs(gains, "small_target"), distances, "target_to_source")
    note = "not explained: rounding gives 0.39 to 0.41, the one uncertain sign 0.003, other task types 0.34"
    yield _tau_check(
        "A3", "domain distance", 0.38, -rows["distance"], rows["gain"], (HALF_UNIT, HALF_UNIT), note
    )
    yield _tau_check("A3", "source size", 0.12, rows["source_n_train"], rows["gain"], (0.0, HALF_UNIT))


def _tau_check(
    place: str,
    row: str,
    printed: float,
    score: pd.Series,
    gain: pd.Series,
    half: tuple[float, float],
    note: str = "",
) -> dict[str, Any]:
    """A pooled tau-b beside the printed one; the range is that of 300 draws of what was rounded away."""
    generator = np.random.default_rng(0)
    values = []
    score, gain = score.to_numpy(float), gain.to_numpy(float)
    for _ in range(ROUNDING_DRAWS):
        parts = [
            array + generator.uniform(-h, h, len(array)) for array, h in ((score, half[0]), (gain, half[1]))
        ]
        values.append(kendall(*parts))
    tau = kendall(score, gain)
    found = check(
        place, row, "kendall", printed, tau, (min([*values, tau]), max([*values, tau])), 0.01, len(gain)
    )
    # Ties of the integers and their un-rounding bracket the true value; what is nearer than 0.02 to either follows.
    found["agrees"] = bool(found["low"] - TAU_TOLERANCE <= printed <= found["high"] + TAU_TOLERANCE)
    if note:
        found |= {"note": note, "agrees": bool(found["agrees"] and abs(tau - printed) <= TAU_TOLERANCE)}
    return found


def table_9(gains: pd.DataFrame, printed: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Transfer across task types on the same images, and on others of the same domain."""
    for line in printed.itertuples():
        types = (line.source_task_type, line.target_task_type)
        names = {"same_images": SAME_IMAGES, "members": MULTI_SOURCES}
        rows = across_task_types(gains, *types, line.images, "small_target", **names)
        found = shares_of(rows)
        row = f"{line.source_task_type} to {line.target_task_type}, {line.images}"
        count = found["count"]
        yield check("Table 9", row, "count", line.count, count, (count, count), 0, count)
        for name in ("positive", "negative"):
            bounds = (found[f"{name}_at_least_percent"], found[f"{name}_at_most_percent"])
            share = f"{name}_percent"
            yield check("Table 9", row, share, getattr(line, share), found[share], bounds, 1, count)


def figures_of_a1_and_a5(gains: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A1: random weights lose 5 to 71 % with the full target; A5: multi-sources against the largest source."""
    scratch = gains[(gains["source"] == "scratch") & (gains["regime"] == "full_target")]["gain"]
    note = "largest of the readable cells (segmentation); 71 is in none of them"
    for statistic, printed, value in (
        ("smallest loss", 5, -scratch.max()),
        ("largest loss", 71, -scratch.min()),
    ):
        bounds = (value - HALF_UNIT, value + HALF_UNIT)
        told = note if printed == 71 else ""
        yield check("A1", "full_target: scratch", statistic, printed, value, bounds, 1, len(scratch), told)
    both = multi_against_largest(gains, "small_target")
    difference = both["gain_largest"] - both["gain_multi"]
    least = int((difference > POSITIVE + 1).sum())
    most = int((difference > POSITIVE - 1).sum())
    better = int((difference > POSITIVE).sum())
    note = "City and IDD differ by exactly 2 as printed"
    yield check(
        "A5",
        "largest source better by more than 2",
        "count",
        6,
        better,
        (least, most),
        0,
        len(difference),
        note,
    )


def figures_of_a8(gains: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A8: positive in 60 % where the source is larger, in 5 % where it is smaller; of which tables it does not say."""
    for regime in ("small_target", "full_target"):
        for name, printed, rows in zip(
            ("larger", "smaller"), (60, 5), by_relative_size(gains, regime), strict=True
        ):
            found = shares_of(rows)
            bounds = (found["positive_at_least_percent"], found["positive_at_most_percent"])
            note = (
                "only the full-target tables come near both figures; for the 5 %, 1 of 25 is 4 %"
                if regime == "full_target"
                else ("not these tables, then: see full_target")
            )
            row = f"{regime}: source {name} than target"
            value = found["positive_percent"]
            yield check("A8", row, "positive_percent", printed, value, bounds, 1, found["count"], note)


def figures_of_a9(gains: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """A9: 78 %, 25 % and 98 % of the pairs of Tables 3a and 4a; the range is what rounding to integers allows."""
    pairs = small_and_full(gains)
    surely = {end: pairs[f"gain_low_{end}"] > POSITIVE for end in ("small", "full")}
    possibly = {end: pairs[f"gain_high_{end}"] > POSITIVE for end in ("small", "full")}
    bad = (pairs["gain_high_small"] < NEGATIVE, pairs["gain_low_small"] < NEGATIVE)
    good = {end: (surely[end], possibly[end]) for end in ("small", "full")}
    bounds = {
        "positive_full_then_small": share_bounds(good["full"], good["small"]),
        "positive_small_then_full": share_bounds(good["small"], good["full"]),
        "negative_small_not_positive_full": share_bounds(bad, (~possibly["full"], ~surely["full"])),
    }
    printed = {
        "positive_full_then_small": (78, ""),
        "positive_small_then_full": (
            25,
            "does not follow, whatever was rounded; 24 % are very positive (> 10) in the full setting, perhaps what "
            "was meant",
        ),
        "negative_small_not_positive_full": (98, ""),
    }
    for name, rows in kept_effects(pairs).items():
        value, note = printed[name]
        share = 100.0 * float(rows["hit"].mean())
        yield check("A9", name, "share_percent", value, share, bounds[name], 1, len(rows), note)
