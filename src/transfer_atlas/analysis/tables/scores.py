"""From the runs that score, and the gains, to the tables of scores. Pure functions; columns: `score_schema.py`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.tables.metric_evaluation import evaluate
from transfer_atlas.analysis.tables.score_schema import DOMAIN_DISTANCES, METRIC_EVALUATION, SCORES
from transfer_atlas.analysis.tables.transfers import frame_of
from transfer_atlas.transferability.arrays import MetricInputError
from transfer_atlas.transferability.domain_distance import domain_distance
from transfer_atlas.transferability.otce_coefficients import leave_one_target_out

ASSIGNMENTS = ("target_to_source", "source_to_target", "symmetric", "one_to_one")
PARTS_OF_OTCE = ("otce_domain_difference", "otce_marginal_error")  # not scores of their own
LOWER_IS_BETTER = PARTS_OF_OTCE
SEED = 0  # of the bootstrap: tables are the same to the byte when a study is repeated
VIEWS = (("none", "gain"), ("target", "value"), ("source", "gain"))


@dataclass(frozen=True)
class ImageFeatures:
    """Pooled features (n, d) of a dataset's images, with what the table says of them."""

    dataset: str
    domain: str
    backbone: str
    features: np.ndarray
    key: str


def scores_table(records: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """One row per score, and one per further part that a metric tells; a score that failed is a row with its reason.

    records: of runs of kind `score`, with the identity that the plan gives them.
    """
    rows = []
    for record in records:
        metrics, identity = record["metrics"] or {}, record["identity"]
        values = {identity["metric"]: metrics.get("value"), **metrics.get("parts", {})}
        for name, value in values.items():
            own = name == identity["metric"]
            deviation = metrics.get("deviation") if own else None
            rows.append(
                {column: identity[column] for column in ("source", "target", "regime")}
                | {
                    "metric": name,
                    "score": np.nan if value is None else value,
                    "deviation": np.nan if deviation is None else deviation,
                    "repeats": metrics.get("repeats", 0),
                    "higher_is_better": name not in LOWER_IS_BETTER,
                    "samples": metrics.get("samples"),
                    "status": record["status"],
                    "reason": record["reason"],
                    "key": record["key"],
                }
            )
    return frame_of(SCORES, rows)


def domain_distances_table(datasets: Iterable[ImageFeatures]) -> pd.DataFrame:
    """Distances of all ordered pairs of datasets by all assignments."""
    datasets = list(datasets)
    rows = []
    for target in datasets:
        for source in datasets:
            if source.dataset == target.dataset:
                continue
            for assignment in ASSIGNMENTS:
                rows.append(
                    {
                        "source": source.dataset,
                        "target": target.dataset,
                        "source_domain": source.domain,
                        "target_domain": target.domain,
                        "assignment": assignment,
                        "distance": domain_distance(target.features, source.features, assignment=assignment),
                        "backbone": target.backbone,
                        "source_images": len(source.features),
                        "target_images": len(target.features),
                        "source_key": source.key,
                        "target_key": target.key,
                    }
                )
    return frame_of(DOMAIN_DISTANCES, rows)


def scored_pairs(scores: pd.DataFrame, gains: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    """Scores beside what was measured: one row per metric, source, target and regime.

    Columns: metric, source, target, regime, score (higher promises more), value (higher is better), gain,
    target_domain. Besides the metrics: domain_distance, source_size, otce_combined.
    """
    measured = gains[~gains["source"].isin(["ilsvrc", "scratch"])].copy()
    lower = measured["higher_is_better"].eq(False).fillna(False)
    measured["value"] = measured["value"].where(~lower, -measured["value"])
    keys = ["source", "target", "regime"]
    measured = measured[
        [*keys, "value", "gain", "target_domain", "source_dataset", "target_dataset", "source_n_train"]
    ]
    joined = scores[["metric", *keys, "score"]].merge(measured, on=keys)
    nearest = distances[distances["assignment"] == "target_to_source"]
    near = measured.merge(
        nearest[["source", "target", "distance"]].rename(
            columns={"source": "source_dataset", "target": "target_dataset"}
        ),
        on=["source_dataset", "target_dataset"],
    )
    parts = [
        joined[~joined["metric"].isin(PARTS_OF_OTCE)],
        near.assign(metric="domain_distance", score=-near["distance"]),
        measured.assign(metric="source_size", score=measured["source_n_train"].astype(float)),
        _combined_otce(joined),
    ]
    columns = ["metric", *keys, "score", "value", "gain", "target_domain"]
    return pd.concat([part[columns] for part in parts if len(part)], ignore_index=True)


def metric_evaluation_table(pairs: pd.DataFrame, *, draws: int = 300) -> pd.DataFrame:
    """Statistics of every metric and regime: over all pairs, for a fixed target, and for a fixed source."""
    rows = []
    for (regime, metric), group in pairs.groupby(["regime", "metric"], sort=True):
        for fixed, performance in VIEWS:
            found = evaluate(
                group.assign(performance=group[performance]),
                fixed=None if fixed == "none" else fixed,
                seed=SEED,
                draws=draws,
            )
            named = {"regime": regime, "metric": metric, "fixed": fixed, "performance": performance}
            rows += [named | row for row in found.to_dict("records")]
    return frame_of(METRIC_EVALUATION, rows)


def _combined_otce(joined: pd.DataFrame) -> pd.DataFrame:
    """OTCE with coefficients fitted on the gains of all other targets of the regime; empty where there are too few."""
    keys = ["source", "target", "regime"]
    domain = joined[joined["metric"] == "otce_domain_difference"][[*keys, "score"]]
    both = joined[joined["metric"] == "otce"].merge(
        domain.rename(columns={"score": "domain_difference"}), on=keys
    )
    both = both.assign(task_difference=-both["score"], performance=both["gain"])
    parts = []
    for _, group in both.groupby("regime", sort=True):
        try:
            parts.append(leave_one_target_out(group).assign(metric="otce_combined"))
        except MetricInputError:  # fewer than three transfers to other targets
            continue
    return pd.concat(parts) if parts else both.head(0)
