"""What filtering a pool of sources before scoring is worth: rank displacement, regret and cost. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.pools import (
    RELATION,
    kept_by_prior,
    kept_by_relations,
    worth_of_relations,
)
from transfer_atlas.analysis.recommendation.predictors import STUDY
from transfer_atlas.analysis.subtasks.relations import Relation
from transfer_atlas.analysis.tables.footrule import displacement, displacements, footrule
from transfer_atlas.analysis.tables.intervals import paired_difference
from transfer_atlas.analysis.tables.pool_schema import SOURCE_POOL_SUMMARY, SOURCE_POOLS
from transfer_atlas.analysis.tables.transfers import frame_of

FEWEST = 4  # sources that make a pool
LEAST_KEPT = 2  # of which an order can be compared
SHARE = 0.5  # of the sources, that the prior keeps
DRAWS = 100  # of random pools of the same size
PRIOR, RELATIONS, BOTH = "prior", "relations", "relations_and_prior"


def source_pools_table(
    pairs: pd.DataFrame, evidence: pd.DataFrame, subtasks: pd.DataFrame, origin: str = STUDY
) -> pd.DataFrame:
    """The table `source_pools`.

    Parameters
    ----------
    pairs
        `scores.scored_pairs`: metric, source, target, regime, score, value.
    evidence
        Measured transfers as rules learn from them (`predictors.COLUMNS`): published ones and the study's own.
    subtasks
        `subtask_transfers`; empty where the study has no binary tasks.
    origin
        Whose transfers the pairs are: those of evidence with this origin.
    """
    rows, learnt = [], {}
    known, candidates = pairs.dropna(subset=["score", "value"]), evidence[evidence["origin"] == origin]
    for (regime, target), of_target in known.groupby(["regime", "target"], sort=True):
        sources = sorted(set(of_target["source"]))
        if len(sources) < FEWEST:
            continue
        for name, kept in _filters(str(regime), str(target), sources, candidates, evidence, subtasks, learnt):
            for metric, of_metric in of_target.groupby("metric", sort=True):
                found = _row(of_metric.sort_values("source"), kept)
                if found is not None:
                    rows.append(
                        {"regime": regime, "target": target, "metric": metric, "filter": name, **found}
                    )
    return frame_of(SOURCE_POOLS, rows)


def _filters(
    regime: str,
    target: str,
    sources: list[str],
    candidates: pd.DataFrame,
    evidence: pd.DataFrame,
    subtasks: pd.DataFrame,
    learnt: dict[str, Any],
) -> Iterator[tuple[str, set[str]]]:
    """Names of filters, each with the sources that it keeps; none of a filter that knows nothing.

    learnt: of `kept_by_prior`, for all regimes.
    """
    related = None
    own = subtasks[(subtasks["regime"] == regime) & (subtasks["target"] == target)].drop_duplicates("source")
    own = own[own["source"].isin(sources)]
    if len(own):
        of_regime = subtasks[subtasks["regime"] == regime]
        worth = worth_of_relations(of_regime, own["target_classes"].iloc[0])
        relations = [
            Relation(each.inputs, each.classes, None if pd.isna(each.related) else bool(each.related))
            for each in own[RELATION].itertuples()
        ]
        dropped = set(own["source"][~kept_by_relations(relations, worth)])
        related = set(sources) - dropped
        yield RELATIONS, related
    rows = candidates[candidates["target"] == target]
    rows = rows[rows["source"].isin(sources)].drop_duplicates("source").sort_values("source")
    for name, pool in ((PRIOR, set(sources)), *([] if related is None else [(BOTH, related)])):
        chosen = rows[rows["source"].isin(pool)]
        if len(chosen) >= LEAST_KEPT:
            number = max(LEAST_KEPT, math.ceil(SHARE * len(chosen)))
            yield name, set(chosen["source"][kept_by_prior(chosen, evidence, number, learnt)])


def _row(of_metric: pd.DataFrame, kept: set[str]) -> dict[str, Any] | None:
    """One metric's ranking of the full pool and of what is kept of it; None where there is no order to compare."""
    scores, values = of_metric["score"].to_numpy(float), of_metric["value"].to_numpy(float)
    chosen = of_metric["source"].isin(kept).to_numpy()
    number = int(chosen.sum())
    if len(scores) < FEWEST or np.ptp(values) == 0 or number < LEAST_KEPT:
        return None
    best = values.max()
    return {
        "sources": len(scores),
        "kept": number,
        "saved": 1 - number / len(scores),
        "footrule": footrule(scores, values),
        "footrule_kept": footrule(scores[chosen], values[chosen]),
        "displacement": displacement(scores, values),
        "displacement_kept": displacement(scores[chosen], values[chosen]),
        "displacement_random": _random(scores, values, number),
        "best_kept": bool((values[chosen] == best).any()),
        "regret": best - _of_first(scores, values),
        "regret_kept": best - _of_first(scores[chosen], values[chosen]),
    }


def _of_first(scores: np.ndarray, values: np.ndarray) -> float:
    """Value of what scores highest; the mean where several do."""
    return float(values[scores == scores.max()].mean())


def _random(scores: np.ndarray, values: np.ndarray, number: int) -> float:
    """Mean displacement of `number` sources that are drawn: what a smaller pool alone would bring."""
    drawn = _drawn(len(scores), number)
    return float(displacements(scores[drawn], values[drawn]).mean())


@lru_cache(maxsize=64)
def _drawn(size: int, number: int) -> np.ndarray:
    """Places (DRAWS, number) of what is drawn of a pool, the same for all pools of a size."""
    generator = np.random.default_rng(0)
    return np.stack([generator.permutation(size)[:number] for _ in range(DRAWS)])


def source_pool_summary_table(pools: pd.DataFrame) -> pd.DataFrame:
    """The table `source_pool_summary` of a table `source_pools`: means over targets."""
    rows = []
    for (regime, metric, name), part in pools.groupby(["regime", "metric", "filter"], sort=True):
        row: dict[str, Any] = {"regime": regime, "metric": metric, "filter": name, "targets": len(part)}
        for column in (
            "sources",
            "kept",
            "saved",
            "displacement",
            "displacement_kept",
            "displacement_random",
        ):
            row[column] = part[column].astype(float).mean()
        row["best_kept"] = part["best_kept"].astype(float).mean()
        row |= {column: part[column].mean() for column in ("regret", "regret_kept")}
        for column, other in (("change", "displacement"), ("change_to_random", "displacement_random")):
            mean, low, high, _, _ = paired_difference(part["displacement_kept"], part[other])
            row |= {column: mean, f"{column}_low": low, f"{column}_high": high}
        rows.append(row)
    return frame_of(SOURCE_POOL_SUMMARY, rows)
