"""Which differences between metrics are decided, and how much a metric's place hangs on single sources."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import scipy

from transfer_atlas.analysis.tables.intervals import holm, paired_difference
from transfer_atlas.analysis.tables.metric_evaluation import (
    FEWEST,
    by_group,
    relative_regret,
    top_hit,
    weighted_kendall,
)

COMPARED = {"weighted_kendall": weighted_kendall, "top_1": top_hit, "relative_regret": relative_regret}
MEASURED = "measured"  # the name under which the measured ranking itself stands among the metrics


def differences(pairs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Mean differences over targets between every metric and every other, on the pairs that both have scored.

    pairs: metric, source, target, score, performance (higher is better in both). Yields metric, reference, statistic,
    difference (metric minus reference), low, high, p_value, p_holm, groups, pairs. Holm's correction is over
    all metrics compared with one reference in one statistic.
    """
    wide = _wide(pairs)
    table, known = wide.reset_index(), wide.notna()
    cache: dict[tuple[str, bytes], pd.DataFrame] = {}

    def statistics(metric: str, common: np.ndarray) -> pd.DataFrame:
        place = (metric, common.tobytes())
        if place not in cache:
            chosen = table.loc[common, ["target", metric, MEASURED]]
            chosen.columns = ["target", "score", "performance"]
            cache[place] = by_group(chosen, "target", COMPARED)
        return cache[place]

    metrics = [name for name in wide.columns if name != MEASURED]
    measured = known[MEASURED].to_numpy()
    for reference in metrics:
        rows = []
        for metric in metrics:
            if metric == reference:
                continue
            common = known[metric].to_numpy() & known[reference].to_numpy() & measured
            first, second = statistics(metric, common), statistics(reference, common)
            for name in COMPARED:
                found = paired_difference(first[name], second[name])
                row = {
                    "metric": metric,
                    "reference": reference,
                    "statistic": name,
                    "pairs": int(common.sum()),
                }
                rows.append(
                    row | dict(zip(("difference", "low", "high", "p_value", "groups"), found, strict=True))
                )
        frame = pd.DataFrame(rows)
        if len(frame):
            frame["p_holm"] = frame.groupby("statistic")["p_value"].transform(lambda p: holm(p.to_numpy()))
            yield from frame.to_dict("records")


def stability(pairs: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """How every metric's weighted tau for a given target, and its place among the metrics, change without one source.

    pairs as in `differences`. Yields metric, value, place, lowest, lowest_without, highest, highest_without,
    best_place, worst_place (1 is the best), and `agreement`: the mean Kendall tau between the metric's own
    rankings for two targets, over the sources they share. It is 1 for a list that is the same for every
    target; that of `measured`, whose row has nothing else, says how much there is to predict beyond such a
    list.
    """
    wide = _wide(pairs)
    metrics = [name for name in wide.columns if name != MEASURED]
    sources = sorted(wide.index.get_level_values("source").unique())
    yield (
        {"metric": MEASURED, "agreement": agreement(wide[MEASURED])}
        | dict.fromkeys(_STABLE, math.nan)
        | {
            "lowest_without": None,
            "highest_without": None,
        }
    )
    targets = [group.to_numpy(float) for _, group in wide.groupby(level="target", sort=True)]
    names = [
        group.index.get_level_values("source").to_numpy()
        for _, group in wide.groupby(level="target", sort=True)
    ]
    measured = wide.columns.get_loc(MEASURED)
    values, without = {}, {source: {} for source in sources}
    for metric in metrics:
        columns = [wide.columns.get_loc(metric), measured]
        values[metric] = _mean_tau([table[:, columns] for table in targets])
        for source in sources:
            kept = [table[name != source][:, columns] for table, name in zip(targets, names, strict=True)]
            without[source][metric] = _mean_tau(kept)
    places = {source: _places(of_source) for source, of_source in without.items()}
    overall = _places(values)
    for metric in metrics:
        taus = {source: of[metric] for source, of in without.items() if math.isfinite(of[metric])}
        row: dict[str, Any] = {"metric": metric, "value": values[metric], "place": overall[metric]}
        for name, choose in (("lowest", min), ("highest", max)):
            source = choose(taus, key=lambda each: taus[each]) if taus else None
            row |= {name: taus[source] if source else math.nan, f"{name}_without": source}
        found = [place[metric] for place in places.values() if math.isfinite(place[metric])]
        row |= {"best_place": min(found, default=math.nan), "worst_place": max(found, default=math.nan)}
        yield row | {"agreement": agreement(wide[metric])}


_STABLE = ("value", "place", "lowest", "highest", "best_place", "worst_place")


def agreement(scores: pd.Series) -> float:
    """Mean Kendall tau between the rankings of two targets over the sources both have; scores by (source, target)."""
    table = scores.rename("score").reset_index().pivot_table(index="source", columns="target", values="score")
    with warnings.catch_warnings():  # a constant ranking has no tau, which the matrix says
        warnings.simplefilter("ignore", scipy.stats.ConstantInputWarning)
        taus = table.corr(method="kendall", min_periods=FEWEST).to_numpy(float)
    taus = taus[np.triu_indices(len(taus), k=1)]
    taus = taus[np.isfinite(taus)]
    return float(taus.mean()) if len(taus) else math.nan


def _wide(pairs: pd.DataFrame) -> pd.DataFrame:
    """Scores by (source, target), a column a metric, and what was measured."""
    wide = pairs.pivot_table(index=["source", "target"], columns="metric", values="score", dropna=False)
    measured = pairs.drop_duplicates(["source", "target"]).set_index(["source", "target"])["performance"]
    wide = wide.dropna(axis=1, how="all")
    wide[MEASURED] = measured.reindex(wide.index)
    return wide


def _mean_tau(targets: list[np.ndarray]) -> float:
    """Mean weighted tau over targets, each (sources, 2): score and performance; nan where none has an order."""
    taus = []
    for table in targets:
        known = table[np.isfinite(table).all(axis=1)]
        if len(known) >= FEWEST:
            taus.append(weighted_kendall(known[:, 0], known[:, 1]))
    finite = [tau for tau in taus if math.isfinite(tau)]
    return float(np.mean(finite)) if finite else math.nan


def _places(values: dict[str, float]) -> dict[str, float]:
    """Place of every metric, 1 the best; nan where it has no value."""
    ranks = pd.Series(values, dtype=float).rank(ascending=False, method="min")
    return ranks.to_dict()
