"""Matrices of targets by sources in one colour: domain distances (Fig. 8 of Mensink et al.), absolute
metrics (appendix A).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from transfer_atlas.analysis.figures import style

CELL_WIDTH, CELL_HEIGHT, GAP = 0.5, 0.34, 0.2  # inches; the gap in cells, between domains
# One hue from light to dark, so that it survives printing without colour.
COLOURS = ("#eef3f9", "#dbe6f2", "#a9c3de", "#6d93bd", "#3a5f8f", "#16305a")
DOMAIN_INK = "#1f4e9c"


def distance_figure(distances: pd.DataFrame, assignment: str = "target_to_source") -> Figure:
    """Domain distances of a table `domain_distances`, light where near: rows are targets, columns sources (Fig. 8)."""
    rows = distances[distances["assignment"] == assignment]
    cells = rows.rename(columns={"target": "row", "source": "column", "distance": "value"})
    cells = cells.assign(row_domain=rows["target_domain"], column_domain=rows["source_domain"])
    # In the logarithm: one dataset that is far from all others would else leave one colour to the rest.
    if (cells["value"] > 0).all():
        cells["colour"] = np.log(cells["value"])
    words = {
        "target_to_source": "D(T given S): from each target image to its closest source image",
        "source_to_target": "from each source image to its closest target image",
        "symmetric": "the mean of both directions",
        "one_to_one": "one-to-one assignment (Earth Mover's)",
    }[assignment]
    backbones = ", ".join(sorted(set(rows["backbone"].dropna())))
    features = f", features of {backbones}" if backbones else ""
    whole = bool(np.allclose(cells["value"], cells["value"].round()))
    return matrix_figure(cells, f"Distance of image domains{features}\n{words}", decimals=0 if whole else 2)


def absolute_figure(gains: pd.DataFrame, regime: str, target_task_type: str) -> Figure:
    """Absolute metrics of a table `gains` (appendix A): dark is good, each row from its own worst to its own best.

    Besides the sources, the columns `ilsvrc` and `scratch`; their domain is empty.
    """
    rows = gains[(gains["regime"] == regime) & (gains["target_task_type"] == target_task_type)]
    rows = rows.dropna(subset=["value"])
    known = rows.dropna(subset=["baseline"]).drop_duplicates("target")
    baseline = known.assign(source="ilsvrc", value=known["baseline"], source_domain=None)
    rows = pd.concat([rows[rows["source"] != "ilsvrc"], baseline], ignore_index=True)
    lower = rows["higher_is_better"].eq(False).fillna(False)
    colour = rows["value"].where(~lower, -rows["value"])
    # Random weights are mostly so far below that all else would be one colour: they get that of the worst source.
    sources = rows["source"] != "scratch"
    worst = colour.where(sources).groupby(rows["target"]).transform("min")
    colour = colour.where(sources | (colour > worst), worst)
    own_type, baselines = f"{target_task_type}/", {"ilsvrc": "ILSVRC", "scratch": "Scratch"}
    cells = pd.DataFrame(
        {
            "row": rows["target"].str.removeprefix(own_type),
            "column": rows["source"].str.removeprefix(own_type).replace(baselines),
            "row_size": rows["target_n_train"],
            "column_size": rows["source_n_train"],
            "value": rows["value"],
            "colour": colour,
            "row_domain": rows["target_domain"],
            "column_domain": rows["source_domain"].fillna(""),
        }
    )
    metrics = ", ".join(style.in_words(name) for name in sorted(set(rows["metric"].dropna())))
    title = f"Absolute metric of {target_task_type}: {metrics}\n"
    title += f"{style.in_words(regime)} regime, {style.seeds_in_words(rows['n_seeds'])}; colours row by row"
    return matrix_figure(cells, title, decimals=2, by_row=True)


def matrix_figure(cells: pd.DataFrame, title: str, *, decimals: int, by_row: bool = False) -> Figure:
    """A matrix with its numbers, in blocks of one domain.

    cells: row, column, value, row_domain, column_domain, and optionally colour (else the value), which is dark where
    high, and row_size, column_size, by which a domain is ordered (else by name); pairs that are not there stay empty.
    by_row: colours span each row by itself.
    """
    if cells.empty:
        figure = style.new_figure(6.6, 1.2)
        figure.text(0.5, 0.5, "nothing to show", ha="center", va="center", fontsize=11, color=style.FAINT_INK)
        return figure
    rows, columns = (_places(cells, side) for side in ("row", "column"))
    height, width = (max(places.values()) + 0.5 for places in (rows, columns))
    names = [0.075 * max(map(len, side)) + 0.15 for side in (rows, columns)]
    left, top = names[0] + 1.0, 0.75 + names[1] + 0.3
    size = (left + width * CELL_WIDTH + 0.2, top + height * CELL_HEIGHT + 0.2)
    size = (max(size[0], 6.6), size[1])
    figure = style.new_figure(*size)
    box = (left / size[0], 0.2 / size[1], width * CELL_WIDTH / size[0], height * CELL_HEIGHT / size[1])
    axes = figure.add_axes(box)
    axes.set(xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()
    _draw(axes, cells, rows, columns, decimals, by_row)
    _label(axes, cells, rows, columns, names)
    figure.text(0.15 / size[0], 1 - 0.12 / size[1], title, va="top", fontsize=10.5, color=style.INK)
    return figure


def _places(cells: pd.DataFrame, side: str) -> dict[str, float]:
    """Centre of every row or column, in cells: by domain, then size and name, what has no domain last."""
    facts = cells.assign(size=cells.get(f"{side}_size", 0)).drop_duplicates(side)
    facts["size"] = facts["size"].astype("float64")
    domains = style.ordered(set(facts[f"{side}_domain"]) - {"", "multi"}, style.DOMAIN_ORDER)
    places, position = {}, 0.5
    for domain in [*domains, "multi", ""]:
        members = facts[facts[f"{side}_domain"] == domain].sort_values(["size", side])[side]
        for name in members:
            places[name] = position
            position += 1.0
        position += GAP if len(members) else 0.0
    return places


def _colour_map() -> Colormap:
    return LinearSegmentedColormap.from_list("matrix", COLOURS)


def _draw(
    axes: Axes,
    cells: pd.DataFrame,
    rows: dict[str, float],
    columns: dict[str, float],
    decimals: int,
    by_row: bool,
) -> None:
    colours = _colour_map()
    shown = cells["colour"] if "colour" in cells else cells["value"]
    if by_row:
        low, high = (shown.groupby(cells["row"]).transform(end) for end in ("min", "max"))
    else:
        low, high = shown.min(), shown.max()
    spread = pd.Series(high - low, index=cells.index)
    share = ((shown - low) / spread.where(spread > 0)).fillna(0.5)
    for cell, part in zip(cells.itertuples(), share, strict=True):
        x, y = columns[cell.column], rows[cell.row]
        fill = colours(float(part))
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=fill, ec="white", lw=0.7))
        ink = "white" if style.luminance(fill) < 0.25 else style.INK
        words = style.signed(cell.value, decimals)
        axes.text(x, y, words, fontsize=8, ha="center", va="center_baseline", color=ink)


def _label(
    axes: Axes, cells: pd.DataFrame, rows: dict[str, float], columns: dict[str, float], names: list[float]
) -> None:
    for name, y in rows.items():
        axes.text(-0.15, y, name, fontsize=8.5, ha="right", va="center", color=style.INK)
    for name, x in columns.items():
        axes.text(x, -0.15, name, fontsize=8.5, ha="center", va="bottom", rotation=90, color=style.INK)
    of_row = cells.drop_duplicates("row").set_index("row")["row_domain"]
    of_column = cells.drop_duplicates("column").set_index("column")["column_domain"]
    for domain in sorted(set(of_row) - {""}):
        here = [y for name, y in rows.items() if of_row[name] == domain]
        x, ends = -(names[0] + 0.05) / CELL_WIDTH, (min(here) - 0.42, max(here) + 0.42)
        axes.plot([x, x], ends, color=DOMAIN_INK, lw=1.1, clip_on=False)
        words = style.in_words(domain)
        place = {"fontsize": 8.5, "ha": "right", "va": "center", "color": DOMAIN_INK}
        axes.text(x - 0.12, sum(ends) / 2, words, **place)
    for domain in sorted(set(of_column) - {"", "multi"}):
        here = [x for name, x in columns.items() if of_column[name] == domain]
        y, ends = -(names[1] + 0.02) / CELL_HEIGHT, (min(here) - 0.42, max(here) + 0.42)
        axes.plot(ends, [y, y], color=DOMAIN_INK, lw=1.1, clip_on=False)
        words = style.in_words(domain)
        points = float(np.clip((ends[1] - ends[0]) * CELL_WIDTH / (len(words) * 0.0088), 5.5, 8.5))
        place = {"fontsize": points, "ha": "center", "va": "bottom", "color": DOMAIN_INK}
        axes.text(sum(ends) / 2, y - 0.12, words, **place)
