"""Why a candidate is recommended or not: images, classes, other targets, metrics. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.candidates import Nearest, classes_of, scored_by, type_of

MOST_NAMES = 6  # classes in common that are named


def reasons_for(
    source: str, facts: Mapping[str, Any], rows: pd.DataFrame, nearest: Mapping[str, Nearest]
) -> list[str]:
    """Sentences on one candidate, the evidence for and against it."""
    candidate = next(each for each in facts["candidates"] if each["source"] == source)
    row = rows[rows["source"] == source].iloc[0]
    found = []
    if candidate["domains"]:
        same = facts["domain"] in candidate["domains"]
        found.append(f"{'same' if same else 'another'} image domain ({', '.join(candidate['domains'])})")
    if source in nearest:
        found.append(_images(source, nearest))
    found += _classes(candidate, facts)
    place = row.get("static_rank", math.nan)
    if math.isfinite(place):
        found.append(f"on other targets its mean place was {place:.2f} (1 the best, 0 the worst)")
    return found + _metrics(source, rows)


def _images(source: str, nearest: Mapping[str, Nearest]) -> str:
    order = sorted(nearest, key=lambda name: nearest[name].mean)
    place = order.index(source) + 1
    least = np.stack([nearest[name].distances for name in order])
    share = float((least.argmin(axis=0) == order.index(source)).mean())
    return (
        f"images: {_ordinal(place)} closest of {len(order)} (mean distance {nearest[source].mean:.3g}), and for "
        f"{share:.0%} of the target's images the closest of all"
    )


def _classes(candidate: Mapping[str, Any], facts: Mapping[str, Any]) -> list[str]:
    asked = facts["target"].split("/")[0]
    own = classes_of(facts["prepared"], asked)
    others: list[str] = []
    for folder in candidate["prepared"]:
        others += classes_of(folder, candidate.get("task_type") or type_of(candidate["source"]))
    if not own or not others:
        return []
    common = [name for name in own if name in set(others)]
    names = ", ".join(common[:MOST_NAMES]) + (", ..." if len(common) > MOST_NAMES else "")
    return [
        f"classes in common: {len(common)} of the target's {len(own)}" + (f" ({names})" if common else "")
    ]


def _metrics(source: str, rows: pd.DataFrame) -> list[str]:
    """Metrics that put the candidate in the first or the second half of those they have scored."""
    sides: dict[str, list[str]] = {"for": [], "against": []}
    for name in scored_by(rows):
        known = rows.dropna(subset=[name]).set_index("source")[name]
        if source in known.index:
            rank = float(known.rank(ascending=False)[source])
            side = "for" if rank <= (len(known) + 1) / 2 else "against"
            sides[side].append(f"{name} ({rank:.3g} of {len(known)})")
    return [f"metrics {side} it: {', '.join(names)}" for side, names in sides.items() if names]


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def cost_of(starts: Sequence[str], facts: Mapping[str, Any]) -> str:
    """What fine-tuning the candidates that the answer names, and ILSVRC, would take by like runs."""
    chosen = dict.fromkeys([*starts, "ilsvrc"])
    known = {each["source"]: each["seconds"] for each in facts["candidates"]}
    seconds = [known.get(name) for name in chosen]
    told = [each for each in seconds if each is not None]
    if not told:
        return "What fine-tuning takes is not known: no like run is in the store (snakemake plan tells more)"
    words = f"Fine-tuning {' and '.join(chosen)} would take about {_duration(sum(told))}, by like runs in the store"
    missing = [name for name, each in zip(chosen, seconds, strict=True) if each is None]
    return words + (f"; of {', '.join(missing)} it is not known" if missing else "")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
