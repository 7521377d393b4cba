"""What the gains say: shares of transfer effects, and which source is best for each target. Pure functions.

Section 6 of Mensink et al., "Factors of Influence for Transfer Learning".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from transfer_atlas.analysis.tables.transfers import (
    BASELINES,
    NEGATIVE,
    POSITIVE,
    VERY_POSITIVE,
    effect,
    frame_of,
    schema,
)


def effects_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Shares of positive, very positive and negative effects by image domain and task type (Table 6)."""
    return frame_of(schema.EFFECTS, list(_constrained_shares(gains, best_only=False)))


def best_effects_table(gains: pd.DataFrame) -> pd.DataFrame:
    """The shares of `effects_table` for the best source of each target (Table 7)."""
    return frame_of(schema.BEST_EFFECTS, list(_constrained_shares(gains, best_only=True)))


def best_sources_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Best source, runner-up, best and largest within-domain source of every target and regime."""
    rows = []
    for (regime, target), group in _sources_only(gains).groupby(["regime", "target"], sort=True):
        ranked = group.dropna(subset=["gain"]).sort_values(["gain", "source"], ascending=[False, True])
        within = ranked[ranked["within_domain"].astype(bool)]
        single = group[
            (group["source_dataset"] != "multi") & group["within_domain"] & group["within_task_type"]
        ]
        largest = single.sort_values(["source_n_train", "source"], ascending=[False, True])
        row = {"target": target, "regime": regime, "n_sources": len(ranked)}
        row |= {name: group[name].iloc[0] for name in ("target_task_type", "target_domain")}
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
        rows.append(row)
    return frame_of(schema.BEST_SOURCES, rows)


def _sources_only(gains: pd.DataFrame) -> pd.DataFrame:
    """Gains of true sources; a task transferred to itself is no experiment of the paper either."""
    return gains[~gains["source"].isin(BASELINES) & (gains["source"] != gains["target"])]


def _constrained_shares(gains: pd.DataFrame, best_only: bool) -> Iterable[dict[str, Any]]:
    """One row of shares for every regime and constraint."""
    gains = _sources_only(gains)
    for regime in sorted(gains["regime"].unique()):
        of_regime = gains[gains["regime"] == regime]
        for domain, task_type in itertools.product(("all", "within", "cross"), repeat=2):
            rows = of_regime
            if domain != "all":
                rows = rows[rows["within_domain"] == (domain == "within")]
            if task_type != "all":
                rows = rows[rows["within_task_type"] == (task_type == "within")]
            if best_only:
                rows = rows.sort_values(["gain", "source"], ascending=[False, True]).drop_duplicates("target")
            r = rows["gain"].dropna()
            row = {"regime": regime, "image_domain": domain, "task_type": task_type}
            for name, members in (
                ("positive", r > POSITIVE),
                ("very_positive", r > VERY_POSITIVE),
                ("insignificant", (r >= NEGATIVE) & (r <= POSITIVE)),
                ("negative", r < NEGATIVE),
            ):
                row[f"{name}_percent"] = 100.0 * members.mean() if len(r) else math.nan
            yield row | {"count": len(r), "failed": len(rows) - len(r)}
