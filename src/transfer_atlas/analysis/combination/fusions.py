"""How much better a linear probe of fused features is than that of the best single source. Pure functions.

Every source's features are of the same samples, standardised on the training samples of each split. Probes are
judged on images held out, by the same splits for all, so that their differences are paired.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.combination.schema import FUSION_SUMMARY, FUSIONS
from transfer_atlas.analysis.tables.intervals import mean_interval, seeds_interval
from transfer_atlas.analysis.tables.transfers import frame_of
from transfer_atlas.store.store import StoreError
from transfer_atlas.transferability.arrays import MetricInputError, UndefinedError
from transfer_atlas.transferability.fusion import How, fused, score_weights, standardised
from transfer_atlas.transferability.linear_probe import Probe, held_out_samples, linear_probe

SPLITS = 10
HELD_OUT = 0.3  # of the images
MOST_SAMPLES = 3000  # of a target that are probed, the same of every source
PERCENT = 100.0
SINGLE, ALL, PROPOSED = "single", "all", "proposed"


@dataclass(frozen=True)
class Fusion:
    """Which sources are fused, and how: names of the table's columns, and weights by source."""

    pool: str
    how: str
    weighting: str
    weights: Mapping[str, float]

    @property
    def source(self) -> str:
        """The single source; empty where there are several."""
        return next(iter(self.weights)) if self.pool == SINGLE else ""


def fusions_of(
    scores: Mapping[str, float | None], proposed: Sequence[str], temperature: float
) -> Iterator[Fusion]:
    """What is probed: each source alone; all that have a score, and those proposed, each way and weighting.

    scores: by source; proposed: no pool of its own where it is all sources, or fewer than two.
    """
    for name in scores:
        yield Fusion(SINGLE, "", "", {name: 1.0})
    known = [name for name, score in scores.items() if score is not None and np.isfinite(score)]
    pools = {ALL: known, PROPOSED: list(proposed)}
    if set(known) == set(proposed):
        del pools[PROPOSED]
    for pool, names in pools.items():
        if len(names) < 2:
            continue
        by_score = score_weights({name: scores[name] for name in names}, temperature)
        for how in ("concatenation", "sum"):
            yield Fusion(pool, how, "otce", by_score)
            yield Fusion(pool, how, "equal", {name: 1 / len(names) for name in names})


def fusion_rows(
    target: str,
    samples: Mapping[str, Mapping[str, np.ndarray]],
    scores: Mapping[str, float | None],
    proposed: Sequence[str],
    *,
    temperature: float = 1.0,
    splits: int = SPLITS,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Rows of the table `fusions` for one target.

    Parameters
    ----------
    samples
        By source, `features` (n, d), `labels` and `images` (n,) of the same samples of the target.
    scores
        OTCE score of every source; None where it has none: it is probed alone, and fused with none.
    proposed
        The sources that would be trained together.

    Notes
    -----
    Raises StoreError where the samples of two sources are not the same.
    """
    labels, images, features = _aligned(target, samples)
    asked = list(fusions_of({name: scores.get(name) for name in samples}, proposed, temperature))
    probes: dict[int, list[Probe | None]] = {number: [] for number in range(len(asked))}
    reasons: dict[int, Exception] = {}
    share = HELD_OUT / (1 - HELD_OUT)
    for split in range(splits):
        for number, fusion in enumerate(asked):
            generator = np.random.default_rng([seed, split])
            try:
                held_out = held_out_samples(labels, images, HELD_OUT, generator)
                probes[number].append(
                    linear_probe(_represented(fusion, features), labels, images, held_out, generator)
                )
            except MetricInputError as problem:
                probes[number].append(None)
                reasons.setdefault(number, problem)
    accuracies = {
        number: PERCENT * np.array([np.nan if probe is None else probe.accuracy for probe in found])
        for number, found in probes.items()
    }
    best = _best_single(asked, accuracies)
    chosen = _chosen_single(asked, scores)
    rows = []
    for number, fusion in enumerate(asked):
        values = accuracies[number]
        found = [probe for probe in probes[number] if probe is not None]
        low, high = seeds_interval(values, overlap=share)
        row: dict[str, Any] = {
            "target": target,
            "pool": fusion.pool,
            "how": fusion.how,
            "weighting": fusion.weighting,
            "source": fusion.source,
            "sources": list(fusion.weights),
            "weights": json.dumps({name: round(weight, 6) for name, weight in fusion.weights.items()}),
            "score": scores.get(fusion.source) if fusion.source else None,
            "accuracy": np.nanmean(values) if found else np.nan,
            "low": low,
            "high": high,
            "class_accuracy": PERCENT * np.mean([probe.class_accuracy for probe in found])
            if found
            else np.nan,
            "splits": len(found),
            "samples": len(labels),
            "status": "finished" if found else _status(reasons[number]),
            "reason": None if found else str(reasons[number]),
        }
        for what, other in (("best", best), ("chosen", chosen)):
            differences = values - accuracies[other] if other is not None else np.full(len(values), np.nan)
            known = differences[np.isfinite(differences)]
            if other == number or not len(known):
                row |= {f"from_{what}": np.nan, f"from_{what}_low": np.nan, f"from_{what}_high": np.nan}
                continue
            low, high = seeds_interval(known, overlap=share)
            row |= {f"from_{what}": known.mean(), f"from_{what}_low": low, f"from_{what}_high": high}
        rows.append(row)
    return rows


def fusions_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The table `fusions` of the rows of some targets."""
    return frame_of(FUSIONS, rows)


def fusion_summary_table(fusions: pd.DataFrame) -> pd.DataFrame:
    """The table `fusion_summary` of a table `fusions`: what is fused each way, over the targets."""
    rows = []
    several = fusions[fusions["pool"] != SINGLE]
    for names, group in several.groupby(["pool", "how", "weighting"], sort=True):
        known = group.dropna(subset=["accuracy"])
        if known.empty:
            continue
        row: dict[str, Any] = dict(zip(("pool", "how", "weighting"), names, strict=True))
        row |= {"targets": len(known), "accuracy": known["accuracy"].mean()}
        for what in ("best", "chosen"):
            values = known[f"from_{what}"].dropna().to_numpy()
            low, high = mean_interval(values, seed=0)
            row |= {
                f"from_{what}": values.mean() if len(values) else np.nan,
                f"from_{what}_low": low,
                f"from_{what}_high": high,
                f"beats_{what}": ((values > 0) + 0.5 * (values == 0)).mean() if len(values) else np.nan,
            }
        rows.append(row)
    return frame_of(FUSION_SUMMARY, rows)


def _represented(fusion: Fusion, features: Mapping[str, np.ndarray]) -> Any:
    how: How = "sum" if fusion.how == "sum" else "concatenation"  # of one source they are the same

    def represent(training: np.ndarray) -> np.ndarray:
        blocks = [standardised(features[name], training) for name in fusion.weights]
        return fused(blocks, list(fusion.weights.values()), how)

    return represent


def _aligned(
    target: str, samples: Mapping[str, Mapping[str, np.ndarray]]
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Labels, images and features by source, of at most MOST_SAMPLES samples that all sources saw."""
    first = next(iter(samples))
    labels, images = samples[first]["labels"], samples[first]["images"]
    for name, each in samples.items():
        if not (np.array_equal(each["labels"], labels) and np.array_equal(each["images"], images)):
            raise StoreError(
                f"features of {target} as {name} and {first} see them are not of the same samples, as they must be. "
                "One of the two was changed: remove both folders from the store, and run snakemake again."
            )
    rows = np.arange(len(labels))
    if len(rows) > MOST_SAMPLES:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_SAMPLES, replace=False))
    return labels[rows], images[rows], {name: each["features"][rows] for name, each in samples.items()}


def _best_single(asked: Sequence[Fusion], accuracies: Mapping[int, np.ndarray]) -> int | None:
    known = {
        number: float(np.nanmean(accuracies[number]))
        for number, fusion in enumerate(asked)
        if fusion.pool == SINGLE and np.isfinite(accuracies[number]).any()
    }
    return max(known, key=lambda number: (known[number], -number)) if known else None


def _chosen_single(asked: Sequence[Fusion], scores: Mapping[str, float | None]) -> int | None:
    known = {}
    for number, fusion in enumerate(asked):
        score = scores.get(fusion.source) if fusion.pool == SINGLE else None
        if score is not None and np.isfinite(score):
            known[number] = score
    return max(known, key=lambda number: (known[number], -number)) if known else None


def _status(problem: Exception) -> str:
    return "undefined" if isinstance(problem, UndefinedError) else "not_applicable"
