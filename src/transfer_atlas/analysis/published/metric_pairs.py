"""Published scores and measured performances as the pairs that `metric_evaluation_table` judges metrics on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import pandas as pd

from transfer_atlas.analysis.published.factors_of_influence import (
    published_datasets,
    published_distances,
    published_gains,
    read,
)
from transfer_atlas.analysis.tables.baseline_rankers import baseline_scores, static_rank
from transfer_atlas.analysis.tables.scores import PAIR_COLUMNS

SCORES = ["leep", "n_leep", "gbc", "h_score", "logme"]


def segmentation_272_pairs(folder: Path | str) -> pd.DataFrame:
    """The 272 pairs behind GBC's Table 3, un-rounded: five scores, all baseline rankers, mean IoU as value.

    The gain over ILSVRC is not published with them; ISPRS as a target is another run than in "Factors of Influence".
    """
    table, datasets = read(folder, "gbc_segmentation_272_pairs.csv"), published_datasets(folder)
    rows = table.rename(columns={"mean_iou": "value"}).assign(
        regime="small_target", gain=math.nan, measure="mean_iou"
    )
    for side in ("source", "target"):
        rows[f"{side}_dataset"] = rows[side].str.removeprefix("segmentation/")
        rows[f"{side}_domain"] = rows[f"{side}_dataset"].map(datasets["domain"])
    rows["target_task_type"] = "segmentation"
    rows["source_n_train"] = rows["source_dataset"].map(datasets["n_train"])
    rows["within_domain"] = rows["source_domain"] == rows["target_domain"]
    distances = published_distances(folder)
    baselines = baseline_scores(
        rows.drop(columns=SCORES), distances[distances["assignment"] == "target_to_source"]
    )
    return _stacked(rows, baselines)


def factors_of_influence_pairs(folder: Path | str) -> pd.DataFrame:
    """The segmentation pairs of Tables 3a, 4a and 5, without multi-sources: baseline rankers only, printed gains."""
    gains = published_gains(folder)
    inside = gains["source"].str.startswith("segmentation/") & gains["target"].str.startswith("segmentation/")
    rows = gains[inside].rename(columns={"metric": "measure"})
    rows = rows.assign(value=rows["gain"])  # within a target, equal order; appendix A has two decimals only
    distances = published_distances(folder)
    scores = baseline_scores(rows, distances[distances["assignment"] == "target_to_source"])
    return scores.assign(value=math.nan)[PAIR_COLUMNS].reset_index(drop=True)


def architecture_pairs(
    folder: Path | str, backbone: Literal["frozen", "trainable"] = "frozen"
) -> pd.DataFrame:
    """Nine classification targets by nineteen architectures (sources): five scores, the static rank, accuracy."""
    table = read(folder, "gbc_architectures.csv")
    rows = table.rename(columns={"architecture": "source", f"accuracy_{backbone}_backbone": "value"})
    rows = rows.assign(regime=f"{backbone}_backbone", gain=math.nan, measure="accuracy", target_domain="")
    rows = rows.assign(target_task_type="classification", target_dataset=rows["target"])
    static = rows.assign(metric="static_rank", score=static_rank(rows))
    return _stacked(rows, static)


def _stacked(rows: pd.DataFrame, baselines: pd.DataFrame) -> pd.DataFrame:
    parts = [rows.assign(metric=name, score=rows[name]) for name in SCORES]
    return pd.concat([part[PAIR_COLUMNS] for part in (*parts, baselines)], ignore_index=True)
