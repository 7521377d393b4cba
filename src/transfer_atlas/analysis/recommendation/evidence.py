"""Measured transfers as evidence for rules: what was published, and a study's own. Pure functions on tables."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.published.factors_of_influence import (
    published_datasets,
    published_distances,
    published_gains,
    read,
)
from transfer_atlas.analysis.recommendation.predictors import COLUMNS, ILSVRC, PUBLISHED, SCORED, STUDY

REGIME = "small_target"
NO_SOURCES = ("scratch", ILSVRC)
TO_TARGET = "target_to_source"  # the assignment of equation 1


def published_evidence(folder: Path | str) -> pd.DataFrame:
    """Small-target transfers of "Factors of Influence" (all task types, Table 3), with GBC's scores where published.

    Where the results behind GBC's Table 3 are published un-rounded, the gain is theirs, relative to the result
    from ILSVRC
    that the printed gains imply (median over sources).
    """
    gains = published_gains(folder)
    gains = gains[(gains["regime"] == REGIME) & ~gains["source"].isin(NO_SOURCES)]
    gains = gains[~gains["source"].str.startswith("unread/")]
    distances = published_distances(folder)
    rows = study_evidence(
        gains, distances, pd.DataFrame(columns=["metric", "source", "target", "regime", "score"])
    )
    scores = read(folder, "gbc_segmentation_272_pairs.csv").set_index(["target", "source"])
    printed = rows.set_index(["target", "source"])["gain"]
    implied = (
        (scores["mean_iou"] / (1 + printed.reindex(scores.index) / 100)).groupby(level="target").median()
    )
    exact = 100 * (scores["mean_iou"] / implied.reindex(scores.index, level="target") - 1)
    keyed = rows.set_index(["target", "source"]).assign(origin=PUBLISHED)
    keyed["gain"] = exact.reindex(keyed.index).fillna(keyed["gain"])
    for name in SCORED:
        if name in scores:
            keyed[name] = scores[name].reindex(keyed.index)
    return keyed.reset_index()[list(COLUMNS)]


def published_sources(folder: Path | str) -> pd.DataFrame:
    """Public datasets that were sources, for who asks which is worth fetching: source, name, domain, size (images)."""
    datasets = published_datasets(folder)
    gains = published_gains(folder)
    gains = gains[gains["regime"] == REGIME]
    rows = []
    for source in sorted(set(gains["source"]) - set(NO_SOURCES)):
        task_type, _, dataset = source.partition("/")
        if dataset in datasets.index:
            entry = datasets.loc[dataset]
            rows.append(
                {
                    "source": source,
                    "name": entry["name"],
                    "domain": entry["domain"],
                    "size": float(entry["n_train"]),
                }
                | {"task_type": task_type}
            )
    return pd.DataFrame(rows)


def study_evidence(gains: pd.DataFrame, distances: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """A study's transfers of one regime as evidence: `gains`, `domain_distances` and `scores` as the tables have them.

    Transfers whose baseline is at chance are left out, since their gains mean nothing. ILSVRC is a candidate of every
    target, with a gain of 0; of several regimes, small_target is taken, else the first.
    """
    regimes = list(dict.fromkeys(gains["regime"]))
    if regimes:
        regime = REGIME if REGIME in regimes else regimes[0]
        gains = gains[gains["regime"] == regime]
        scores = scores[scores["regime"] == regime]
    measured = gains[~gains["source"].isin(NO_SOURCES)].dropna(subset=["gain"])
    if "baseline_at_chance" in measured:
        measured = measured[~measured["baseline_at_chance"].eq(True).fillna(False)]
    rows = pd.DataFrame(
        {
            "origin": STUDY,
            "target": measured["target"],
            "source": measured["source"],
            "target_dataset": measured["target_dataset"],
            "source_dataset": measured["source_dataset"],
            "target_task_type": measured["target_task_type"],
            "gain": measured["gain"].astype(float),
            "size": measured["source_n_train"].astype(float),
            "same_domain": measured["within_domain"].map({True: 1.0, False: 0.0}).astype(float),
            "same_task_type": measured["within_task_type"].map({True: 1.0, False: 0.0}).astype(float),
        }
    )
    baselines = rows.drop_duplicates("target")[["origin", "target", "target_dataset", "target_task_type"]]
    baselines = baselines.assign(source=ILSVRC, source_dataset=ILSVRC, gain=0.0, size=math.nan)
    baselines = baselines.assign(same_domain=0.0, same_task_type=0.0)
    rows = pd.concat([rows, baselines], ignore_index=True) if len(rows) else baselines
    return with_scores(with_distances(rows, distances), scores)[list(COLUMNS)]


def with_distances(rows: pd.DataFrame, distances: pd.DataFrame) -> pd.DataFrame:
    """Rows with `domain_distance`: minus D(T given S), so that higher is better; 0 for images of the target itself."""
    nearest = distances[distances["assignment"] == TO_TARGET] if len(distances) else distances
    of_pair = {(row.source, row.target): -float(row.distance) for row in nearest.itertuples()}
    pairs = zip(rows["source_dataset"], rows["target_dataset"], strict=True)
    found = [0.0 if source == target else of_pair.get((source, target), math.nan) for source, target in pairs]
    return rows.assign(domain_distance=pd.Series(found, index=rows.index, dtype=float))


def with_scores(rows: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column for every metric that votes, nan where it has no score."""
    table = scores.drop_duplicates(["metric", "target", "source"]).set_index(["metric", "target", "source"])[
        "score"
    ]
    known = table.to_dict()
    for name in SCORED:
        found = [
            known.get((name, t, s), math.nan) for t, s in zip(rows["target"], rows["source"], strict=True)
        ]
        rows = rows.assign(**{name: pd.Series(found, index=rows.index, dtype=float)})
    return rows
