"""From the runs that score, and the gains, to the tables of scores. Pure functions; columns: `score_schema.py`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.tables.baseline_rankers import BASELINE_RANKERS, baseline_scores
from transfer_atlas.analysis.tables.intervals import DRAWS
from transfer_atlas.analysis.tables.methods import tasks_of
from transfer_atlas.analysis.tables.metric_comparison import differences, stability
from transfer_atlas.analysis.tables.metric_evaluation import evaluate
from transfer_atlas.analysis.tables.score_schema import (
    DOMAIN_DISTANCES,
    METRIC_DIFFERENCES,
    METRIC_EVALUATION,
    METRIC_STABILITY,
    SCORES,
)
from transfer_atlas.analysis.tables.surroundings import surroundings_of
from transfer_atlas.analysis.tables.transfers import frame_of
from transfer_atlas.scoring.registry import COMBINED, METRICS
from transfer_atlas.study.task import BASELINES
from transfer_atlas.transferability.arrays import MetricInputError
from transfer_atlas.transferability.combine import combine_parts
from transfer_atlas.transferability.domain_distance import domain_distances
from transfer_atlas.transferability.otce_coefficients import leave_one_target_out
from transfer_atlas.transferability.ties import rounded

ASSIGNMENTS = ("target_to_source", "source_to_target", "symmetric", "one_to_one")
PARTS_OF_OTCE = ("otce_domain_difference", "otce_marginal_error")  # not scores of their own
PARTS = {*PARTS_OF_OTCE, *(part for parts in COMBINED.values() for part in parts if part not in METRICS)}
LOWER_IS_BETTER = (
    *PARTS_OF_OTCE,
    *(n for parts in COMBINED.values() for n, weight in parts.items() if weight < 0),
)
SEED = 0  # of the bootstrap: tables are the same to the byte when a study is repeated
VIEWS = (("none", "gain"), ("target", "value"), ("target", "gain"), ("source", "value"), ("source", "gain"))
PAIR_COLUMNS = ["metric", "source", "target", "regime", "score", "value", "gain"]
PAIR_COLUMNS += ["target_domain", "target_task_type", "measure"]


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
                    **{column: surroundings_of(record)[column] for column in ("device", "packages")},
                }
            )
    return with_combined(frame_of(SCORES, rows))


def with_combined(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores with those that are sums over parts brought to one scale over all sources of a target (`combine_parts`).

    A source whose parts are not all known has none; where a metric has a row of its own (NCTI), it gets the value.
    """
    found = []
    for (regime, target), group in scores.groupby(["regime", "target"], sort=True):
        table = group.pivot_table(index="source", columns="metric", values="score", dropna=False)
        for name, weights in COMBINED.items():
            if not set(weights) <= set(table.columns):
                continue
            parts = table[list(weights)].to_numpy(float)
            values = pd.Series(combine_parts(parts, np.array(list(weights.values()))), index=table.index)
            own = scores["metric"].eq(name) & scores["regime"].eq(regime) & scores["target"].eq(target)
            if own.any():
                scores.loc[own, "score"] = scores.loc[own, "source"].map(values)
                continue
            like = group[group["metric"] == next(iter(weights))]
            found.append(like.assign(metric=name, score=like["source"].map(values), deviation=np.nan))
    return SCORES.conform(pd.concat([scores, *found], ignore_index=True)) if found else scores


def domain_distances_table(datasets: Iterable[ImageFeatures], sources: Collection[str] = ()) -> pd.DataFrame:
    """Distances of all ordered pairs of datasets by all assignments, but of two of the tasks that are drawn from one
    dataset where neither is among the `sources`: a hundred would make ten thousand pairs that nobody asks about.
    """
    datasets = list(datasets)
    rows = []
    for target in datasets:
        for source in datasets:
            both = (source.dataset, target.dataset)
            if source.dataset == target.dataset:
                continue
            if tasks_of(source.dataset) == tasks_of(target.dataset) and not set(both) & set(sources):
                continue
            found = domain_distances(target.features, source.features)
            for assignment in ASSIGNMENTS:
                rows.append(
                    {
                        "source": source.dataset,
                        "target": target.dataset,
                        "source_domain": source.domain,
                        "target_domain": target.domain,
                        "assignment": assignment,
                        "distance": found[assignment],
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
    target_domain, target_task_type, measure (the target's metric). Besides the metrics: the baseline
    rankers, and otce_combined. Transfers whose baseline is at chance are left out, since their gains mean
    nothing.
    """
    measured = gains[~gains["source"].isin(BASELINES)].copy()
    measured = measured[~measured["baseline_at_chance"].eq(True).fillna(False)]
    lower = measured["higher_is_better"].eq(False).fillna(False)
    measured["value"] = measured["value"].where(~lower, -measured["value"])
    measured = measured.rename(columns={"metric": "measure"})
    keys = ["source", "target", "regime"]
    facts = ["source_dataset", "target_dataset", "source_n_train", "within_domain"]
    measured = measured[[*keys, "value", "gain", "target_domain", "target_task_type", "measure", *facts]]
    joined = with_ties(scores[["metric", *keys, "score"]]).merge(measured, on=keys)
    nearest = distances[distances["assignment"] == "target_to_source"]
    parts = [
        joined[~joined["metric"].isin(PARTS)],
        baseline_scores(measured, nearest),
        _combined_otce(joined),
    ]
    return pd.concat(
        [part[PAIR_COLUMNS] for part in parts if len(part)] or [joined[PAIR_COLUMNS]], ignore_index=True
    )


def with_ties(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of which those of a target that differ by rounding only, as the registry says, are the same number."""
    values = scores["score"].copy()
    for (metric, *_), group in scores.groupby(["metric", "regime", "target"], sort=False):
        if metric in METRICS:
            values.loc[group.index] = rounded(group["score"].to_numpy(float), METRICS[metric].tie)
    return scores.assign(score=values)


def metric_evaluation_table(pairs: pd.DataFrame, *, draws: int = DRAWS) -> pd.DataFrame:
    """Statistics of every metric by regime and task type: over all pairs, for a fixed target, for a fixed source."""
    rows = []
    # `common` is often the same as `all`, and one task type the same as all of them: computed once.
    views: dict[tuple[str, bool, bytes], list[dict[str, Any]]] = {}
    for (regime, task_type), group in _by_task_type(pairs):
        one_unit = len(set(group["measure"].dropna())) <= 1
        common = common_pairs(group)
        for metric, of_metric in group.groupby("metric", sort=True):
            for used, chosen in (("all", of_metric), ("common", _only(of_metric, common))):
                if chosen.empty:
                    continue
                named = {"regime": regime, "task_type": task_type, "pairs_used": used, "metric": metric}
                named["is_baseline"] = metric in BASELINE_RANKERS
                known = chosen.dropna(subset=["score"])
                place = (metric, one_unit, known.index.to_numpy().tobytes())
                if place not in views:
                    views[place] = [
                        {"fixed": fixed, "performance": performance} | row
                        for fixed, performance in VIEWS
                        for row in _view(known, fixed, performance, one_unit, draws)
                    ]
                rows += [named | row for row in views[place]]
    return frame_of(METRIC_EVALUATION, rows)


def metric_differences_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Paired differences between metrics for a fixed target, by regime and task type, with Holm's correction."""
    return frame_of(METRIC_DIFFERENCES, _compared(pairs, differences))


def metric_stability_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """What leaving out single sources does to every metric, and how much rankings differ between targets."""
    return frame_of(METRIC_STABILITY, _compared(pairs, stability))


def common_pairs(group: pd.DataFrame) -> set[tuple[str, str]]:
    """The (source, target) that all metrics have scored which have scored at least half of all pairs."""
    known = group.dropna(subset=["score"])
    everything = len(known.drop_duplicates(["source", "target"]))
    sets = [set(zip(part["source"], part["target"], strict=True)) for _, part in known.groupby("metric")]
    wide = [pairs for pairs in sets if 2 * len(pairs) >= everything]
    return set.intersection(*wide) if wide else set()


def _by_task_type(pairs: pd.DataFrame) -> Iterator[tuple[tuple[str, str], pd.DataFrame]]:
    """Pairs of every regime, all together and by the target's task type."""
    for regime, of_regime in pairs.groupby("regime", sort=True):
        yield (regime, "all"), of_regime
        for task_type, group in of_regime.groupby("target_task_type", sort=True):
            yield (regime, task_type), group


def _compared(pairs: pd.DataFrame, compare: Callable[..., Iterator[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Rows of one comparison for every regime and task type; a regime of one task type is computed once."""
    rows: list[dict[str, Any]] = []
    for regime, of_regime in pairs.groupby("regime", sort=True):
        found: dict[int, list[dict[str, Any]]] = {}
        for (_, task_type), group in _by_task_type(of_regime):
            if (
                len(group) not in found
            ):  # a task type has as many rows as all of them only if it is the only one
                found[len(group)] = list(compare(group.assign(performance=_ranked_by(group))))
            rows += [{"regime": regime, "task_type": task_type} | row for row in found[len(group)]]
            if len(group) < len(of_regime):
                del found[len(group)]
    return rows


def _only(group: pd.DataFrame, common: set[tuple[str, str]]) -> pd.DataFrame:
    """The rows of the common pairs, if the metric has scored all of them."""
    chosen = [pair in common for pair in zip(group["source"], group["target"], strict=True)]
    found = group[chosen].dropna(subset=["score"])
    return found if len(found) == len(common) else found.head(0)


def _view(
    chosen: pd.DataFrame, fixed: str, performance: str, one_unit: bool, draws: int
) -> list[dict[str, Any]]:
    """Rows of one view; none where nothing was measured, or where a metric's values would be mixed with another's."""
    if chosen[performance].isna().all() or (fixed == "source" and performance == "value" and not one_unit):
        return []
    side = None if fixed == "none" else fixed
    table = evaluate(chosen.assign(performance=chosen[performance]), fixed=side, seed=SEED, draws=draws)
    found = table.set_index("statistic", drop=False)
    # A gain may be 0 or negative, so that nothing is relative to it; its regret is in percent of the baseline.
    dropped = ["relative_regret"] if performance == "gain" else [] if one_unit else ["regret"]
    return found.drop(index=dropped, errors="ignore").to_dict("records")


def _ranked_by(group: pd.DataFrame) -> pd.Series:
    """What is ranked for a fixed target: the target's metric, or the gain where that is not known."""
    return group["gain"] if group["value"].isna().all() else group["value"]


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
