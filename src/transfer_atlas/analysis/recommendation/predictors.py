"""What a ranking of candidates for a target is made of, as places among the candidates, and what each effort knows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transfer_atlas.scoring.registry import METRICS
from transfer_atlas.transferability.ties import rounded

PRIOR = ("size", "same_domain", "same_task_type", "static_rank")
IMAGES = (*PRIOR, "domain_distance")
SCORED = ("gbc", "h_score", "leep", "logme", "n_leep", "nce", "shrinkage_h_score")
LABELS = (*IMAGES, *SCORED)
EFFORTS = {"none": PRIOR, "images": IMAGES, "labels": LABELS}
PUBLISHED, STUDY = "published", "study"
TRUTHS = ("same_domain", "same_task_type")  # 0 or 1, no place
ILSVRC = "ilsvrc"
# One row of evidence: a candidate of a target, and its measured gain over ILSVRC in percent (0 for ILSVRC itself).
# origin: "published" or "study", each with its own targets and its own list of what was good elsewhere.
FACTS = ("origin", "target", "source", "target_dataset", "source_dataset", "target_task_type", "gain")
COLUMNS = (*FACTS, "size", "same_domain", "same_task_type", "domain_distance", *SCORED)


def places(rows: pd.DataFrame, predictors: Sequence[str]) -> np.ndarray:
    """Places (n, k) of the candidates of one target by each predictor, 0 the worst and 1 the best, nan where unknown.

    Equal values, and scores that differ by rounding only, share their mean place. What is true or false is 1 or 0. A
    predictor that knows one candidate alone compares nothing: its place is nan.
    """
    found = np.full((len(rows), len(predictors)), np.nan)
    for number, name in enumerate(predictors):
        values = rows[name].to_numpy(float)
        if name in TRUTHS:
            found[:, number] = values
            continue
        tie = METRICS[name].tie if name in METRICS else 0.0
        values = rounded(values, tie)
        known = np.isfinite(values)
        if known.sum() > 1:
            ranks = pd.Series(values[known]).rank().to_numpy()
            found[known, number] = (ranks - 1) / (known.sum() - 1)
    return found


def with_static_rank(rows: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """Rows of one target with `static_rank`: the mean place, by measured gain, of the source on other targets.

    Of evidence of the rows' own origin, without targets on their dataset. A source that was measured nowhere has what
    the rows say under `known_elsewhere` (its published place, say), or nan.
    """
    return Elsewhere(evidence).ranked(rows)


class Elsewhere:
    """What the sources of measured transfers were worth on targets other than the one that is asked about."""

    def __init__(self, evidence: pd.DataFrame) -> None:
        known = evidence.dropna(subset=["gain"])
        self._place = places_on_targets(known)
        self._origin, self._target_dataset = (known[name].to_numpy() for name in ("origin", "target_dataset"))
        self._source, self._names = pd.factorize(known["source"])

    def ranked(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The rows of one target with `static_rank`; see `with_static_rank`."""
        found = (
            rows["source"]
            .map(self.mean_places(set(rows["origin"]), without=set(rows["target_dataset"])))
            .astype(float)
        )
        if "known_elsewhere" in rows:
            found = found.fillna(rows["known_elsewhere"])
        return rows.assign(static_rank=found)

    def mean_places(self, origins: set[str], without: set[str]) -> dict[str, float]:
        """Mean place of every source over targets that are not on these datasets, of transfers of these origins."""
        used = np.isfinite(self._place)
        used &= np.logical_or.reduce([self._origin == origin for origin in origins])
        used &= ~np.logical_or.reduce([self._target_dataset == dataset for dataset in without])
        source, place = self._source[used], self._place[used]
        number = np.bincount(source, minlength=len(self._names))
        total = np.bincount(source, weights=place, minlength=len(self._names))
        # the order in which places are added up must make no tie an order
        return {
            self._names[each]: float(np.round(total[each] / number[each], 12))
            for each in np.flatnonzero(number)
        }


def places_on_targets(known: pd.DataFrame) -> np.ndarray:
    """Place (n,) of every measured transfer among those of its target, 0 the worst and 1 the best; nan if alone."""
    of_target = known.groupby(["origin", "target"])["gain"]
    number = of_target.transform("size")
    return ((of_target.rank() - 1) / (number - 1)).where(number > 1).to_numpy(float)


def mean_places(evidence: pd.DataFrame) -> pd.Series:
    """Mean place of every source over the targets it was measured on, 0 the worst and 1 the best."""
    known = evidence.dropna(subset=["gain"])
    return pd.Series(places_on_targets(known), known.index).groupby(known["source"]).mean()
