"""Rules that say which of two candidates is the better start, from places by predictors: fixed, or learnt."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit

from transfer_atlas.analysis.recommendation.predictors import EFFORTS, SCORED, places

SHRINKAGE = 1.0  # variance of the weights' normal prior; a target counts as one observation
UNSHRUNK = 1e3
STEEPEST = 20.0  # of a rule that was never wrong: it has not seen everything
LEAST_TARGETS = 2  # to learn weights from


@dataclass(frozen=True)
class Rule:
    """Groups of predictors; the members of one group share its weight, as far as they know both candidates.

    A fixed rule weighs all groups alike. A learnt one has weights from measured transfers. effort: what it needs.
    """

    name: str
    effort: str
    groups: tuple[tuple[str, ...], ...]
    learnt: bool = False


def _single(effort: str) -> tuple[tuple[str, ...], ...]:
    return tuple((name,) for name in EFFORTS[effort])


# The simplest first: the default of an effort is the first one, unless another is decidedly better (`worth.py`).
RULES = (
    Rule("domain_and_static_rank", "none", (("same_domain",), ("static_rank",))),
    Rule("learnt_prior", "none", _single("none"), learnt=True),
    Rule("static_and_distance", "images", (("static_rank",), ("domain_distance",))),
    Rule("learnt_images", "images", _single("images"), learnt=True),
    Rule("static_distance_and_metrics", "labels", (("static_rank",), ("domain_distance",), SCORED)),
    Rule("learnt_labels", "labels", _single("labels"), learnt=True),
)


@dataclass(frozen=True)
class Fitted:
    """A rule with the weights (groups,) of differences of places: P(a beats b) = expit(sum of weighted differences)."""

    rule: Rule
    weights: np.ndarray

    def probabilities(self, rows: pd.DataFrame) -> np.ndarray:
        """P (n, n) that the candidate of a row is a better start than that of a column; 1/2 where nothing compares."""
        return expit(differences(rows, self.rule) @ self.weights)

    def strengths(self, rows: pd.DataFrame) -> np.ndarray:
        """Share (n,) of the other candidates that each is expected to beat (Copeland's rule, with probabilities)."""
        return strengths(self.probabilities(rows))


def strengths(probabilities: np.ndarray) -> np.ndarray:
    """Mean (n,) over the others of P (n, n); 1/2 for a single candidate."""
    number = len(probabilities)
    return (probabilities.sum(axis=1) - 0.5) / (number - 1) if number > 1 else np.full(number, 0.5)


def compared(rows: pd.DataFrame, rule: Rule) -> np.ndarray:
    """Whether any predictor of a rule knows both of two candidates, (n, n)."""
    known = np.isfinite(places(rows, [name for group in rule.groups for name in group]))
    return (known.astype(float) @ known.T.astype(float)) > 0


def differences(rows: pd.DataFrame, rule: Rule) -> np.ndarray:
    """Differences (n, n, groups) of places, rows less columns: the mean over those of a group that know both, else
    0.
    """
    found = []
    for group in rule.groups:
        values = places(rows, group)
        known = np.isfinite(values).astype(float)
        filled = np.nan_to_num(values)
        common = known @ known.T
        total = (
            filled @ known.T - known @ filled.T
        )  # what only one of the two has drops out: its other side is 0
        found.append(np.divide(total, common, out=np.zeros_like(total), where=common > 0))
    return np.stack(found, axis=-1)


def fit(rule: Rule, targets: Iterable[pd.DataFrame], known: dict[str, list[float]] | None = None) -> Fitted:
    """Weights from measured transfers: `targets` are the candidates of one target each, with `gain` and predictors.

    Logistic regression on pairs (Bradley and Terry 1952, with covariates). A pair weighs as in the weighted tau: by
    1 / rank of either, the best most; all pairs of a target together weigh 1, since they are not independent. Learnt
    weights are shrunk towards 0 by a normal prior. Both kinds of rule then get one factor, so that probabilities are
    as often right as they say. known: regressions that were made before, by `name_of`; those that are made are added.
    """
    samples, weights = [], []
    for rows in targets:
        chosen, weight = _pairs(rows, rule)
        if len(chosen):
            samples.append(chosen)
            weights.append(weight)
    number = len(rule.groups)
    if len(samples) < LEAST_TARGETS:
        return Fitted(rule, np.full(number, 2.0))
    pairs, weight = np.concatenate(samples), np.concatenate(weights)
    direction = _logistic(pairs, weight, SHRINKAGE, known) if rule.learnt else np.ones(number)
    if not direction.any():
        return Fitted(rule, direction)
    factor = _logistic((pairs @ direction)[:, None], weight, UNSHRUNK, known)[0]
    steepest = STEEPEST / max(np.abs(direction).sum(), 1e-12)
    return Fitted(rule, direction * float(np.clip(factor, 0.0, steepest)))


def _pairs(rows: pd.DataFrame, rule: Rule) -> tuple[np.ndarray, np.ndarray]:
    """Differences (pairs, groups) of one target, the better candidate first, and their weights, which sum to 1."""
    rows = rows.dropna(subset=["gain"])
    gains = rows["gain"].to_numpy(float)
    better, worse = np.nonzero(gains[:, None] > gains)
    found = differences(rows, rule)[better, worse] if len(rows) else np.empty((0, len(rule.groups)))
    rank = pd.Series(-gains).rank().to_numpy()
    weight = 1 / rank[better] + 1 / rank[worse]
    told = found.any(axis=1)
    found, weight = found[told], weight[told]
    return found, weight / weight.sum() if len(weight) else weight


def name_of(pairs: np.ndarray, weight: np.ndarray, variance: float) -> str:
    """What a regression is known by: a hash of all that it is made of."""
    digest = hashlib.sha256(f"{variance!r} {pairs.shape}".encode())
    for array in (pairs, weight):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()[:32]


def _logistic(
    pairs: np.ndarray,
    weight: np.ndarray,
    variance: float,
    known: dict[str, list[float]] | None = None,
) -> np.ndarray:
    """Weights (k,) of an antisymmetric logistic regression: every pair both ways, without an intercept."""
    name = name_of(pairs, weight, variance)
    if known is not None and name in known:
        return np.array(known[name])
    from sklearn.linear_model import LogisticRegression  # late: it takes a second, and the prior's are known

    model = LogisticRegression(C=variance, fit_intercept=False, max_iter=1000, tol=1e-8)
    both = np.concatenate([pairs, -pairs])
    truth = np.repeat([1, 0], len(pairs))
    found = model.fit(both, truth, sample_weight=np.concatenate([weight, weight]) / 2).coef_[0]
    if known is not None:
        known[name] = found.tolist()
    return found
