"""How well a metric tells of one source which of many sampled targets it will do best on. Pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from transfer_atlas.analysis.tables.baseline_rankers import BASELINE_RANKERS
from transfer_atlas.analysis.tables.intervals import jackknife_interval
from transfer_atlas.analysis.tables.methods import tasks_of
from transfer_atlas.analysis.tables.metric_evaluation import CORRELATIONS, FEWEST
from transfer_atlas.analysis.tables.score_schema import TARGET_SELECTION
from transfer_atlas.analysis.tables.transfers import frame_of

NUMBER_OF_CLASSES = "number_of_classes"
OF_THE_TARGET = {NUMBER_OF_CLASSES, "domain_distance"}  # what a metric has to beat here


def target_selection_table(pairs: pd.DataFrame, per_class: pd.DataFrame) -> pd.DataFrame:
    """The table `target_selection` of scored pairs (`scores.scored_pairs`), of sampled targets alone.

    After Pandy et al. (2022), section 4.2: the source is fixed, the targets are parts of one dataset, and what is
    predicted is the target's own metric. The 95 % interval is jackknifed over the targets, the source being given.
    Two baselines that need no label have rows as metrics do: `domain_distance`, where it is known, and
    `number_of_classes`, fewer first, of the table `per_class`, which holds every class of each target.
    """
    of_sources = set(BASELINE_RANKERS) - OF_THE_TARGET  # the same for all targets, but for what is left out
    sampled = pairs[pairs["target"].str.contains("@", regex=False) & ~pairs["metric"].isin(of_sources)]
    sampled = pd.concat([sampled, _by_number_of_classes(sampled, per_class)], ignore_index=True)
    known = sampled.dropna(subset=["score", "value"])
    known = known.assign(tasks=[tasks_of(target) for target in known["target"]])
    rows = []
    for names, group in known.groupby(["source", "tasks", "regime", "metric"], sort=True):
        if group["target"].nunique() < FEWEST or group["score"].nunique() < 2:
            continue
        score, value = group[["score", "value"]].to_numpy(float).T
        targets = group["target"].to_numpy()
        for statistic, function in CORRELATIONS.items():

            def of(kept: np.ndarray, function=function, score=score, value=value) -> float:
                return function(score[kept], value[kept])

            low, high = np.clip(jackknife_interval(of, targets), -1.0, 1.0)
            rows.append(
                dict(zip(("source", "tasks", "regime", "metric"), names, strict=True))
                | {
                    "is_baseline": names[-1] in OF_THE_TARGET,
                    "statistic": statistic,
                    "value": of(np.ones(len(score), dtype=bool)),
                    "low": low,
                    "high": high,
                    "targets": len(score),
                }
            )
    return frame_of(TARGET_SELECTION, rows)


def _by_number_of_classes(pairs: pd.DataFrame, per_class: pd.DataFrame) -> pd.DataFrame:
    """The pairs once each, with minus the number of the target's classes as their score."""
    numbers = per_class.groupby("target")["class"].nunique()
    once = pairs.drop_duplicates(["source", "target", "regime"])
    return once.assign(metric=NUMBER_OF_CLASSES, score=-once["target"].map(numbers).astype(float))
