"""The figure of transfer effects: every gain a dot, by image domain and task type, and Table 6's shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.findings.estimates import usable
from transfer_atlas.analysis.tables.effects import effects_table
from transfer_atlas.analysis.tables.transfers import NEGATIVE, POSITIVE, VERY_POSITIVE
from transfer_atlas.study.task import BASELINES

FEWEST_FOR_MEDIAN = 3  # a line over one or two dots would hide them
# Beside the colours, so that the shares can be told apart in grey.
HATCHES = {"negative": "", "insignificant": "", "positive": "////", "very_positive": ""}
RELATIONS = (("within", "within"), ("within", "cross"), ("cross", "within"), ("cross", "cross"))
DOT_INK = {
    "negative": "#4a2168",
    "insignificant": "#8a8a8a",
    "positive": "#4ea84f",
    "very_positive": "#1d7a36",
}


def effects_figure(gains: pd.DataFrame, regime: str) -> Figure:
    """Gains (percent) of all sources on all targets of one regime, one strip per relation, shares beside it.

    The baselines `ilsvrc` and `scratch` are left out, as in Table 6 of Mensink et al. Relations that do not
    occur in the study have no strip.
    """
    of_regime = gains[(gains["regime"] == regime) & ~gains["source"].isin(BASELINES)]
    shares = effects_table(of_regime).set_index(["image_domain", "task_type"])
    relations = [r for r in RELATIONS if r in shares.index and shares.loc[r, "count"] > 0]
    if not relations:
        figure = style.new_figure(6.6, 1.2)
        words = f"no transfers in the {style.in_words(regime)} regime"
        figure.text(0.5, 0.5, words, ha="center", va="center", fontsize=11, color=style.FAINT_INK)
        return figure
    height = 1.55 + 0.72 * len(relations)
    figure = style.new_figure(9.6, height)
    box = (0.75 / height, 0.72 * len(relations) / height)  # bottom and height of both axes
    strips = figure.add_axes((0.17, box[0], 0.46, box[1]))
    bars = figure.add_axes((0.70, box[0], 0.28, box[1]))
    _draw_strips(strips, of_regime, relations)
    _draw_bars(bars, relations, shares)
    title = f"Transfer effects by relation of source and target, {style.in_words(regime)} regime, "
    title += style.seeds_in_words(of_regime["n_seeds"])
    figure.text(0.02, 1 - 0.16 / height, title, va="top", fontsize=11.5, color=style.INK)
    return figure


def _draw_strips(axes: Axes, gains: pd.DataFrame, relations: list[tuple[str, str]]) -> None:
    """One strip of dots per relation; a dot's height in its strip only keeps dots apart."""
    # Linear between the outer thresholds, logarithmic beyond: gains reach from -98 to 166 in the paper.
    axes.set_xscale("symlog", linthresh=VERY_POSITIVE, linscale=1.2)
    limit = max(50.0, 1.15 * float(gains["gain"].abs().max()))
    axes.set(xlim=(-limit, limit), ylim=(len(relations) - 0.5, -0.5))
    axes.axvspan(NEGATIVE, POSITIVE, color=style.EFFECT_COLOURS["insignificant"], alpha=0.6, lw=0)
    axes.axvline(VERY_POSITIVE, color=style.FAINT_INK, lw=0.8, ls=(0, (4, 3)))
    axes.axvline(0.0, color=style.FAINT_INK, lw=0.8)
    for position, (domain, task_type) in enumerate(relations):
        chosen = gains["within_domain"].eq(domain == "within").fillna(False) & (
            gains["within_task_type"].eq(task_type == "within").fillna(False)
        )
        group = usable(gains[chosen]).sort_values(["gain", "target", "source"])
        heights = position + _spread(group["gain"].to_numpy())
        colours = [DOT_INK[name] for name in group["effect"]]
        axes.scatter(group["gain"], heights, s=13, c=colours, linewidths=0.3, edgecolors="white", zorder=3)
        if len(group) >= FEWEST_FOR_MEDIAN:
            median = float(group["gain"].median())
            axes.plot([median] * 2, [position - 0.4, position + 0.4], color=style.INK, lw=1.8, zorder=4)
        words = f"{domain} domain\n{task_type} task type"
        beside = axes.get_yaxis_transform()
        axes.text(
            -0.03, position, words, transform=beside, ha="right", va="center", fontsize=9, color=style.INK
        )
    ticks = [
        t
        for t in (-100, -50, -20, -10, -2, 2, 10, 20, 50, 100)
        if abs(t) <= limit and not (abs(t) == 50 and limit > 100)
    ]
    axes.set_xticks(ticks, labels=[style.signed(t) for t in ticks], fontsize=8)
    axes.minorticks_off()
    axes.set_yticks([])
    axes.set_xlabel("relative transfer gain r (%); black line: median of three or more", fontsize=9)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)


def _draw_bars(axes: Axes, relations: list[tuple[str, str]], shares: pd.DataFrame) -> None:
    """Stacked shares of each relation's effects; positive without very positive, to add to 100."""
    for position, relation in enumerate(relations):
        row = shares.loc[relation]
        percent = {name: float(row[f"{name}_percent"]) for name in style.EFFECT_COLOURS}
        percent["positive"] -= percent["very_positive"]
        left = 0.0
        for name, colour in style.EFFECT_COLOURS.items():
            look = {"color": colour, "edgecolor": "white", "lw": 0.6, "hatch": HATCHES[name]}
            axes.barh(position, percent[name], left=left, height=0.55, **look)
            if percent[name] >= 7:
                ink = "white" if name == "negative" else style.INK
                place = {"ha": "center", "va": "center_baseline", "fontsize": 8, "color": ink}
                axes.text(left + percent[name] / 2, position, f"{percent[name]:.0f}", **place)
            left += percent[name]
        lost = f", {row['failed']} failed" if row["failed"] else ""
        lost += f", {row['at_chance']} at chance" if row["at_chance"] else ""
        count = f"{row['count']} transfer{'' if row['count'] == 1 else 's'}{lost}"
        axes.text(100, position - 0.32, count, ha="right", va="bottom", fontsize=7.5, color=style.FAINT_INK)
    axes.set(xlim=(0, 100), ylim=(len(relations) - 0.5, -0.5))
    axes.set_yticks([])
    axes.set_xticks([0, 50, 100], labels=["0", "50", "100"], fontsize=8)
    axes.set_xlabel("share of transfers (%)", fontsize=9)
    for side in ("left", "right", "top"):
        axes.spines[side].set_visible(False)
    names = {
        "negative": "r < \N{MINUS SIGN}2",
        "insignificant": "between",
        "positive": "2 < r \N{LESS-THAN OR EQUAL TO} 10",
    }
    names["very_positive"] = "r > 10"
    handles = [
        Patch(facecolor=colour, edgecolor="white", hatch=HATCHES[name], label=names[name])
        for name, colour in style.EFFECT_COLOURS.items()
    ]
    place = {"loc": "lower left", "bbox_to_anchor": (-0.02, 1.0), "ncols": 4, "frameon": False}
    axes.legend(
        handles=handles, fontsize=7.5, handlelength=0.9, columnspacing=0.9, handletextpad=0.35, **place
    )


def _spread(gains: np.ndarray) -> np.ndarray:
    """Offsets in (-0.36, 0.36) for sorted gains (N,): the golden ratio's multiples keep neighbours apart.

    They look random but are the same every time, which a random jitter is not without a seed.
    """
    golden = 0.6180339887498949
    return (np.arange(len(gains)) * golden % 1.0 - 0.5) * 0.72
