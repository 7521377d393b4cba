"""From scores of all sources for one target to a ranking, with each metric's vote and its track record."""

from __future__ import annotations

import math
from collections.abc import Mapping

import pandas as pd

from transfer_atlas.analysis.tables.score_schema import RECOMMENDATIONS
from transfer_atlas.analysis.tables.transfers import frame_of

TRUST = (
    "target",
    "weighted_kendall",
)  # what a vote weighs by: which source for a given target, the best first


def track_record(
    evaluation: pd.DataFrame | None, regime: str = "small_target"
) -> dict[str, dict[str, float]]:
    """For each metric its weighted Kendall tau and its hits among the best, over the study's targets; may be empty."""
    if evaluation is None:
        return {}
    rows = evaluation[(evaluation["regime"] == regime) & (evaluation["fixed"] == TRUST[0])]
    for column, wanted in (("task_type", "all"), ("pairs_used", "all"), ("performance", "gain")):
        rows = rows[rows[column] == wanted]
    return {
        metric: dict(zip(group["statistic"], group["value"], strict=True))
        for metric, group in rows.groupby("metric", sort=True)
    }


def recommendations_table(scores: pd.DataFrame, record: Mapping[str, Mapping[str, float]]) -> pd.DataFrame:
    """One row per source and metric, with the source's overall rank: 1 is the recommendation.

    Each metric ranks the sources it has a score for (equal scores share the mean rank) and its vote is
    (rank - 1) / (sources - 1), 0 for its favourite. A source's `mean_vote` weighs votes by the metric's weighted
    Kendall tau in this study, at least 0; equally, where the study has no record or no metric did better than chance.
    """
    known = scores.dropna(subset=["score"]).copy()
    taus = {name: record.get(name, {}).get(TRUST[1], math.nan) for name in known["metric"].unique()}
    weights = {name: max(0.0, tau) if math.isfinite(tau) else 0.0 for name, tau in taus.items()}
    if not any(weights.values()):
        weights = dict.fromkeys(weights, 1.0)
    known["rank"] = known.groupby("metric")["score"].rank(ascending=False)
    counts = known.groupby("metric")["score"].transform("size")
    known["vote"] = (known["rank"] - 1) / (counts - 1).clip(lower=1)
    known["weight"] = known["metric"].map(weights)
    known["weighted"] = known["vote"] * known["weight"]
    sums = known.groupby("source")[["weighted", "weight"]].sum()
    mean_vote = (sums["weighted"] / sums["weight"].where(sums["weight"] > 0)).rename("mean_vote")
    order = mean_vote.rank(method="min").rename("overall_rank")
    known = known.join(mean_vote, on="source").join(order, on="source")
    known["track_record"] = known["metric"].map(taus)
    rows = known[RECOMMENDATIONS.column_names].to_dict("records")
    return frame_of(RECOMMENDATIONS, rows)


def as_text(
    table: pd.DataFrame, failed: Mapping[str, str], seconds: float, saved_seconds: float | None
) -> str:
    """The ranking for reading: sources from best to worst with each metric's rank, then the record and the cost.

    `failed` maps a source without any score to the reason; `seconds` is what scoring took, `saved_seconds` what
    fine-tuning all candidates would take (None where no transfer was measured yet).
    """
    target = table["target"].iloc[0] if len(table) else "the target"
    ranks = table.pivot_table(index="source", columns="metric", values="rank")
    overall = table.drop_duplicates("source").set_index("source")[["overall_rank", "mean_vote"]]
    shown = overall.join(ranks).sort_values(["overall_rank", "mean_vote"])
    width = max([len("source"), *map(len, shown.index)])
    metrics = list(ranks.columns)
    lines = [f"Sources for {target}, without fine-tuning: rank by each metric (1 is its favourite)", ""]
    lines.append(f"{'':>4}  {'source':<{width}}  {'vote':>5}  " + "  ".join(metrics))
    for source, row in shown.iterrows():
        cells = [f"{row[m]:>{len(m)}.3g}" if pd.notna(row[m]) else " " * len(m) for m in metrics]
        place = "-" if pd.isna(row["overall_rank"]) else f"{row['overall_rank']:.0f}"
        lines.append(f"{place:>4}  {source:<{width}}  {row['mean_vote']:>5.2f}  " + "  ".join(cells))
    record = table.drop_duplicates("metric").set_index("metric")["track_record"].dropna()
    if len(record):
        told = ", ".join(
            f"{metric} {tau:+.2f}" for metric, tau in record.sort_values(ascending=False).items()
        )
        lines += ["", f"Weighted Kendall tau with measured transfers in this study: {told}"]
    else:
        lines += [
            "",
            "This study has no record of the metrics yet (metric_evaluation.parquet): all weigh the same",
        ]
    lines += [f"{source} has no score: {reason}" for source, reason in failed.items()]
    if saved_seconds is not None:
        lines.append(
            f"Scoring took {seconds:.0f} s of computing; fine-tuning all candidates would take about "
            f"{saved_seconds / 60:.0f} min, judged by the transfers in the store"
        )
    else:
        lines.append(
            f"Scoring took {seconds:.0f} s of computing; no transfer was measured yet to compare with"
        )
    return "\n".join(lines)
