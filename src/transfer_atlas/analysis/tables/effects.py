"""What the gains say: shares of transfer effects, by relation of source and target. Pure functions.

Section 6 of Mensink et al., "Factors of Influence for Transfer Learning".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import pandas as pd

from transfer_atlas.analysis.tables.best_sources import best_sources_table
from transfer_atlas.analysis.tables.effect_schema import BEST_EFFECTS, EFFECTS
from transfer_atlas.analysis.tables.transfers import frame_of
from transfer_atlas.analysis.tables.uncertainty import DECIMALS, NEGATIVE, POSITIVE, VERY_POSITIVE
from transfer_atlas.study.task import BASELINES

__all__ = ["best_effects_table", "best_sources_table", "effects_table", "shares_of", "true_sources"]


def effects_table(gains: pd.DataFrame) -> pd.DataFrame:
    """Shares of positive, very positive and negative effects by image domain and task type (Table 6)."""
    return frame_of(EFFECTS, list(_constrained_shares(gains, best_only=False)))


def best_effects_table(gains: pd.DataFrame) -> pd.DataFrame:
    """The shares of `effects_table` for the best source of each target (Table 7)."""
    return frame_of(BEST_EFFECTS, list(_constrained_shares(gains, best_only=True)))


def true_sources(gains: pd.DataFrame) -> pd.DataFrame:
    """Gains of true sources; a task transferred to itself is no experiment of the paper either."""
    return gains[~gains["source"].isin(BASELINES) & (gains["source"] != gains["target"])]


def shares_of(rows: pd.DataFrame) -> dict[str, Any]:
    """Shares of effects among rows of `gains`, in percent, and how many rows stand behind them.

    Rows without a gain (`failed`) and rows whose baseline is at chance (`at_chance`) are counted apart and not in the
    shares. `<effect>_at_least_percent` counts rows whose whole interval has the effect, `_at_most_percent` those whose
    interval reaches it; a row without an interval may have any effect. Both are empty where no row has an interval.
    """
    chance = rows["baseline_at_chance"].eq(True).fillna(False) & rows["gain"].notna()
    counted = rows[rows["gain"].notna() & ~chance]
    low, high, r = (counted[name].round(DECIMALS) for name in ("gain_low", "gain_high", "gain"))
    low, high = low.fillna(-math.inf), high.fillna(math.inf)
    without = int(counted["gain_low"].isna().sum())
    found: dict[str, Any] = {"count": len(counted), "without_interval": without}
    found |= {"failed": int(rows["gain"].isna().sum()), "at_chance": int(chance.sum())}
    members = {
        "positive": (r > POSITIVE, low > POSITIVE, high > POSITIVE),
        "very_positive": (r > VERY_POSITIVE, low > VERY_POSITIVE, high > VERY_POSITIVE),
        "insignificant": ((r >= NEGATIVE) & (r <= POSITIVE), None, None),
        "negative": (r < NEGATIVE, high < NEGATIVE, low < NEGATIVE),
    }
    for name, (best, least, most) in members.items():
        found[f"{name}_percent"] = 100.0 * best.mean() if len(r) else math.nan
        if least is not None:
            known = len(r) > without
            found[f"{name}_at_least_percent"] = 100.0 * least.mean() if known else math.nan
            found[f"{name}_at_most_percent"] = 100.0 * most.mean() if known else math.nan
    return found


def best_of_each_target(rows: pd.DataFrame) -> pd.DataFrame:
    """The source with the largest gain of every target and regime; its interval is that of the maximum.

    The best gain is at least the largest lower end of any source's interval, and at most the largest upper end.
    """
    ranked = rows.sort_values(["gain", "source"], ascending=[False, True])
    best = ranked.drop_duplicates(["regime", "target"])
    ends = rows.groupby(["regime", "target"])[["gain_low", "gain_high"]].max()
    return best.drop(columns=["gain_low", "gain_high"]).join(ends, on=["regime", "target"])


def _constrained_shares(gains: pd.DataFrame, best_only: bool) -> Iterable[dict[str, Any]]:
    """One row of shares for every regime and constraint."""
    gains = true_sources(gains)
    for regime in sorted(gains["regime"].unique()):
        of_regime = gains[gains["regime"] == regime]
        for domain, task_type in itertools.product(("all", "within", "cross"), repeat=2):
            rows = of_regime
            if domain != "all":
                rows = rows[rows["within_domain"].eq(domain == "within").fillna(False)]
            if task_type != "all":
                rows = rows[rows["within_task_type"].eq(task_type == "within").fillna(False)]
            if best_only:
                rows = best_of_each_target(rows)
            yield {"regime": regime, "image_domain": domain, "task_type": task_type} | shares_of(rows)
