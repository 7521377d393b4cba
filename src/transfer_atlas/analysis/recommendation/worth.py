"""What a rule was worth on targets it had not seen: leaving out each target, and its dataset as a source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.predictors import (
    ILSVRC,
    LABELS,
    TRUTHS,
    Elsewhere,
    with_static_rank,
)
from transfer_atlas.analysis.recommendation.rules import RULES, Rule, fit
from transfer_atlas.analysis.tables.intervals import holm, paired_difference
from transfer_atlas.analysis.tables.metric_evaluation import regret, top_hit, weighted_kendall

FEWEST = 3  # candidates with a gain, or there is no order
STATISTICS = ("weighted_kendall", "top_1", "regret", "gain")
DECIDED = 0.05


def left_out(evidence: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Evidence without a dataset, as a target and as a source."""
    return evidence[(evidence["target_dataset"] != dataset) & (evidence["source_dataset"] != dataset)]


def by_target(evidence: pd.DataFrame) -> list[pd.DataFrame]:
    """Candidates of each target, with static ranks from the other targets."""
    elsewhere = Elsewhere(evidence)
    return [elsewhere.ranked(rows) for _, rows in evidence.groupby(["origin", "target"], sort=True)]


def worth_of_rules(
    evidence: pd.DataFrame, judged: pd.DataFrame | None = None, rules: Sequence[Rule] = RULES
) -> pd.DataFrame:
    """One row per rule and target: how well it ranked the target's sources, fitted on everything else.

    evidence: `predictors.COLUMNS`. judged: the rows to judge on, of the same columns; the evidence by default. Returns
    rule, target, weighted_kendall, top_1, regret and gain (of what it puts first, ILSVRC not among the choices),
    best (the best gain), all in percent of the target's result from ILSVRC; beats_ilsvrc (the probability that the rule
    gave its first choice), and n, the number of sources.
    """
    judged = evidence if judged is None else judged
    rows = []
    for (_, target), held_out in judged[judged["source"] != ILSVRC].groupby(["origin", "target"], sort=True):
        own = held_out.dropna(subset=["gain"])
        gains = own["gain"].to_numpy(float)
        if len(own) < FEWEST or np.ptp(gains) == 0:
            continue
        others = left_out(evidence, own["target_dataset"].iloc[0])
        own, seen = with_static_rank(own, others), by_target(others)
        with_ilsvrc = pd.concat([own, ilsvrc_of(own, others)], ignore_index=True)
        for rule in rules:
            fitted = fit(rule, seen)
            score = fitted.strengths(own)
            first = score == score.max()
            beats = fitted.probabilities(with_ilsvrc)[:-1, -1]
            rows.append(
                {
                    "rule": rule.name,
                    "target": target,
                    "weighted_kendall": weighted_kendall(score, gains),
                    "top_1": top_hit(score, gains),
                    "regret": regret(score, gains),
                    "gain": float(gains[first].mean()),
                    "best": float(gains.max()),
                    "beats_ilsvrc": float(beats[first].mean()),
                    "n": len(own),
                }
            )
    columns = ["rule", "target", *STATISTICS, "best", "beats_ilsvrc", "n"]
    return pd.DataFrame(rows, columns=columns)


def ilsvrc_of(own: pd.DataFrame, evidence: pd.DataFrame) -> pd.DataFrame:
    """ILSVRC as a candidate of the target of `own` (one row), of which nothing but its place elsewhere is known."""
    row = own.iloc[:1].assign(
        source=ILSVRC, source_dataset=ILSVRC, gain=0.0, same_domain=0.0, same_task_type=0.0
    )
    unknown = [
        name for name in (*LABELS, "known_elsewhere") if name not in (*TRUTHS, "static_rank") and name in row
    ]
    return with_static_rank(row.assign(**dict.fromkeys(unknown, np.nan)), evidence)


def comparisons(worth: pd.DataFrame, rules: Sequence[Rule] = RULES) -> pd.DataFrame:
    """Paired differences of every rule to the simplest one of its effort, with Holm's correction over the rules."""
    rows = []
    simplest = {rule.effort: rule.name for rule in reversed(rules)}
    for statistic in ("weighted_kendall", "regret"):
        of_rule = {name: group.set_index("target")[statistic] for name, group in worth.groupby("rule")}
        for rule in rules:
            reference = simplest[rule.effort]
            if rule.name == reference or rule.name not in of_rule:
                continue
            other = of_rule[reference].reindex(of_rule[rule.name].index)
            found = paired_difference(of_rule[rule.name].to_numpy(), other.to_numpy())
            names = ("difference", "low", "high", "p_value", "groups")
            rows.append(
                {"rule": rule.name, "reference": reference, "effort": rule.effort, "statistic": statistic}
                | dict(zip(names, found, strict=True))
            )
    frame = pd.DataFrame(rows)
    if len(frame):
        frame["p_holm"] = frame.groupby("statistic")["p_value"].transform(lambda p: holm(p.to_numpy()))
    return frame


def chosen_rule(worth: pd.DataFrame, effort: str, rules: Sequence[Rule] = RULES) -> Rule:
    """The simplest rule of an effort, unless another is decidedly better, beyond Holm's correction, in weighted tau or
    in regret, and in the other not decidedly worse.
    """
    candidates = [rule for rule in rules if rule.effort == effort]
    if worth.empty:
        return candidates[0]
    table = comparisons(worth, rules)
    for rule in candidates[1:]:
        of_rule = table[table["rule"] == rule.name].set_index("statistic") if len(table) else table
        if not len(of_rule):
            continue
        better = of_rule["difference"] * np.where(of_rule.index == "regret", -1, 1) > 0
        decided = of_rule["p_holm"] < DECIDED
        if (decided & better).any() and not (decided & ~better).any():
            return rule
    return candidates[0]
