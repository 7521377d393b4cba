"""How well a metric tells of one source which of many sampled targets it will do best on. Pure functions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from transfer_atlas.analysis.tables.intervals import jackknife_interval
from transfer_atlas.analysis.tables.methods import tasks_of
from transfer_atlas.analysis.tables.metric_evaluation import CORRELATIONS, FEWEST
from transfer_atlas.analysis.tables.score_schema import TARGET_SELECTION
from transfer_atlas.analysis.tables.transfers import frame_of


def target_selection_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """The table `target_selection` of scored pairs (`scores.scored_pairs`), of sampled targets alone.

    After Pandy et al. (2022), section 4.2: the source is fixed, the targets are parts of one dataset, and what is
    predicted is the target's own metric. The 95 % interval is jackknifed over the targets, the source being given.
    Baselines that need no score have no row: they know the source, which is the same for all.
    """
    sampled = pairs[pairs["target"].str.contains("@", regex=False)]
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
                    "statistic": statistic,
                    "value": of(np.ones(len(score), dtype=bool)),
                    "low": low,
                    "high": high,
                    "targets": len(score),
                }
            )
    return frame_of(TARGET_SELECTION, rows)
