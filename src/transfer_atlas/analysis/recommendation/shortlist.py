"""How much of the best gain is kept where only a shortlist is fine-tuned: by rules, by a static list, at random."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.predictors import ILSVRC, with_static_rank
from transfer_atlas.analysis.recommendation.rules import Rule, fit
from transfer_atlas.analysis.recommendation.worth import by_target, left_out

SHARES = (0.1, 0.25, 0.5)  # of the cost of fine-tuning all sources
STATIC, RANDOM = "static_list", "random"
FEWEST = 3


def shortlists(
    evidence: pd.DataFrame,
    rules: Sequence[Rule],
    judged: pd.DataFrame | None = None,
    shares: Sequence[float] = SHARES,
) -> pd.DataFrame:
    """One row per target, share and way of choosing: `kept`, the share of the best gain that the shortlist has.

    Each target and its dataset as a source are left out of what the choice is learnt from. A shortlist of a share of n
    sources has the nearest number, at least one. ILSVRC is at hand in any case, so that a shortlist of sources that all
    lose keeps a gain of 0; targets that no source helps have nothing to keep and are left out.
    """
    judged = evidence if judged is None else judged
    rows = []
    for (_, target), held_out in judged[judged["source"] != ILSVRC].groupby(["origin", "target"], sort=True):
        own = held_out.dropna(subset=["gain"])
        gains = own["gain"].to_numpy(float)
        if len(own) < FEWEST or gains.max() <= 0:
            continue
        others = left_out(evidence, own["target_dataset"].iloc[0])
        own, seen = with_static_rank(own, others), by_target(others)
        orders = {rule.name: fit(rule, seen).strengths(own) for rule in rules}
        orders[STATIC] = own["static_rank"].fillna(own["static_rank"].mean()).fillna(0).to_numpy(float)
        for share in shares:
            number = max(1, round(share * len(own)))
            kept = {name: _kept(score, gains, number) for name, score in orders.items()}
            kept[RANDOM] = _kept(np.zeros(len(own)), gains, number)
            rows += [
                {"target": target, "share": share, "number": number, "by": name, "kept": value}
                for name, value in kept.items()
            ]
    return pd.DataFrame(rows, columns=["target", "share", "number", "by", "kept"])


def _kept(score: np.ndarray, gains: np.ndarray, number: int) -> float:
    """Expected best gain (0 or more) among the `number` highest scores, by the best of all; equal scores are drawn."""
    place = np.sort(score)[::-1][number - 1]
    sure, tied = gains[score > place], np.sort(gains[score == place])[::-1]
    left, floor = number - len(sure), max(0.0, sure.max(initial=0.0))
    size, total, expected = len(tied), math.comb(len(tied), left), 0.0
    for rank, gain in enumerate(tied):  # the best of the drawn ones is that of this rank
        ways = math.comb(size - rank - 1, left - 1) if size - rank - 1 >= left - 1 else 0
        expected += ways / total * max(floor, float(gain))
    return expected / float(gains.max())


def as_table(found: pd.DataFrame) -> pd.DataFrame:
    """Mean over targets: ways of choosing in rows, shares in columns."""
    return found.pivot_table(index="by", columns="share", values="kept", aggfunc="mean")
