"""A6 and A7: transfer across task types, on the same images and within a domain (Table 9)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from transfer_atlas.analysis.findings.estimates import (
    of_regime,
    related,
    share,
    share_difference,
    share_of,
    usable,
)
from transfer_atlas.analysis.findings.finding import PERCENT, POINTS, SMALL, finding
from transfer_atlas.analysis.tables.effects import best_of_each_target, true_sources
from transfer_atlas.analysis.tables.uncertainty import POSITIVE

A6 = "Transfer across task types can bring positive gains, within an image domain"
A7 = "Transfer within task type and within domain yields very positive effects"
PRINTED_TABLE_9 = {  # source, target: percent positive on the same dataset, on others of the same domain
    ("segmentation", "detection"): (100.0, 63.0),
    ("segmentation", "keypoints"): (0.0, 0.0),
    ("segmentation", "depth"): (33.0, 33.0),
    ("detection", "segmentation"): (0.0, 30.0),
    ("detection", "keypoints"): (100.0, 100.0),
    ("keypoints", "segmentation"): (0.0, 0.0),
    ("keypoints", "detection"): (100.0, 0.0),
    ("depth", "segmentation"): (100.0, 100.0),
}


def across_task_types(
    gains: pd.DataFrame,
    source_task_type: str,
    target_task_type: str,
    images: str,
    regime: str,
    *,
    same_images: Mapping[str, str] | None = None,
    members: Mapping[str, Iterable[str]] | None = None,
) -> pd.DataFrame:
    """Transfers between two task types on the `same_dataset`, or on other datasets of the `same_domain` (Table 9).

    `same_images` maps datasets to the collection whose images they share (boxes and masks of one may have two names);
    `members` are the datasets of each multi-source. A multi-source that was trained on the target's images is neither:
    the numbers of experiments of Table 9 come out exactly so.
    """
    rows = true_sources(gains)
    rows = rows[
        (rows["regime"] == regime)
        & (rows["source_task_type"] == source_task_type)
        & (rows["target_task_type"] == target_task_type)
    ]
    alike = dict(same_images or {})
    targets = rows["target_dataset"].replace(alike)
    same = rows["source_dataset"].replace(alike) == targets
    if images == "same_dataset":
        return rows[same]
    trained = {name: {alike.get(each, each) for each in parts} for name, parts in (members or {}).items()}
    contained = [
        target in trained.get(source, ()) for source, target in zip(rows["source"], targets, strict=True)
    ]
    return rows[
        rows["within_domain"].eq(True).fillna(False) & ~same & ~pd.Series(contained, rows.index, dtype=bool)
    ]


def findings_a6(
    gains: pd.DataFrame,
    same_images: Mapping[str, str] | None = None,
    members: Mapping[str, Iterable[str]] | None = None,
) -> list[dict[str, Any]]:
    """Rows of A6 with a small target training set; `same_images` and `members` as in `across_task_types`."""
    rows = of_regime(gains, SMALL)
    across, within = related(rows, "cross", "cross"), related(rows, "within", "cross")
    best = best_of_each_target(usable(within))
    lost = {part: len(each) - len(usable(each)) for part, each in (("across", across), ("within", within))}
    found = [
        finding(
            "A06", "best_within_domain", SMALL, A6,
            "targets whose best source of another task type in their domain has a positive effect", PERCENT,
            share(best, "positive"), claim="> 50", printed=65.0, left_out=lost["within"],
        ),
        finding(
            "A06", "within_or_across_domain", SMALL, A6,
            "positive effects across task types within domain minus those across domains", POINTS,
            share_difference(within, across, "positive"), claim="> 0", printed=43.0 - 5.0,
            left_out=lost["within"] + lost["across"],
        ),
        finding(
            "A06", "negative_across_both", SMALL, A6, "negative effects across domain and task type", PERCENT,
            share(across, "negative"), claim="> 50", printed=79.0, left_out=lost["across"],
        ),
        finding(
            "A06", "same_task_type_is_better", SMALL, A6,
            "targets helped by another task type on their own images where a source of the same task type and domain "
            "helps more", PERCENT, share_of(_same_task_type_is_better(rows, same_images)), claim="all", printed=100.0,
        ),
    ]  # fmt: skip
    for (source, target), printed in PRINTED_TABLE_9.items():
        for images, share_printed in zip(("same_dataset", "same_domain"), printed, strict=True):
            options = {"same_images": same_images, "members": members}
            chosen = across_task_types(gains, source, target, images, SMALL, **options)
            part = f"{source}_to_{target}_{images}"
            words = f"positive effects of {source} on {target}, {images.replace('_', ' ')}"
            found.append(
                finding(
                    "A06", part, SMALL, A6, words, PERCENT, share(chosen, "positive"), printed=share_printed
                )
                | {"left_out": len(chosen) - len(usable(chosen))}
            )
    return found


def findings_a7(gains: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of A7 with a small target training set."""
    rows = related(of_regime(gains, SMALL), "within", "within")
    lost = len(rows) - len(usable(rows))
    found = []
    for part, chosen, words, printed in (
        ("", rows, "transfers within domain and task type with a {} effect", (69.0, 47.0)),
        (
            "best_",
            best_of_each_target(usable(rows)),
            "targets whose best such source has a {} effect",
            (73.0, 68.0),
        ),
    ):
        for test, claim, of_paper in zip(("positive", "very_positive"), ("> 50", ""), printed, strict=True):
            statistic = words.format(test.replace("_", " "))
            estimate = share(chosen, test)
            found.append(
                finding(
                    "A07",
                    f"{part}{test}",
                    SMALL,
                    A7,
                    statistic,
                    PERCENT,
                    estimate,
                    claim=claim,
                    printed=of_paper,
                )
                | {"left_out": lost}
            )
    return found


def _same_task_type_is_better(rows: pd.DataFrame, same_images: Mapping[str, str] | None) -> pd.DataFrame:
    """`hits` of targets with a positive source of another task type on their own images, and one of their own type."""
    rows, alike = usable(rows), dict(same_images or {})
    same = rows["source_dataset"].replace(alike) == rows["target_dataset"].replace(alike)
    other = best_of_each_target(rows[same & rows["within_task_type"].eq(False).fillna(False)])
    other = other[other["gain"] > POSITIVE]
    own = best_of_each_target(related(rows, "within", "within"))
    columns = ["target", "gain", "gain_low", "gain_high"]
    both = other[columns].merge(own[columns], on="target", suffixes=("_other", "_own"))
    return pd.DataFrame(
        {
            "hit": both["gain_own"] > both["gain_other"],
            "surely": both["gain_low_own"].fillna(-math.inf) > both["gain_high_other"].fillna(math.inf),
            "possibly": both["gain_high_own"].fillna(math.inf) > both["gain_low_other"].fillna(-math.inf),
            "target": both["target"],
        }
    )
