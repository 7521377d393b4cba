"""The answer to "what should I start from?": a start, its expected gain, and how sure that is. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.predictors import ILSVRC
from transfer_atlas.analysis.recommendation.rules import Fitted, compared
from transfer_atlas.analysis.tables.intervals import mean_interval
from transfer_atlas.analysis.tables.uncertainty import POSITIVE

SURE = 0.75  # probability from which one of two candidates is called better
FEWEST_ALIKE = 8  # choices on other targets that an expected gain is the mean of, where there are as many
SHARE_ALIKE = 1 / 3  # of all choices, the nearest by their probability
SEED = 0  # of the bootstrap


@dataclass(frozen=True)
class Expected:
    """Gain in percent that like choices brought on other targets: mean, 95 % interval, how many, and how many
    gained.
    """

    gain: float
    low: float
    high: float
    targets: int
    positive: int


@dataclass(frozen=True)
class Answer:
    """What to start from.

    Attributes
    ----------
    words
        "start from X", "stay with ILSVRC", or "X or Y: undecided".
    starts
        The candidates that the words name, the most promising first.
    expected
        Of the first source among them; None where no choice on other targets is known.
    beats_ilsvrc
        The rule's probability that it is better than ILSVRC.
    """

    words: str
    starts: list[str] = field(default_factory=list)
    expected: Expected | None = None
    beats_ilsvrc: float = math.nan


def ranking(rows: pd.DataFrame, fitted: Fitted) -> pd.DataFrame:
    """Candidates of one target, the most promising first.

    rank; source; strength: share of the others that it is expected to beat; beats_ilsvrc; loses_to_first: the
    probability that the first source beats it; compared_with: from how many others anything tells it.
    """
    rows = rows.reset_index(drop=True)
    probabilities = fitted.probabilities(rows)
    strength = fitted.strengths(rows)
    known = compared(rows, fitted.rule)
    order = np.lexsort((rows["source"].to_numpy(), -strength))
    ilsvrc = np.flatnonzero(rows["source"] == ILSVRC)
    first = _first_source(rows, order)
    table = pd.DataFrame(
        {
            "source": rows["source"],
            "strength": strength,
            "beats_ilsvrc": probabilities[:, ilsvrc[0]] if len(ilsvrc) else math.nan,
            "loses_to_first": probabilities[first] if first is not None else math.nan,
            "compared_with": known.sum(axis=1) - np.diag(known),
        }
    )
    table = table.iloc[order].reset_index(drop=True)
    table.insert(0, "rank", table["strength"].rank(ascending=False, method="min"))
    table.loc[table["source"] == ILSVRC, "beats_ilsvrc"] = math.nan
    return table


def answer_of(ranked: pd.DataFrame, worth: pd.DataFrame) -> Answer:
    """The answer that a `ranking` gives, with what the rule's choices gained on targets it had not seen (`worth`).

    A source is named if its probability of beating ILSVRC is above 3/4 and like choices did not lose on average; ILSVRC
    if the probability is below 1/4, or like choices cannot gain 2 %; both, undecided, otherwise. Sources that the first
    one beats with less than 3/4 are named beside it, at most two.
    """
    sources = ranked[ranked["source"] != ILSVRC]
    if sources.empty:
        return Answer("stay with ILSVRC", [ILSVRC])
    first = sources.iloc[0]
    beats, expected = float(first["beats_ilsvrc"]), expected_gain(worth, float(first["beats_ilsvrc"]))
    near = sources.iloc[1:]
    near = near[(near["loses_to_first"] < SURE) & (near["compared_with"] > 0)]
    alike = [str(first["source"]), *near["source"].head(2)]
    has_interval = expected is not None and math.isfinite(expected.low)
    hopeless = has_interval and expected.high <= POSITIVE
    gains = not has_interval or expected.low > 0
    if beats < 1 - SURE or hopeless:
        return Answer("stay with ILSVRC", [ILSVRC], expected, beats)
    if beats < SURE or not gains:
        return Answer(f"{' or '.join(alike)} or ILSVRC: undecided", [*alike, ILSVRC], expected, beats)
    if len(alike) > 1:
        return Answer(f"{' or '.join(alike)}: undecided", alike, expected, beats)
    return Answer(f"start from {alike[0]}", alike, expected, beats)


def expected_gain(worth: pd.DataFrame, beats_ilsvrc: float) -> Expected | None:
    """What choices of the same rule gained whose probability of beating ILSVRC was nearest, each on an unseen
    target.
    """
    if worth.empty:
        return None
    distance = _logit(worth["beats_ilsvrc"].to_numpy(float)) - _logit(np.array([beats_ilsvrc]))
    number = max(FEWEST_ALIKE, math.ceil(SHARE_ALIKE * len(worth)))
    nearest = np.argsort(np.abs(distance), kind="stable")[:number]
    gains = worth["gain"].to_numpy(float)[nearest]
    low, high = mean_interval(gains, SEED)
    return Expected(float(gains.mean()), low, high, len(gains), int((gains > 0).sum()))


def _logit(probability: np.ndarray) -> np.ndarray:
    clipped = np.clip(np.nan_to_num(probability, nan=0.5), 1e-6, 1 - 1e-6)
    return np.log(clipped / (1 - clipped))


def _first_source(rows: pd.DataFrame, order: np.ndarray) -> int | None:
    """Position of the strongest candidate that is not ILSVRC."""
    return next((int(place) for place in order if rows["source"].iloc[place] != ILSVRC), None)
