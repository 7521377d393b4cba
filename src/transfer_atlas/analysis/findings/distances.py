"""Pairs of segmentation tasks and the distance of their images, for A3, A4 and A10."""

from __future__ import annotations

import pandas as pd

from transfer_atlas.analysis.tables.effects import true_sources


def segmentation_pairs(gains: pd.DataFrame, regime: str) -> pd.DataFrame:
    """Rows of `gains` of single segmentation sources on segmentation targets in one regime, where there is a gain."""
    rows = true_sources(gains)
    pairs = rows["source"].str.startswith("segmentation/") & rows["target"].str.startswith("segmentation/")
    return rows[(rows["regime"] == regime) & pairs & rows["gain"].notna()]


def with_distance(gains: pd.DataFrame, distances: pd.DataFrame, assignment: str) -> pd.DataFrame:
    """Rows of `gains` with the `distance` of their datasets; pairs without one are left out."""
    chosen = distances[distances["assignment"] == assignment][["source", "target", "distance"]]
    chosen = chosen.rename(columns={"source": "source_dataset", "target": "target_dataset"})
    return gains.merge(chosen, on=["source_dataset", "target_dataset"])
