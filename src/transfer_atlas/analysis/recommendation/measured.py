"""What `snakemake start` measured, beside what was predicted, for reading. Pure functions but for reading records."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from transfer_atlas.analysis.recommendation.recommend import Recommended
from transfer_atlas.analysis.tables.best_sources import start_from
from transfer_atlas.analysis.tables.chance import chance_levels
from transfer_atlas.analysis.tables.details import read_per_image, results_by_image
from transfer_atlas.analysis.tables.records import dataset_facts, read_records
from transfer_atlas.analysis.tables.transfers import gains_table, transfers_table

ILSVRC = "ilsvrc"


def measured_gains(facts: Mapping[str, Any], folders: Mapping[str, str]) -> pd.DataFrame:
    """The table `gains` of the complete runs of a target; folders: by source, that of ILSVRC among them.

    facts: target, `domains` by dataset, `multi_sources` with their datasets.
    """
    identified = [
        [
            {
                "source": name,
                "target": facts["target"],
                "regime": "small_target",
                "seed": 0,
                "method": "plain",
            },
            folder,
        ]
        for name, folder in folders.items()
    ]
    records = read_records(identified, {})
    described = dataset_facts(records, facts["domains"], facts["multi_sources"])
    transfers = transfers_table(records, described)
    return gains_table(transfers, results_by_image(read_per_image(identified)), chance_levels(records))


def measured_as_text(
    tried: Mapping[str, Mapping[str, Any]],
    gains: pd.DataFrame,
    found: Recommended,
    started: Mapping[str, Any],
) -> str:
    """Every candidate's trial, complete result and gain, predicted and measured answer, and where the model is.

    tried: by source, `trial`, `complete`, `fate`. started: `best`, `kept`, `seconds`, `budget`.
    """
    measured = gains[~gains["source"].isin((ILSVRC, "scratch"))].set_index("source")
    width = max(len("candidate"), *map(len, tried))
    lines = [f"{'candidate':<{width}}  {'trial':>8}  {'complete':>8}  gain over ILSVRC"]
    for name, each in tried.items():
        gain = each["fate"]
        if name == ILSVRC and each["complete"] is not None:
            gain = "-"
        elif name in measured.index and each["complete"] is not None:
            gain = _told(measured.loc[name])
        lines.append(f"{name:<{width}}  {_number(each['trial']):>8}  {_number(each['complete']):>8}  {gain}")
    lines += ["", f"Predicted: {found.answer.words}" + _expected(found)]
    ranked = measured.reset_index().dropna(subset=["gain"]).sort_values("gain", ascending=False)
    decision = start_from(ranked)
    lines.append(f"Measured: start from {decision['start_from']} ({decision['why']})")
    lines.append(
        f"{started['seconds']:.0f} s of a budget of {started['budget']:.0f} s; one run each: another seed may change it"
    )
    if started["kept"]:
        lines += [
            f"The best model, from {started['best']}: {started['kept']}",
            f"  transfer-atlas predict {started['kept']} PICTURES --output FOLDER",
        ]
    return "\n".join(lines)


def _told(row: pd.Series) -> str:
    if pd.isna(row["gain"]):
        return str(row["reason"])
    interval = ""
    if math.isfinite(row["gain_low"]):
        interval = f" ({row['gain_low']:+.1f} to {row['gain_high']:+.1f}, {row['interval_covers']})"
    return f"{row['gain']:+.1f} %{interval}"


def _expected(found: Recommended) -> str:
    expected = found.answer.expected
    if expected is None:
        return ""
    if not math.isfinite(expected.low):
        return f", expected gain {expected.gain:+.0f} %"
    return f", expected gain {expected.gain:+.0f} % ({expected.low:+.0f} to {expected.high:+.0f})"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
