"""What is known of the candidates for one target, as the rows that rules rank. Pure functions but for reading files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.evidence import with_scores
from transfer_atlas.analysis.recommendation.predictors import COLUMNS, ILSVRC, SCORED, STUDY
from transfer_atlas.study.task import type_of_multi

MULTI = "multi_"


@dataclass(frozen=True)
class Nearest:
    """The image of a source that is closest to each image of the target, by pooled features.

    distances (n,) Euclidean, places: the dataset of each (n,), positions (n,) among that dataset's features.
    """

    distances: np.ndarray
    places: np.ndarray
    positions: np.ndarray

    @property
    def mean(self) -> float:
        """D(T given S) of equation 1 (Mensink et al.)."""
        return float(self.distances.mean())


def nearest_images(target: np.ndarray, sources: Mapping[str, np.ndarray]) -> Nearest:
    """Closest images among the datasets of one source; features (n, d) of the target, (m, d) of each dataset."""
    from sklearn.metrics import (
        pairwise_distances_argmin_min,  # late: without images there is nothing to compare
    )

    own = target.astype(np.float64)  # squares of large features do not fit into float32
    found = [pairwise_distances_argmin_min(own, features.astype(np.float64)) for features in sources.values()]
    distances = np.stack([distance for _, distance in found])
    best = distances.argmin(axis=0)
    every = np.arange(len(target))
    positions = np.stack([position for position, _ in found])[best, every]
    return Nearest(distances[best, every], np.array(list(sources))[best], positions)


def nearest_of_all(
    candidates: Sequence[Mapping[str, Any]], features: Mapping[str, np.ndarray], place: str
) -> dict[str, Nearest]:
    """`Nearest` of every candidate all of whose datasets have features; images of the target itself do not count."""
    found = {}
    for candidate in candidates:
        places = [each for each in candidate["datasets"] if each != place]
        if places and all(each in features for each in places) and place in features:
            found[candidate["source"]] = nearest_images(
                features[place], {each: features[each] for each in places}
            )
    return found


def candidate_rows(
    facts: Mapping[str, Any],
    distances: Mapping[str, float],
    scores: pd.DataFrame,
    places: pd.Series,
    sizes: Mapping[str, float],
) -> pd.DataFrame:
    """One row per candidate, of `predictors.COLUMNS` and `known_elsewhere`, without a gain.

    facts: target, place, domain and candidates, as the plan has them. distances: D(T given S) by source. scores:
    metric,
    source, target, score. places: published places by source, for sources of real datasets of the same names. sizes:
    training images by source.
    """
    task_type = facts["target"].split("/")[0]
    rows = []
    for candidate in facts["candidates"]:
        source = candidate["source"]
        rows.append(
            {
                "origin": STUDY,
                "target": facts["target"],
                "source": source,
                "target_dataset": facts["place"].split("@")[0],
                "source_dataset": candidate["datasets"][0] if len(candidate["datasets"]) == 1 else source,
                "target_task_type": task_type,
                "gain": 0.0 if source == ILSVRC else math.nan,
                "size": sizes.get(source, math.nan),
                "same_domain": float(facts["domain"] in candidate["domains"]),
                "same_task_type": float(candidate.get("task_type", type_of(source)) == task_type),
                "domain_distance": -distances.get(source, math.nan),
                "known_elsewhere": places.get(source, math.nan) if candidate["real"] else math.nan,
            }
        )
    table = pd.DataFrame(rows).astype({"domain_distance": float, "size": float, "known_elsewhere": float})
    known = scores if len(scores) else pd.DataFrame(columns=["metric", "target", "source", "score"])
    return with_scores(table, known)[[*COLUMNS, "known_elsewhere"]]


def public_rows(facts: Mapping[str, Any], public: pd.DataFrame, places: pd.Series) -> pd.DataFrame:
    """Public datasets as candidates, of which domain, size, task type and published place are known."""
    candidates = [
        {"source": row.source, "datasets": [row.source.split("/")[1]], "domains": [row.domain], "real": True}
        for row in public.itertuples()
    ]
    sizes = dict(zip(public["source"], public["size"], strict=True))
    asked = {**facts, "candidates": candidates}
    return candidate_rows(asked, {}, pd.DataFrame(), places, sizes)


def type_of(source: str) -> str:
    """Task type of a source's training; classification for pretrained networks and ILSVRC."""
    if source.startswith(MULTI):
        return type_of_multi(source)
    return source.split("/")[0] if "/" in source else "classification"


def training_images(candidates: Sequence[Mapping[str, Any]], gains: pd.DataFrame) -> dict[str, float]:
    """Number of training images by source, as far as its prepared datasets, or a table of gains, say it."""
    found = {}
    if len(gains):
        known = gains.dropna(subset=["source_n_train"]).drop_duplicates("source")
        found = dict(zip(known["source"], known["source_n_train"].astype(float), strict=True))
    for candidate in candidates:
        counts = [_described(folder).get("counts", {}).get("train") for folder in candidate["prepared"]]
        if counts and None not in counts and candidate["source"] not in found:
            found[candidate["source"]] = float(sum(counts))
    return found


def classes_of(folder: str | None, task_type: str) -> list[str]:
    """Names of the classes of a prepared dataset; of keypoints their names; none where it is not there."""
    described = _described(folder).get(task_type) or {} if folder else {}
    return list(described.get("classes") or described.get("names") or [])


def _described(folder: str) -> dict[str, Any]:
    path = Path(folder) / "dataset.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def scored_by(rows: pd.DataFrame) -> list[str]:
    """Metrics that have scored two candidates or more."""
    return [name for name in SCORED if rows[name].notna().sum() > 1]
