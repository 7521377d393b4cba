"""One metric against the measured metric, a panel a target (Figures 4 and 5 of Tan et al. on OTCE)."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.tables.metric_evaluation import FEWEST, kendall

COLUMNS, PANEL = 4, (2.1, 1.75)  # inches
GAP, HEAD, TITLE, SIDE, FOOT = 0.5, 0.62, 0.26, 0.62, 0.5  # inches


def target_scatter(pairs: pd.DataFrame, regime: str, metric: str) -> Figure:
    """Scores and measured values of one metric in one regime of `scores.scored_pairs`, a panel for each target.

    A dot is a source; the title has Kendall's tau over the target's sources. The metric's favourite is a square, the
    best source a triangle, a star where they are the same. Axes are each panel's own, since scores for two
    targets are not comparable. Where lower values are better they stand as in the table, negative.
    """
    rows = pairs[(pairs["regime"] == regime) & (pairs["metric"] == metric)]
    performance = "gain" if rows["value"].isna().all() else "value"
    rows = rows.dropna(subset=["score", performance])
    targets = [name for name, group in rows.groupby("target", sort=True) if len(group) >= FEWEST]
    words = style.metric_in_words(metric)
    if not targets:
        figure = style.new_figure(6.6, 1.2)
        text = f"no target with three sources scored by {words} in the {style.in_words(regime)} regime"
        figure.text(0.5, 0.5, text, ha="center", va="center", fontsize=11, color=style.FAINT_INK)
        return figure
    columns = min(COLUMNS, len(targets))
    lines = math.ceil(len(targets) / columns)
    width = max(SIDE + columns * (PANEL[0] + GAP), 5.4)
    height = HEAD + lines * (PANEL[1] + TITLE + GAP * 0.6) + FOOT
    figure = style.new_figure(width, height)
    for number, target in enumerate(targets):
        line, column = divmod(number, columns)
        left = SIDE + column * (PANEL[0] + GAP)
        bottom = height - HEAD - (line + 1) * (PANEL[1] + TITLE) - line * GAP * 0.6
        axes = figure.add_axes((left / width, bottom / height, PANEL[0] / width, PANEL[1] / height))
        group = rows[rows["target"] == target].sort_values("source")
        score, value = group["score"].to_numpy(float), group[performance].to_numpy(float)
        _draw(axes, score, value)
        tau = kendall(score, value)
        told = "no order" if math.isnan(tau) else f"tau {style.signed(tau, 2)}"
        axes.set_title(f"{target}: {told}", fontsize=8, loc="left", color=style.INK, pad=3)
    measured = "measured gain (%)" if performance == "gain" else "measured metric"
    title = f"{words} against the {measured}, {style.in_words(regime)} regime"
    figure.text(0.2 / width, 1 - 0.12 / height, title, va="top", fontsize=10.5, color=style.INK)
    below = "a dot is a source; square: the metric's favourite; triangle: the best source; star: both"
    figure.text(0.2 / width, 1 - 0.36 / height, below, va="top", fontsize=8, color=style.FAINT_INK)
    figure.text(0.5, 0.12 / height, f"score ({words})", ha="center", fontsize=9, color=style.INK)
    figure.text(
        0.14 / width, 0.5, measured, rotation=90, ha="center", va="center", fontsize=9, color=style.INK
    )
    return figure


def _draw(axes: object, score: np.ndarray, value: np.ndarray) -> None:
    axes.scatter(score, value, s=14, c="#9fb4c7", edgecolors=style.INK, linewidths=0.4, zorder=2)
    favourite, best = int(score.argmax()), int(value.argmax())
    marks = [(favourite, "*", 90)] if favourite == best else [(favourite, "s", 34), (best, "^", 42)]
    for index, marker, size in marks:
        look = {"marker": marker, "s": size, "c": "#16305a", "edgecolors": "white", "linewidths": 0.6}
        axes.scatter(score[index], value[index], zorder=3, **look)
    axes.margins(0.12)
    axes.tick_params(labelsize=6.5, length=2, color=style.FAINT_INK)
    axes.locator_params(nbins=4)
    for side in ("right", "top"):
        axes.spines[side].set_visible(False)
