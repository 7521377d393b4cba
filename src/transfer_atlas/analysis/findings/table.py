"""All findings of one table of gains as the table `findings`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import pandas as pd

from transfer_atlas.analysis.findings.baselines import findings_a1_a2
from transfer_atlas.analysis.findings.domains import findings_a3_a4
from transfer_atlas.analysis.findings.multi_sources import findings_a5
from transfer_atlas.analysis.findings.schema import FINDINGS
from transfer_atlas.analysis.findings.sizes import findings_a8, findings_a9, findings_a10
from transfer_atlas.analysis.findings.task_types import findings_a6, findings_a7


def findings_table(
    gains: pd.DataFrame,
    distances: pd.DataFrame | None = None,
    *,
    origin: Literal["study", "published"] = "study",
    same_images: Mapping[str, str] | None = None,
    members: Mapping[str, Iterable[str]] | None = None,
) -> pd.DataFrame:
    """The table `findings` of one table `gains`, with the table `domain_distances` where there is one.

    `same_images` maps datasets to the collection whose images they share, `members` has the datasets of each
    multi-source; both are needed for Table 9 only. Regimes other than the paper's are not looked at.
    """
    if distances is None or distances.empty:
        distances = pd.DataFrame({"assignment": "", "source": "", "target": "", "distance": [0.0]}).head(0)
    rows = [
        *findings_a1_a2(gains),
        *findings_a3_a4(gains, distances),
        *findings_a5(gains),
        *findings_a6(gains, same_images, members),
        *findings_a7(gains),
        *findings_a8(gains),
        *findings_a9(gains),
        *findings_a10(gains, distances),
    ]
    return FINDINGS.conform(pd.DataFrame(rows).assign(origin=origin))


def as_text(findings: pd.DataFrame) -> str:
    """The findings for reading: one line each, statement first, then what was found and whether it holds."""
    lines = []
    for name, group in findings.groupby("finding", sort=True):
        lines += ["", f"{name}  {group['statement'].iloc[0]}"]
        for row in group.itertuples():
            interval = "" if pd.isna(row.low) else f" ({row.low:.3g} to {row.high:.3g})"
            value = "-" if pd.isna(row.value) else f"{row.value:.3g}{interval}"
            printed = "" if pd.isna(row.printed) else f"; printed {row.printed:.3g}"
            lines.append(
                f"  {row.verdict.replace('_', ' '):<14} {row.statistic} [{row.regime}]: {value} {row.unit}{printed}"
            )
    return "\n".join(lines).lstrip("\n")
