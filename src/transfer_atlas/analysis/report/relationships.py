"""Targets that rank sources alike: clusters as measured and by the best metric, and whether the two agree."""

from __future__ import annotations

import json
from typing import Any

import altair as alt
import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import dendrogram

from transfer_atlas.analysis.figures.style import INK
from transfer_atlas.analysis.report import words
from transfer_atlas.analysis.report.cells import number
from transfer_atlas.analysis.report.predicted import best_metric
from transfer_atlas.analysis.report.study import ReportedStudy
from transfer_atlas.analysis.report.vega import ROWS, specification
from transfer_atlas.analysis.tables.scores import scored_pairs
from transfer_atlas.analysis.tables.task_relationships import MEASURED, correlations_of, matrices, tree_of

TREE = 0.35  # of the map's width, for the tree beside it
MOST_NUMBERS = 8  # targets, up to which a cell has room for its number
CELL = 26  # pixels of a row


def relationships(study: ReportedStudy) -> list[dict[str, Any]]:
    """One block for each regime: clusters in words, a map with its tree, agreement of metrics; none without scores."""
    table, agreement = study.tables.get("task_relationships"), study.tables.get("relationship_agreement")
    if table is None or agreement is None or table.empty:
        return []
    pairs = scored_pairs(study.tables["scores"], study.tables["gains"], study.tables["domain_distances"])
    found = {(regime, metric): scores for regime, metric, scores in matrices(pairs)}
    blocks = []
    for regime in study.regimes:
        own, agreeing = table[table["regime"] == regime], agreement[agreement["regime"] == regime]
        judged = agreeing.dropna(subset=["spearman"]).sort_values(
            ["spearman", "metric"], ascending=[False, True]
        )
        best = judged["metric"].iloc[0] if len(judged) else best_metric(study, regime)
        there = set(own["metric"])
        chosen = [name for name in (MEASURED, best) if name in there] or sorted(there)[:1]
        if not chosen:
            continue
        blocks.append(
            {
                "regime": regime,
                "maps": [_map(name, own[own["metric"] == name], found[regime, name]) for name in chosen],
                "agreement": [_agreement(row) for row in judged.to_dict("records")],
            }
        )
    return blocks


def _name(metric: str) -> str:
    return "As measured" if metric == MEASURED else f"By {words.metric_in_words(metric)}"


def _map(metric: str, rows: pd.DataFrame, scores: pd.DataFrame) -> dict[str, Any]:
    """Clusters in the order of the tree's leaves, the map, and a row for each target."""
    ordered = rows.sort_values("place")
    clusters = [list(group["target"]) for _, group in ordered.groupby("cluster", sort=True)]
    return {
        "name": _name(metric),
        "clusters": clusters,
        "alone": sum(len(cluster) == 1 for cluster in clusters),
        "chart": relationship_chart(*correlations_of(scores), list(ordered["target"])),
        "rows": [
            {
                "target": row["target"],
                "place": int(row["place"]),
                "cluster": int(row["cluster"]),
                "nearest": row["nearest"],
                "correlation": number(row, "correlation"),
                "joins_at": number(row, "joins_at"),
                "sources": int(row["sources"]),
            }
            for row in ordered.to_dict("records")
        ],
    }


def relationship_chart(names: list[str], correlations: np.ndarray, order: list[str]) -> dict[str, Any]:
    """Correlations (t, t) of targets as a map in the order of the tree's leaves, with the tree on its right.

    Map and tree share one plane: a target's row and column are its place, 1 to t; the tree begins beside the last
    column with correlation 1 and grows to the right as correlation falls.
    """
    place = {name: number + 1 for number, name in enumerate(order)}
    size = len(order)
    cells = [
        {
            "x": place[second],
            "y": place[first],
            "x0": place[second] - 0.5,
            "x1": place[second] + 0.5,
            "y0": place[first] - 0.5,
            "y1": place[first] + 0.5,
            "first": first,
            "second": second,
            "correlation": round(float(correlations[row, column]), 3),
            "text": words.signed(float(correlations[row, column]), 1),
        }
        for row, first in enumerate(names)
        for column, second in enumerate(names)
    ]
    labels = f"{json.dumps(order)}[datum.value - 1]"
    places = list(range(1, size + 1))
    width = max(1.5, TREE * size)
    # Every layer says the same of the two axes: what one leaves out, Vega-Lite takes from its defaults.
    of_y = {
        "title": None,
        "scale": alt.Scale(domain=[size + 0.5, 0.5], nice=False),
        "axis": alt.Axis(
            values=places,
            labelExpr=f"datum.value + '  ' + {labels}",
            labelOverlap=False,
            grid=False,
            ticks=False,
            domain=False,
        ),
    }
    of_x = {
        "title": ["target by its number", "right of the map, the tree"],
        "scale": alt.Scale(domain=[0.5, size + 0.7 + width], nice=False),
        "axis": alt.Axis(values=places, format="d", grid=False, ticks=False, domain=False),
    }
    # Dark for what goes against each other, as in the maps of gains: it can be read in grey.
    shades = alt.Scale(domain=[-1, 0, 1], range=["#673589", "#ffffff", "#54b55c"], interpolate="rgb")
    base = alt.Chart(ROWS)
    squares = base.mark_rect(stroke="white").encode(
        x=alt.X("x0:Q", **of_x),
        x2="x1:Q",
        y=alt.Y("y0:Q", **of_y),
        y2="y1:Q",
        color=alt.Color(
            "correlation:Q",
            title="Spearman's correlation",
            scale=shades,
            legend=alt.Legend(orient="top"),
        ),
        tooltip=["first:N", "second:N", "correlation:Q"],
    )
    layers = [squares]
    if size <= MOST_NUMBERS:
        ink = alt.condition("datum.correlation < -0.5", alt.value("white"), alt.value(INK))
        numbers = base.mark_text(fontSize=9)
        layers.append(
            numbers.encode(x=alt.X("x:Q", **of_x), y=alt.Y("y:Q", **of_y), text="text:N", color=ink)
        )
    # Of each pair of branches three strokes, as scipy draws them; their height, 1 minus correlation, goes to the right.
    drawn = dendrogram(tree_of(correlations), no_plot=True)
    strokes = [
        {"pair": number, "step": step, "at": size + 0.6 + width * high / 2, "leaf": (leaf - 5) / 10 + 1}
        for number, (leaves, highs) in enumerate(zip(drawn["icoord"], drawn["dcoord"], strict=True))
        for step, (leaf, high) in enumerate(zip(leaves, highs, strict=True))
    ]
    tree = (
        alt.Chart(alt.InlineData(strokes))
        .mark_line(color=INK, strokeWidth=1.3)
        .encode(x=alt.X("at:Q", **of_x), y=alt.Y("leaf:Q", **of_y), detail="pair:N", order="step:O")
    )
    nearest = "; ".join(
        f"{name} and {names[int(others.argmax())]} {words.signed(float(others.max()), 2)}"
        for name, others in zip(names, correlations - 3 * np.eye(size), strict=True)
    )
    chart = alt.layer(*layers, tree).properties(
        height=max(110, CELL * size), description=f"Correlations of targets, each with its nearest: {nearest}"
    )
    return specification(chart, cells)


def _agreement(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "metric": words.metric_in_words(row["metric"]),
        "spearman": number(row, "spearman", ends=("low", "high")),
        "rand_index": number(row, "rand_index"),
        "targets": int(row["targets"]),
        "pairs": int(row["pairs"]),
    }
