"""The short answer: what to start from for every target, and what else came near. Pure functions."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from transfer_atlas.analysis.tables.effect_schema import BEST_SOURCES
from transfer_atlas.analysis.tables.uncertainty import (
    DECIMALS,
    LEVEL,
    POSITIVE,
    effect,
    one_run_p_value,
    told,
)
from transfer_atlas.study.task import BASELINES


def best_sources_table(gains: pd.DataFrame) -> pd.DataFrame:
    """What to start from, best source, runner-up, best and largest within-domain source of every target and regime."""
    rows = []
    sources = gains[~gains["source"].isin(BASELINES) & (gains["source"] != gains["target"])]
    for (regime, target), group in sources.groupby(["regime", "target"], sort=True):
        ranked = group.dropna(subset=["gain"]).sort_values(["gain", "source"], ascending=[False, True])
        within = ranked[ranked["within_domain"].eq(True).fillna(False)]
        single = group[
            (group["source_dataset"] != "multi")
            & group["within_domain"].eq(True).fillna(False)
            & group["within_task_type"].eq(True).fillna(False)
        ]
        largest = single.sort_values(["source_n_train", "source"], ascending=[False, True])
        row = {
            "target": target,
            "regime": regime,
            "n_sources": len(ranked),
            "n_failed": len(group) - len(ranked),
        }
        row |= {name: group[name].iloc[0] for name in ("target_task_type", "target_domain")}
        row["baseline"] = group["baseline"].dropna().mean()
        row["metric"] = group["metric"].dropna().iloc[0] if group["metric"].notna().any() else None
        for name, choice, rank in (
            ("best", ranked, 0),
            ("runner_up", ranked, 1),
            ("best_within_domain", within, 0),
            ("largest_within_domain", largest, 0),
        ):
            found = len(choice) > rank
            row[f"{name}_source"] = choice["source"].iloc[rank] if found else None
            row[f"{name}_gain"] = choice["gain"].iloc[rank] if found else math.nan
        row["best_gain_std"] = ranked["gain_std"].iloc[0] if len(ranked) else math.nan
        row["best_effect"] = effect(row["best_gain"])
        answer = start_from(ranked)
        if ranked.empty and group["value"].notna().any():
            answer["why"] = _without_gains(group)
        rows.append(row | answer)
    frame = pd.DataFrame(rows, columns=None if rows else BEST_SOURCES.column_names)
    return BEST_SOURCES.conform(frame)


def _without_gains(group: pd.DataFrame) -> str:
    """Why one target, with results of its sources (rows of `gains`), has no answer."""
    known = group.dropna(subset=["value"]).sort_values("source")
    smaller_is_better = known["higher_is_better"].eq(False).fillna(False).all()
    best = known.loc[known["value"].idxmin() if smaller_is_better else known["value"].idxmax()]
    reasons = ", ".join(status.replace("_", " ") for status in sorted(set(known["status"])))
    return (
        f"no gain over ILSVRC is known ({reasons}); of {len(known)} sources {best['source']} has the best result, "
        f"{best['value']:.3g}"
    )


def start_from(ranked: pd.DataFrame) -> dict[str, Any]:
    """What one target should be started from, given its sources' rows of `gains`, the best first.

    ILSVRC, unless the best source's gain is above 2 % and beyond noise: its p-value, multiplied by the number of
    sources among which it was the best (Bonferroni), is below 0.05. With one run each, and nothing that tells the
    noise between runs, that of other studies has to do (and the gain be beyond what other evaluation images could
    change, where results by image are kept), and `certainty` says so.
    """
    stay = {
        "start_from": "ilsvrc",
        "start_from_gain": 0.0,
        "start_from_low": math.nan,
        "start_from_high": math.nan,
    }
    stay |= {"equally_good": []}
    if ranked.empty:
        return stay | {"certainty": "no_source", "why": "no source has a gain on this target"}
    best = ranked.iloc[0]
    words = f"{best['source']}: {told(best['gain'], best['gain_low'], best['gain_high'])}"
    if not pd.isna(best["baseline_at_chance"]) and best["baseline_at_chance"]:
        why = f"the baseline, {best['baseline']:.3g}, is no better than chance: gains over it mean nothing"
        return stay | {"certainty": "baseline_at_chance", "why": why}
    reach = ranked["gain_high"].where(ranked["gain_high"].notna(), ranked["gain"])
    near = ranked["source"][(reach >= best["gain"]) & (ranked["source"] != best["source"])]
    take = {"start_from": best["source"], "start_from_gain": best["gain"], "equally_good": sorted(near)}
    take |= {"start_from_low": best["gain_low"], "start_from_high": best["gain_high"]}
    gain = round(best["gain"], DECIMALS)
    covers = "" if pd.isna(best["interval_covers"]) else best["interval_covers"]
    if "seeds" not in covers:
        higher = pd.isna(best["higher_is_better"]) or bool(best["higher_is_better"])
        adjusted = min(1.0, one_run_p_value(best["gain"], higher) * len(ranked))
        words += f"; one run each: p = {adjusted:.2g} after {len(ranked)} comparisons, by the noise of other studies"
        of_images = pd.isna(best["p_value"]) or best["p_value"] * len(ranked) < 1 - LEVEL
        if gain > POSITIVE and adjusted < 1 - LEVEL and of_images:
            return take | {"certainty": "one_seed", "why": words}
        reason = "" if of_images else "; other images could turn it"
        return stay | {"certainty": "one_seed", "why": f"{words}{reason}: not taken"}
    adjusted = min(1.0, best["p_value"] * len(ranked))
    words += f"; p = {adjusted:.2g} after {len(ranked)} comparisons"
    if gain > POSITIVE and adjusted < 1 - LEVEL:
        return take | {"certainty": "decided", "why": words}
    nothing = bool((ranked["gain_high"].round(DECIMALS) <= POSITIVE).all())
    why = "no source can be better by 2 %" if nothing else f"not beyond noise: {words}"
    return stay | {"certainty": "decided" if nothing else "undecided", "why": why}
