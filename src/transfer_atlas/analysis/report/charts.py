"""The charts of the page as Vega-Lite specifications, made by Altair: their data and their words travel with them."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from transfer_atlas.analysis.figures.style import EFFECT_COLOURS, INK
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.interval_chart import interval_chart
from transfer_atlas.analysis.report.vega import BLUE, GREY, ORANGE, ROWS, specification
from transfer_atlas.study.task import BASELINES

RELATION = {
    "within domain": (BLUE, "circle"),
    "other domain": (ORANGE, "diamond"),
    "random weights": (GREY, "cross"),
}
MOST_CURVES = 12  # in one chart: the baselines and the best sources; the table `curves` has all


def gains_chart(rows: pd.DataFrame) -> dict[str, Any] | None:
    """Gains of all sources on one target with their intervals, the best on top.

    rows: of the table `gains`, one target and regime. None where no source has a gain.
    """
    shown = rows[(rows["source"] != "ilsvrc") & rows["gain"].notna()].sort_values("gain", ascending=False)
    if shown.empty:
        return None
    rows = [
        {
            "name": words.source_in_words(row["source"]),
            "value": row["gain"],
            "low": row["gain_low"],
            "high": row["gain_high"],
            "kind": _relation(row),
            "told": words.percent(row["gain"])
            + (
                f" ({words.interval(row['gain_low'], row['gain_high'])})"
                if words.known(row["gain_low"])
                else ""
            ),
        }
        for row in shown.to_dict("records")
    ]
    title = "gain over ILSVRC (%), 95 % interval"
    return interval_chart(rows, title, RELATION, marks=(-2, 2), row_title="source", decimals=1)


def curves_chart(curves: pd.DataFrame, gains: pd.DataFrame) -> dict[str, Any] | None:
    """Training loss over steps of every starting point at its best rate, first seed; the legend picks one out.

    None where no loss was told twice.

    curves: of the table `curves`, one target and regime; gains: the rows that say which sources are the best.
    """
    best = curves[curves["is_best"].eq(True).fillna(False)]
    if best["step"].nunique() < 2:
        return None  # one point is no curve
    best = best[best["seed"] == best["seed"].min()]
    ranked = gains.dropna(subset=["gain"]).sort_values("gain", ascending=False)["source"]
    wanted = [*BASELINES, *(name for name in ranked if name not in BASELINES)]
    kept = [name for name in wanted if name in set(best["source"])][:MOST_CURVES]
    best = best[best["source"].isin(kept)]
    names = {name: words.source_in_words(name) for name in kept}
    data = pd.DataFrame(
        {"source": best["source"].map(names), "step": best["step"].astype(int), "loss": best["loss"].round(3)}
    )
    order = [names[name] for name in kept]
    if "ilsvrc" in kept:
        stress = alt.condition(
            "datum.source === 'ILSVRC' || datum.source === 'random weights'", alt.value(2.6), alt.value(1.4)
        )
    else:
        stress = alt.value(1.6)
    pick = alt.selection_point(fields=["source"], bind="legend", name="pick")
    near = alt.selection_point(fields=["source"], on="pointerover", nearest=True, empty=True, name="near")
    base = alt.Chart(ROWS).encode(
        x=alt.X("step:Q", title="training step"),
        y=alt.Y("loss:Q", title="training loss", scale=alt.Scale(zero=False)),
        color=alt.Color(
            "source:N",
            sort=order,
            title=None,
            scale=alt.Scale(domain=order, range=_line_colours(order)),
            legend=alt.Legend(orient="bottom", labelLimit=240, symbolLimit=MOST_CURVES),
        ),
        strokeDash=alt.StrokeDash("source:N", sort=order, legend=None),
        tooltip=["source:N", "step:Q", alt.Tooltip("loss:Q", format=".4g")],
    )
    lines = base.mark_line(interpolate="monotone").encode(
        strokeWidth=stress, opacity=alt.condition(pick & near, alt.value(1.0), alt.value(0.18))
    )
    points = base.mark_point(size=60, opacity=0).add_params(pick, near)
    ends = data.sort_values("step").groupby("source")["loss"].last()
    said = "; ".join(f"{name} {ends[name]:.3g}" for name in order)
    chart = alt.layer(lines, points).properties(
        height=260, description=f"Training loss at the last step: {said}"
    )
    return specification(chart, data)


def effects_chart(effects: pd.DataFrame) -> dict[str, Any] | None:
    """Shares of effects by relation of source and target, one bar each, as Table 6 of Mensink et al."""
    relations = {
        ("all", "all"): "all transfers",
        ("within", "within"): "same domain, same task type",
        ("within", "cross"): "same domain, other task type",
        ("cross", "within"): "other domain, same task type",
        ("cross", "cross"): "other domain, other task type",
    }
    rows = []
    for row in effects.itertuples():
        name = relations.get((row.image_domain, row.task_type))
        if name is None or not row.count:
            continue
        between = row.positive_percent - row.very_positive_percent
        shares = (row.negative_percent, row.insignificant_percent, between, row.very_positive_percent)
        for effect, share in zip(EFFECT_COLOURS, shares, strict=True):
            label = f"{name} ({row.count})"
            rows.append(
                {
                    "relation": label,
                    "effect": words.EFFECTS[effect],
                    "share": round(share, 1),
                    "n": int(row.count),
                }
            )
    if not rows:
        return None
    data = pd.DataFrame(rows)
    data["end"] = data.groupby("relation")["share"].cumsum()
    data["middle"] = data["end"] - data["share"] / 2
    names = [words.EFFECTS[effect] for effect in EFFECT_COLOURS]
    order = list(dict.fromkeys(data["relation"]))
    two_lines = alt.Axis(ticks=False, domain=False, labelExpr="split(datum.label, ', ')")
    base = alt.Chart(ROWS).encode(y=alt.Y("relation:N", sort=order, title=None, axis=two_lines))
    bars = (
        base.mark_bar(stroke="white")
        .encode(
            x=alt.X("start:Q", title="share of transfers (%)", scale=alt.Scale(domain=[0, 100])),
            x2="end:Q",
            color=alt.Color(
                "effect:N",
                title=None,
                scale=alt.Scale(domain=names, range=list(EFFECT_COLOURS.values())),
                legend=alt.Legend(orient="top"),
            ),
            tooltip=["relation:N", "effect:N", alt.Tooltip("share:Q", title="share (%)")],
        )
        .transform_calculate(start="datum.end - datum.share")
    )
    labels = (
        base.mark_text(fontSize=11)
        .encode(
            x="middle:Q",
            text=alt.Text("share:Q", format=".0f"),
            color=alt.condition("datum.effect === 'negative'", alt.value("white"), alt.value(INK)),
        )
        .transform_filter("datum.share >= 6")
    )
    said = "; ".join(f"{row['relation']}: {row['effect']} {row['share']} %" for row in rows)
    chart = alt.layer(bars, labels).properties(
        height=34 * len(order), description=f"Shares of effects. {said}"
    )
    return specification(chart, data)


def beside_published(pairs: pd.DataFrame) -> dict[str, Any] | None:
    """Gains of this study against the paper's for the same source, target and regime.

    pairs: columns source, target, regime, ours, theirs.
    """
    if pairs.empty:
        return None
    data = pairs[["target", "ours", "theirs"]].assign(
        source=[words.source_in_words(name) for name in pairs["source"]],
        regime=[words.in_words(name) for name in pairs["regime"]],
        ours=pairs["ours"].round(1),
    )
    ends = [
        float(min(data["ours"].min(), data["theirs"].min())),
        float(max(data["ours"].max(), data["theirs"].max())),
    ]
    line = alt.Chart(alt.InlineData([{"at": end} for end in ends])).mark_line(color="#999", strokeDash=[4, 4])
    dots = (
        alt.Chart(ROWS)
        .mark_point(filled=True, size=55, opacity=0.75)
        .encode(
            x=alt.X("theirs:Q", title="gain printed in the paper (%)"),
            y=alt.Y("ours:Q", title="gain in this study (%)"),
            color=alt.Color(
                "regime:N",
                title=None,
                scale=alt.Scale(range=[BLUE, ORANGE, GREY, "#009e73"]),
                legend=alt.Legend(orient="top"),
            ),
            shape=alt.Shape("regime:N", title=None),
            tooltip=["source:N", "target:N", "regime:N", "ours:Q", "theirs:Q"],
        )
    )
    chart = alt.layer(line.encode(x="at:Q", y="at:Q"), dots).properties(
        height=340,
        description=f"{len(data)} gains of this study against those printed; the table below has the numbers.",
    )
    return specification(chart, data)


def sizes_chart(sizes: dict[str, Any]) -> dict[str, Any] | None:
    """Histogram of image sizes of a dataset; None where all are of one size."""
    if len(sizes["numbers"]) < 2:
        return None
    edges = sizes["edges"]
    rows = [
        {"from": edges[place], "to": edges[place + 1], "images": number}
        for place, number in enumerate(sizes["numbers"])
    ]
    said = "; ".join(f"{row['from']:.0f} to {row['to']:.0f}: {row['images']}" for row in rows)
    chart = (
        alt.Chart(ROWS, height=150)
        .mark_bar(color=BLUE, stroke="white")
        .encode(
            x=alt.X("from:Q", title="longer side (pixels)", scale=alt.Scale(zero=False, nice=False)),
            x2="to:Q",
            y=alt.Y("images:Q", title="images"),
            tooltip=["from:Q", "to:Q", "images:Q"],
        )
        .properties(description=f"Images by longer side in pixels: {said}")
    )
    return specification(chart, rows)


def _relation(row: dict[str, Any]) -> str:
    if row["source"] == "scratch":
        return "random weights"
    return "within domain" if words.known(row["within_domain"]) and row["within_domain"] else "other domain"


def _line_colours(order: list[str]) -> list[str]:
    """Black for ILSVRC, grey for random weights, the eight colours of Okabe and Ito by turns for the others."""
    hues = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6000"]
    found, number = [], 0
    for name in order:
        if name in ("ILSVRC", "random weights"):
            found.append("#000000" if name == "ILSVRC" else "#9a9a9a")
        else:
            found.append(hues[number % len(hues)])
            number += 1
    return found
