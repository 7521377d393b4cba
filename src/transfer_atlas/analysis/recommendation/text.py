"""A recommendation for reading, as a table, and as the few facts that a program needs. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfer_atlas.analysis.recommendation.answer import SURE, Expected
from transfer_atlas.analysis.recommendation.predictors import ILSVRC
from transfer_atlas.analysis.recommendation.prior import Prior
from transfer_atlas.analysis.recommendation.reasons import cost_of, reasons_for
from transfer_atlas.analysis.recommendation.recommend import Recommended, next_effort
from transfer_atlas.analysis.recommendation.worth import chosen_rule
from transfer_atlas.analysis.tables.intervals import paired_difference
from transfer_atlas.analysis.tables.score_schema import RECOMMENDATIONS
from transfer_atlas.analysis.tables.transfers import frame_of

SHOWN = 15  # candidates that the text names
LOOKED_AT = {
    "none": "its domain and task type; neither images nor annotation were looked at",
    "images": "its images, not its annotation",
    "labels": "its images and annotation",
}
NAMED = 8  # sources that are left out
ADDS = {
    "images": "effort=images compares its images with those of the sources (minutes; no annotation)",
    "labels": "effort=labels scores every candidate on its annotated images (a forward pass of each; no fine-tuning)",
}


def as_text(
    found: Recommended, facts: Mapping[str, Any], prior: Prior, seconds: float, failed: Mapping[str, str]
) -> str:
    """The answer, what it is worth, why, and what more could be done."""
    answer, effort = found.answer, facts["effort"]
    lines = [f"{facts['target']}: {answer.words}", f"by {LOOKED_AT[effort]}", ""]
    if answer.expected is not None:
        lines.append(f"Expected gain over ILSVRC: {_expected(answer.expected)}")
    if math.isfinite(answer.beats_ilsvrc):
        lines.append(f"Probability that its first source is better than ILSVRC: {answer.beats_ilsvrc:.0%}")
    lines += _worth(found)
    lines.append(cost_of(answer.starts, facts))
    lines += _left_out(facts.get("left_out") or {}, len(found.rows) - 1)
    if seconds:
        lines.append(f"Looking took {seconds:.0f} s of computing")
    lines.append("")
    named = [name for name in answer.starts if name != ILSVRC] or list(found.ranked["source"].head(1))
    for name in named:
        lines += [
            f"Why {name}:",
            *(f"  {each}" for each in reasons_for(name, facts, found.rows, found.nearest)),
        ]
    lines += ["", *_ranking(found)]
    lines += [f"{source} has no score: {reason}" for source, reason in failed.items()]
    if effort != "labels":
        lines += ["", *_public(found)]
    following = next_effort(effort)
    if following is not None:
        lines += ["", f"{ADDS[following]}. {_added(prior, effort, following)}"]
    return "\n".join(lines)


def _left_out(left_out: Mapping[str, str], scored: int) -> list[str]:
    """Sources of a large pool that were not scored, by reason; scored: how many were, ILSVRC apart."""
    if not left_out:
        return []
    lines = [
        f"Of {len(left_out) + scored} sources, {scored} were scored; --config pool=all scores all. Left out were"
    ]
    for reason in sorted(set(left_out.values())):
        names = sorted(name for name, why in left_out.items() if why == reason)
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        lines.append(f"  {len(names)} ({', '.join(names[:NAMED])}{more}): {reason}")
    return lines


def _expected(expected: Expected) -> str:
    interval = ""
    if math.isfinite(expected.low):
        interval = f" (95 % interval of the mean {expected.low:+.0f} to {expected.high:+.0f})"
    return (
        f"{expected.gain:+.0f} %{interval}: what the rule's choices gained on {expected.targets} other targets "
        f"where it was "
        f"about as sure; {expected.positive} of them gained"
    )


def _worth(found: Recommended) -> list[str]:
    lines = []
    for where, worth in (
        ("on this study's other targets", found.own_worth),
        ("on published transfers", found.prior_worth),
    ):
        if len(worth):
            lines.append(
                f"Leaving one target out, {where} ({len(worth)}): first choice best {worth['top_1'].mean():.0%}, it "
                f"gained "
                f"{worth['gain'].mean():+.0f} % where the best source gained {worth['best'].mean():+.0f} %, "
                f"weighted tau "
                f"{worth['weighted_kendall'].mean():.2f}"
            )
    return [*lines, f"Rule: {found.fitted.rule.name} (the simplest unless another is decidedly better)"]


def _ranking(found: Recommended) -> list[str]:
    table = found.ranked.head(SHOWN)
    width = max(len("candidate"), *map(len, table["source"]))
    lines = [f"{'':>4}  {'candidate':<{width}}  beats others  beats ILSVRC  beaten by the first"]
    for row in table.itertuples():
        beats = "" if math.isnan(row.beats_ilsvrc) else f"{row.beats_ilsvrc:.0%}"
        first = f"{row.loses_to_first:.0%}" if not math.isnan(row.loses_to_first) else ""
        note = "" if row.compared_with else "   nothing compares it"
        lines.append(
            f"{row.rank:>4.0f}  {row.source:<{width}}  {row.strength:>12.0%}  {beats:>12}  {first:>19}{note}"
        )
    if len(found.ranked) > SHOWN:
        lines.append(f"and {len(found.ranked) - SHOWN} more, in the table")
    return [*lines, f"(two candidates are told apart where one beats the other with {SURE:.0%} or more)"]


def _public(found: Recommended) -> list[str]:
    if found.public.empty:
        return [
            "The study has every public dataset of which published transfers tell: none is worth fetching besides."
        ]
    lines = ["Public datasets worth fetching as a source, by domain, size and published transfers:"]
    for row in found.public.itertuples():
        lines.append(
            f"  {row.source} ({row.name}, {row.domain}, {row.size:.0f} images): beats ILSVRC "
            f"{row.beats_ilsvrc:.0%}, the "
            f"study's best {row.beats_best:.0%}"
        )
    return lines


def _added(prior: Prior, effort: str, following: str) -> str:
    """What the next effort added on published targets, as a paired difference."""
    rows = prior.worth[prior.worth["judged"] == "segmentation_272_pairs"]
    tables = [
        rows[rows["rule"] == chosen_rule(prior.worth[prior.worth["judged"] == "all"], each).name].set_index(
            "target"
        )
        for each in (following, effort)
    ]
    after, before = (table["weighted_kendall"].sort_index().to_numpy() for table in tables)
    mean, low, high, _, number = paired_difference(after, before)
    return (
        f"On {number} published segmentation targets that changed the weighted tau by {mean:+.2f} ({low:+.2f} to "
        f"{high:+.2f})"
    )


def as_table(found: Recommended, target: str) -> pd.DataFrame:
    """One row per candidate and predictor of the rule."""
    ranked = found.ranked.set_index("source")
    weights = {
        name: weight / len(group)
        for group, weight in zip(found.fitted.rule.groups, found.fitted.weights, strict=True)
        for name in group
    }
    rows = []
    for candidate in found.rows.to_dict("records"):
        place = ranked.loc[candidate["source"]]
        for name, weight in weights.items():
            values = found.rows[name]
            rank = values.rank(ascending=False)[found.rows["source"] == candidate["source"]].iloc[0]
            rows.append(
                {"target": target, "source": candidate["source"], "overall_rank": place["rank"]}
                | {"strength": place["strength"], "beats_ilsvrc": place["beats_ilsvrc"]}
                | {"metric": name, "score": candidate[name], "rank": rank, "weight": weight}
            )
    return frame_of(RECOMMENDATIONS, rows)


def as_facts(found: Recommended, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Answer and order of the candidates, for programs; numbers that are not known are None."""
    expected = found.answer.expected
    told = None
    if expected is not None:
        told = {"gain": expected.gain, "low": _known(expected.low), "high": _known(expected.high)}
        told |= {"targets": expected.targets, "positive": expected.positive}
    return {
        "target": facts["target"],
        "effort": facts["effort"],
        "answer": found.answer.words,
        "starts": found.answer.starts,
        "expected": told,
        "beats_ilsvrc": _known(found.answer.beats_ilsvrc),
        "order": list(found.ranked["source"]),
        "left_out": dict(facts.get("left_out") or {}),
        "rule": found.fitted.rule.name,
    }


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
