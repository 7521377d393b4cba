"""A6 and A7: transfer across task types, on the same images and within a domain (Table 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from transfer_atlas.analysis.tables.effects import true_sources


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
