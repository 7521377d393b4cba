"""Scores against measured gains, a panel per metric (as Fig. 3 of Pandy et al. 2022)."""

from __future__ import annotations

import math

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from transfer_atlas.analysis.tables.metric_evaluation import kendall

COLUMNS = 4
PANEL = (2.6, 2.3)  # inches


def score_scatter(pairs: pd.DataFrame, regime: str) -> Figure:
    """A figure for one regime of `score_tables.scored_pairs`: score and gain of every pair, coloured by target domain.

    Each panel's title states Kendall's tau over all its pairs. A metric without any score has no panel.
    """
    known = pairs[pairs["regime"] == regime].dropna(subset=["score", "gain"])
    metrics = sorted(known["metric"].unique())
    columns = max(1, min(COLUMNS, len(metrics)))
    rows = max(1, math.ceil(len(metrics) / columns))
    figure, axes = plt.subplots(
        rows, columns, figsize=(PANEL[0] * columns, PANEL[1] * rows + 0.5), squeeze=False, sharey=True
    )
    domains = sorted(known["target_domain"].unique())
    colours = dict(zip(domains, plt.get_cmap("tab10").colors * 2, strict=False))
    for axis in axes.flat[len(metrics) :]:
        axis.set_visible(False)
    for number, (axis, metric) in enumerate(zip(axes.flat, metrics, strict=False)):
        group = known[known["metric"] == metric]
        for domain, part in group.groupby("target_domain", sort=True):
            axis.scatter(part["score"], part["gain"], s=12, color=colours[domain], label=domain)
        tau = kendall(group["score"].to_numpy(float), group["gain"].to_numpy(float))
        axis.set_title(f"{metric.replace('_', ' ')} ({tau:+.2f})", fontsize=8)
        axis.axhline(0, color="0.7", linewidth=0.6, zorder=0)
        axis.tick_params(labelsize=6)
        if number % columns == 0:
            axis.set_ylabel("gain in percent", fontsize=7)
    handles = [
        plt.Line2D([], [], linestyle="", marker="o", markersize=4, color=colours[name], label=name)
        for name in domains
    ]
    if handles:
        figure.legend(handles=handles, loc="lower center", ncols=len(handles), fontsize=7, frameon=False)
    figure.suptitle(f"Scores and measured gains, {regime.replace('_', ' ')} (Kendall's tau)", fontsize=9)
    figure.tight_layout(rect=(0, 0.05, 1, 0.99))
    return figure
