"""The paper's printed numbers beside the study's: gains of the pairs that both have, and its other tables."""

from __future__ import annotations

from typing import Any

from transfer_atlas.analysis.comparison.compare import comparison_summary, comparison_table
from transfer_atlas.analysis.published.factors_of_influence import published_gains
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.charts import beside_published
from transfer_atlas.analysis.report.printed import across, followed, inclusion, shares
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.errors import ConfigurationError

PAIR = ["source", "target", "regime"]


def beside(study: ReportedStudy) -> dict[str, Any] | None:
    """Pairs of equal names with both gains, how well they agree, and Tables 6 to 9 beside ours; None without files."""
    if study.published is None:
        return None
    theirs = published_gains(study.published)
    ours = study.tables["gains"]
    pairs = ours[[*PAIR, "gain", "gain_low", "gain_high", "value", "metric"]].merge(
        theirs[[*PAIR, "gain", "value", "metric"]].rename(columns={"gain": "theirs"}),
        on=PAIR,
        suffixes=("", "_printed"),
    )
    pairs = pairs[~pairs["source"].isin(("ilsvrc",))].dropna(subset=["gain", "theirs"])
    chart = beside_published(pairs.rename(columns={"gain": "ours"}))
    rows = [
        {
            "source": words.source_in_words(row.source),
            "target": row.target,
            "anchor": words.anchor("target", row.target),
            "regime": words.in_words(row.regime),
            "ours": words.percent(row.gain),
            "ours_order": row.gain,
            "interval": words.interval(row.gain_low, row.gain_high),
            "theirs": words.percent(row.theirs, 0),
            "theirs_order": row.theirs,
            "difference": words.percent(row.gain - row.theirs),
            "difference_order": row.gain - row.theirs,
            "value": words.metric_value(row.value),
            # Of segmentation alone appendix A prints the metric itself.
            "printed_value": words.metric_value(row.value_printed)
            if row.metric == row.metric_printed
            else "\N{EN DASH}",
        }
        for row in pairs.itertuples()
    ]
    return {
        "chart": chart,
        "pairs": rows,
        "agreement": _agreement(study, theirs),
        "shares": [
            ("Shares of effects", "Table 6", shares(study, "effects", "foi_table6.csv")),
            ("Of the best source of each target", "Table 7", shares(study, "best_effects", "foi_table7.csv")),
        ],
        "inclusion": inclusion(study),
        "across": across(study),
        "followed": followed(study),
    }


def _agreement(study: ReportedStudy, theirs: Any) -> list[dict[str, Any]]:
    """Correlation of gains by regime, with intervals over targets and sources."""
    # A study may score a target by another metric than the paper; gains are relative, and both are named in the text.
    ours = study.tables["gains"].assign(metric=None)
    try:
        summary = comparison_summary(comparison_table(ours, theirs.assign(metric=None)))
    except ConfigurationError:
        return []
    rows = summary[
        (summary["statistic"] == "kendall") & (summary["task_type"] == "all") & summary["value"].notna()
    ]
    return [
        {
            "regime": words.in_words(row.regime),
            "value": words.signed(row.value, 2),
            "interval": f"{words.signed(row.low, 2)} to {words.signed(row.high, 2)}"
            if words.known(row.low)
            else "",
            "count": int(row.count),
        }
        for row in rows.itertuples(index=False)
    ]
