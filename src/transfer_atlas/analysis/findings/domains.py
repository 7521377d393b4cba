"""A3 and A4: the image domain matters more than the task type, and the source's should include the target's."""

from __future__ import annotations

from typing import Any

import pandas as pd

from transfer_atlas.analysis.findings.distances import segmentation_pairs, with_distance
from transfer_atlas.analysis.findings.estimates import (
    Estimate,
    of_regime,
    related,
    share,
    share_difference,
    tau,
    tau_difference,
    usable,
)
from transfer_atlas.analysis.findings.finding import FULL, PERCENT, POINTS, SMALL, SMALL_SOURCE, TAU, finding

A3 = "The image domain strongly affects transfer gains, more than the task type and the source's size"
A4 = "For positive transfer the source's image domain should include the target's"
PRINTED_A3 = {SMALL: (43.0 - 19.0, 51.0 - 37.0), FULL: (22.0 - 14.0, 38.0 - 39.0)}  # Table 6
BROAD, NARROW = "consumer", ("driving", "indoor")
PRINTED_TABLE_8 = {"one_to_one": 0.17, "target_to_source": 0.39, "source_to_target": 0.02, "symmetric": 0.23}


def findings_a3_a4(gains: pd.DataFrame, distances: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of A3 and A4. `distances` has assignment, source, target, distance of datasets; it may be empty."""
    rows = []
    for regime in (SMALL, FULL):
        same_domain = related(of_regime(gains, regime), "within", "cross")
        same_type = related(of_regime(gains, regime), "cross", "within")
        lost = sum(len(part) - len(usable(part)) for part in (same_domain, same_type))
        for part, first, second, printed in (
            ("positive", same_domain, same_type, PRINTED_A3[regime][0]),
            ("negative", same_type, same_domain, PRINTED_A3[regime][1]),
        ):
            words = ["within domain, cross task type", "cross domain, within task type"]
            order = words if part == "positive" else words[::-1]
            statistic = f"{part} effects {order[0]} minus those {order[1]}"
            estimate = share_difference(first, second, part)
            rows.append(
                finding(
                    "A03",
                    f"domain_or_task_{part}",
                    regime,
                    A3,
                    statistic,
                    POINTS,
                    estimate,
                    claim="> 0",
                    printed=printed,
                )
                | {"left_out": lost}
            )
    rows += [*_distance_and_size(gains, distances), *_inclusion(gains, distances)]
    return rows


def scored(gains: pd.DataFrame, distances: pd.DataFrame, regime: str) -> pd.DataFrame:
    """Segmentation pairs with nearness (minus the distance) by every assignment, and the source's size."""
    rows = usable(segmentation_pairs(gains, regime))
    rows = rows.assign(size=rows["source_n_train"].astype(float))
    for assignment in PRINTED_TABLE_8:
        near = with_distance(rows, distances, assignment).set_index(["source", "target"])["distance"]
        index = pd.MultiIndex.from_frame(rows[["source", "target"]])
        rows = rows.assign(**{assignment: -near.reindex(index).to_numpy(float)})
    return rows


def _distance_and_size(gains: pd.DataFrame, distances: pd.DataFrame) -> list[dict[str, Any]]:
    pairs = scored(gains, distances, SMALL)
    statistics = (
        (
            "distance",
            "Kendall tau of gain with the nearness of images",
            tau(pairs, "target_to_source"),
            "> 0",
            0.38,
        ),
        ("size", "Kendall tau of gain with the source's size", tau(pairs, "size"), "", 0.12),
        (
            "distance_or_size",
            "Kendall tau with nearness minus that with size",
            tau_difference(pairs, "target_to_source", "size"),
            "> 0",
            0.38 - 0.12,
        ),
    )
    return [
        finding("A03", part, SMALL, A3, words, TAU, estimate, claim=claim, printed=printed)
        for part, words, estimate, claim, printed in statistics
    ]


def _inclusion(gains: pd.DataFrame, distances: pd.DataFrame) -> list[dict[str, Any]]:
    rows = segmentation_pairs(gains, SMALL)
    to_broad = rows[rows["source_domain"].isin(NARROW) & (rows["target_domain"] == BROAD)]
    to_narrow = rows[rows["target_domain"].isin(NARROW) & (rows["source_domain"] == BROAD)]
    narrow = " and ".join(NARROW)
    found = [
        finding(
            "A04", "narrow_to_broad", SMALL, A4, f"positive effects of {narrow} sources on {BROAD} targets", PERCENT,
            share(to_broad, "positive"), claim="none", printed=0.0,
        ),
        finding(
            "A04", "broad_or_narrow", SMALL, A4,
            f"positive effects of {BROAD} sources on {narrow} targets minus those the other way", POINTS,
            share_difference(to_narrow, to_broad, "positive"), claim="> 0",
        ),
    ]  # fmt: skip
    pairs = scored(gains, distances, SMALL_SOURCE)
    for assignment, printed in PRINTED_TABLE_8.items():
        words = f"Kendall tau of gain with nearness, {assignment.replace('_', ' ')}"
        estimate = tau(pairs, assignment)
        found.append(
            finding("A04", f"tau_{assignment}", SMALL_SOURCE, A4, words, TAU, estimate, printed=printed)
        )
    for other in ("source_to_target", "symmetric", "one_to_one"):
        known = pairs[other].notna().any()
        estimate = tau_difference(pairs, "target_to_source", other) if known else Estimate()
        words = f"Kendall tau with inclusion minus that with {other.replace('_', ' ')}"
        printed = PRINTED_TABLE_8["target_to_source"] - PRINTED_TABLE_8[other]
        found.append(
            finding(
                "A04",
                f"inclusion_or_{other}",
                SMALL_SOURCE,
                A4,
                words,
                TAU,
                estimate,
                claim="> 0",
                printed=printed,
            )
        )
    return found
