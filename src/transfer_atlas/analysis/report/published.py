"""The paper's printed numbers beside the study's: gains of the pairs that both have, and shares of effects."""

from __future__ import annotations

from typing import Any

from transfer_atlas.analysis.comparison.compare import comparison_summary, comparison_table
from transfer_atlas.analysis.published.factors_of_influence import published_gains, read
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.charts import beside_published
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.errors import ConfigurationError

PAIR = ["source", "target", "regime"]
SHARES = ("positive", "very_positive", "negative")
RELATIONS = {"all": "all", "within": "within", "cross": "across"}


def beside(study: ReportedStudy) -> dict[str, Any] | None:
    """Pairs of equal names with both gains, how well they agree, and Table 6 beside ours; None without the files."""
    if study.published is None:
        return None
    theirs = published_gains(study.published)
    ours = study.tables["gains"]
    pairs = ours[[*PAIR, "gain", "gain_low", "gain_high"]].merge(
        theirs[[*PAIR, "gain"]].rename(columns={"gain": "theirs"}), on=PAIR
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
        }
        for row in pairs.itertuples()
    ]
    return {"chart": chart, "pairs": rows, "agreement": _agreement(study, theirs), "shares": _shares(study)}


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


def _shares(study: ReportedStudy) -> list[dict[str, Any]]:
    """Table 6 and ours: shares of effects by relation of source and target."""
    index = ["regime", "image_domain", "task_type"]
    printed = read(study.published, "foi_table6.csv").set_index(index).to_dict("index")
    rows = []
    for row in study.tables["effects"].to_dict("records"):
        theirs = printed.get(tuple(row[name] for name in index))
        if not row["count"] and theirs is None:
            continue
        rows.append(
            {
                "regime": words.in_words(row["regime"]),
                "image_domain": RELATIONS[row["image_domain"]],
                "task_type": RELATIONS[row["task_type"]],
                "ours": [_share(row[f"{name}_percent"]) for name in SHARES],
                "count": int(row["count"]),
                "left_out": int(row["failed"]) + int(row["at_chance"]),
                "theirs": [_share(theirs[f"{name}_percent"]) if theirs else "" for name in SHARES],
                "their_count": int(theirs["count"]) if theirs else "",
            }
        )
    return rows


def _share(value: Any) -> str:
    return f"{value:.0f} %" if words.known(value) else "\N{EN DASH}"
