"""Metrics against measured gains: ranks of sources within each target, a small panel a metric.

Ranks and not scores, since scores for two targets are not comparable (Fig. 3 of Pandy et al. 2022 pools them).
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.tables.baseline_rankers import BASELINE_RANKERS
from transfer_atlas.analysis.tables.metric_evaluation import averaged, by_group, weighted_kendall

COLUMNS = 4
PANEL = 2.05  # inches, square
TITLE, HEAD, FOOT, SIDE, GAP = 0.36, 0.62, 0.55, 0.62, 0.24  # inches
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "h", "p")
# Okabe and Ito's colours, which people with colour blindness tell apart; neighbours differ in lightness, too.
COLOURS = ("#0072b2", "#f0e442", "#d55e00", "#56b4e9", "#2f2f2f", "#e69f00", "#009e73", "#f7f7f7", "#cc79a7")
FILLS = 3  # dark, light and empty, so that 36 domains can be told apart without colour
LEGEND_COLUMN = 1.45  # inches


def score_scatter(pairs: pd.DataFrame, regime: str) -> Figure:
    """A figure for one regime of `scores.scored_pairs`: where each metric puts a source, and where it belongs.

    Along x the rank by the metric among the sources of a target, its favourite left; along y the rank by the measured
    gain, the best on top: a perfect metric is a line from the upper left. Shape and colour are the target's domain. A
    panel's title has the weighted Kendall tau for a given target, its 95 % interval over targets (none below six), and
    their number; panels go from the best to the worst, baselines that need no score have a grey frame. A metric without
    any score has no panel.
    """
    known = pairs[pairs["regime"] == regime].dropna(subset=["score", "gain"])
    ranked = _ranks(known)
    judged = [_judge(ranked[ranked["metric"] == metric], metric) for metric in sorted(set(ranked["metric"]))]
    judged.sort(key=lambda found: (-found[1] if math.isfinite(found[1]) else math.inf, found[0]))
    if not judged:
        figure = style.new_figure(6.6, 1.2)
        words = f"no scores of measured transfers in the {style.in_words(regime)} regime"
        figure.text(0.5, 0.5, words, ha="center", va="center", fontsize=11, color=style.FAINT_INK)
        return figure
    looks = domain_looks(style.ordered(ranked["target_domain"], style.DOMAIN_ORDER))
    columns = min(COLUMNS, len(judged))
    rows = math.ceil(len(judged) / columns)
    width = max(SIDE + columns * (PANEL + GAP), 5.4)
    in_row = max(1, int((width - 0.4) / LEGEND_COLUMN))
    legend = 0.2 * math.ceil(len(looks) / in_row)
    height = HEAD + rows * (PANEL + TITLE + GAP) + FOOT + legend
    figure = style.new_figure(width, height)
    for number, found in enumerate(judged):
        row, column = divmod(number, columns)
        left = SIDE + column * (PANEL + GAP)
        bottom = height - HEAD - (row + 1) * (PANEL + TITLE) - row * GAP
        axes = figure.add_axes((left / width, bottom / height, PANEL / width, PANEL / height))
        lowest = number + columns >= len(judged)
        _draw_panel(axes, ranked[ranked["metric"] == found[0]], found, looks, column == 0, lowest)
    _write(figure, regime, looks, in_row, (width, height))
    return figure


def _ranks(known: pd.DataFrame) -> pd.DataFrame:
    """Pairs with `predicted` and `measured`: ranks among the sources of a target, 0 the best and 1 the last.

    Targets with fewer than three scored sources are left out, as in the evaluation.
    """
    groups = known.groupby(["metric", "target"])
    number = groups["score"].transform("size")
    ranks = {
        name: (groups[column].rank(ascending=False) - 1) / (number - 1)
        for name, column in (("predicted", "score"), ("measured", "gain"))
    }
    return known.assign(number=number, **ranks)[number >= 3]


def _judge(rows: pd.DataFrame, metric: str) -> tuple[str, float, float, float, int]:
    """Metric, mean weighted tau for a given target, its interval, and the number of targets."""
    groups = by_group(rows.assign(performance=rows["gain"]), "target", {"weighted_kendall": weighted_kendall})
    _, value, low, high, targets, _ = averaged("weighted_kendall", groups)
    return metric, value, low, high, targets


def _draw_panel(
    axes: Axes,
    rows: pd.DataFrame,
    found: tuple[str, float, float, float, int],
    looks: dict[str, dict],
    first: bool,
    lowest: bool,
) -> None:
    """One metric: its points, kept apart by a little, the line of a perfect ranking, name and tau above."""
    metric, value, low, high, targets = found
    axes.plot([0, 1], [0, 1], color="#b0b0b0", lw=1.0, zorder=1)
    for domain, part in rows.groupby("target_domain", sort=True):
        part = part.sort_values(["target", "source"])
        shift = _spread(part["number"].to_numpy())
        x, y = (part["predicted"] + shift[:, 0], part["measured"] + shift[:, 1])
        axes.scatter(x, y, s=14, linewidths=0.45, zorder=2, **looks[domain])
    axes.set(xlim=(-0.14, 1.14), ylim=(1.14, -0.14))
    axes.set_xticks([0, 1], labels=["favourite", "last"] if lowest else ["", ""], fontsize=7.5)
    axes.set_yticks([0, 1], labels=["best", "worst"] if first else ["", ""], fontsize=7.5)
    axes.tick_params(length=2, color=style.FAINT_INK)
    baseline = metric in BASELINE_RANKERS
    for spine in axes.spines.values():
        spine.set(color="#9a9a9a" if baseline else style.INK, linewidth=2.4 if baseline else 0.7)
    name = "".join([style.metric_in_words(metric), " (baseline)" if baseline else ""])
    axes.text(0, 1.11, name, transform=axes.transAxes, fontsize=9, va="bottom", color=style.INK)
    interval = "" if math.isnan(low) else f" ({style.signed(low, 2)} to {style.signed(high, 2)})"
    told = "no order to compare" if math.isnan(value) else f"{style.signed(value, 2)}{interval}"
    plural = "target" if targets == 1 else "targets"
    words = f"{told}, {targets} {plural}"
    axes.text(0, 1.015, words, transform=axes.transAxes, fontsize=7.5, va="bottom", color=style.FAINT_INK)


def domain_looks(domains: list[str]) -> dict[str, dict]:
    """Marker and colours of every domain, told apart by shape and fill alone; colour only helps."""
    looks = {}
    for number, domain in enumerate(domains):
        colour = to_rgba(COLOURS[number % len(COLOURS)])
        fill = (colour, "white", (*colour[:3], 0.35))[(number // len(MARKERS)) % FILLS]
        looks[domain] = {"marker": MARKERS[number % len(MARKERS)], "facecolor": fill, "edgecolor": style.INK}
    return looks


def _write(
    figure: Figure, regime: str, looks: dict[str, dict], in_row: int, size: tuple[float, float]
) -> None:
    """Title above, axis names and the domains below."""
    width, height = size
    title = "Ranks of the sources of a target: by each metric, and as measured"
    figure.text(0.2 / width, 1 - 0.14 / height, title, va="top", fontsize=10.5, color=style.INK)
    below = (
        f"{style.in_words(regime)} regime; above the panels: weighted Kendall tau, 95 % interval over targets"
    )
    figure.text(0.2 / width, 1 - 0.38 / height, below, va="top", fontsize=8, color=style.FAINT_INK)
    middle = (SIDE + (width - SIDE) / 2) / width
    legend = 0.2 * math.ceil(len(looks) / in_row)
    figure.text(
        middle, (0.16 + legend) / height, "rank by the metric", ha="center", fontsize=9, color=style.INK
    )
    figure.text(
        0.16 / width,
        0.5,
        "rank by measured gain",
        rotation=90,
        ha="center",
        va="center",
        fontsize=9,
        color=style.INK,
    )
    handles = [
        Line2D(
            [], [], ls="", marker=look["marker"], markerfacecolor=look["facecolor"], markeredgecolor=style.INK,
            markersize=5.5, markeredgewidth=0.6, label=style.in_words(domain),
        )
        for domain, look in looks.items()
    ]  # fmt: skip
    place = {"loc": "lower left", "bbox_to_anchor": (0.12 / width, 0.02 / height), "borderaxespad": 0.0}
    figure.legend(
        handles=handles,
        ncols=min(in_row, len(handles)),
        fontsize=8,
        frameon=False,
        handletextpad=0.2,
        **place,
    )


def _spread(number: np.ndarray) -> np.ndarray:
    """Offsets (n, 2) that keep points of equal ranks apart: less than a rank, the same every time.

    number (n,): sources of each point's target. The steps are those of a two-dimensional golden ratio.
    """
    steps = np.arange(len(number))[:, None] * np.array([0.7548776662466927, 0.5698402909980532])
    return (steps % 1.0 - 0.5) * np.minimum(0.16, 0.75 / (number - 1))[:, None]
