"""Whether AT/DT beats the baseline, per direction: what the paper claims, judged by the whole interval over seeds."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from transfer_atlas.analysis.atdt.schema import ATDT_FINDINGS
from transfer_atlas.analysis.atdt.tables import LOWER_IS_BETTER

CLAIM = "> 0"
METRICS = {  # by task 2
    "segmentation": ("mean_iou", "pixel_accuracy"),
    "depth": ("rmse", "absolute_relative"),
    "normals": ("mean_angular_error", "below_11_25"),
}
CLAIMS = {  # by method: number of the finding, and what the paper says (Tables 1 and 2; Tables 3 and 4)
    "atdt": ("T01", "AT/DT beats the baseline, the network for task 2 that is trained on A"),
    "atdt_cyclegan": (
        "T02",
        "AT/DT with CycleGAN beats the baseline, the network for task 2 that is trained on A",
    ),
}
DEEPEST, SHARED = 4, "shared"


def findings_of_atdt(gains: pd.DataFrame) -> pd.DataFrame:
    """The table `atdt_findings` from `atdt_gains`: a row a direction, pair and metric, of the paper's own variant."""
    rows: list[dict[str, Any]] = []
    chosen = gains[
        gains["method"].isin(list(CLAIMS))
        & (gains["evaluated_on"] == "b")
        & (gains["level"] == DEEPEST)
        & (gains["n1"] == SHARED)
    ]
    for row in chosen.itertuples():
        if row.metric not in METRICS[row.direction.split("_to_")[1]]:
            continue
        finding, statement = CLAIMS[row.method]
        verdict, why = verdict_of(row.gain, row.low, row.high, row.seeds)
        norm = "" if row.batch_norm else ", without batch normalisation"
        better = "lower is better" if row.metric in LOWER_IS_BETTER else "higher is better"
        rows.append(
            {
                "finding": finding,
                "part": f"{row.direction}/{row.metric}/{row.a}_to_{row.b}{norm}",
                "regime": "",
                "statement": statement,
                "statistic": f"gain in {row.metric} on B ({better})",
                "unit": "of the metric",
                "value": row.gain,
                "low": row.low,
                "high": row.high,
                "at_least": math.nan,
                "at_most": math.nan,
                "printed": math.nan,
                "claim": CLAIM,
                "verdict": verdict,
                "why": why,
                "count": row.seeds,
                "targets": 1,
                "left_out": row.failed,
                "origin": "study",
            }
        )
    return ATDT_FINDINGS.conform(pd.DataFrame(rows, columns=ATDT_FINDINGS.column_names))


def verdict_of(gain: float, low: float, high: float, seeds: int) -> tuple[str, str | None]:
    """Verdict and reason: by the whole interval over seeds, which takes two of them."""
    if math.isnan(gain):
        return "not_measured", "no seed has both values"
    if math.isnan(low):
        return "undecided", f"{seeds} seed{'' if seeds == 1 else 's'}; an interval needs two that differ"
    if low > 0:
        return "holds", None
    return ("does_not_hold", None) if high < 0 else ("undecided", "the interval contains both")
