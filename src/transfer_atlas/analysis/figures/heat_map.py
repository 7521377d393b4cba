"""The heat map of relative transfer gains, arranged as Table 3a of Mensink et al.

Rows are targets, columns are sources, both in blocks of one image domain, inside a block by the size of the
training set. Sizes below are in inches, positions in the axes are in cells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from transfer_atlas.analysis.figures import style

FAILED_MARK = "\N{MULTIPLICATION SIGN}"
GAP, WIDE_GAP = 0.22, 0.5  # cells between blocks of domains, and before Scratch or another task type
CELL_WIDTH, CELL_HEIGHT = 0.46, 0.36  # of a large map; a small map has cells up to 1.6 times this
FAILED_FILL, FAILED_INK, ITSELF_FILL = "#f6f2e9", "#9a3b00", "#e4e4e4"
DOMAIN_INK = "#1f4e9c"
BASELINE_WIDTH = 0.62  # inches right of the map, for the metric from ILSVRC


class Entry(NamedTuple):
    """One row or column: its position is the centre, in cells."""

    task: str
    label: str
    size: str  # of the training set, as printed
    position: float


@dataclass(frozen=True)
class Block:
    """Neighbouring rows or columns of one task type and image domain."""

    task_type: str
    domain: str
    entries: list[Entry]

    @property
    def extent(self) -> tuple[float, float]:
        """First and last edge, in cells."""
        return self.entries[0].position - 0.5, self.entries[-1].position + 0.5


def gain_heat_map(
    gains: pd.DataFrame,
    regime: str,
    target_task_type: str | None = None,
    source_task_types: list[str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Figure:
    """Heat map of a gains table's mean gains in percent.

    `target_task_type` and `source_task_types` keep a part of the table, by default all of it; with several
    task types blocks are grouped by task type first. `names` maps datasets to the labels to print.
    """
    cells = gains[(gains["regime"] == regime) & (gains["source"] != "ilsvrc")]
    if target_task_type is not None:
        cells = cells[cells["target_task_type"] == target_task_type]
    if source_task_types is not None:
        cells = cells[cells["source_task_type"].isin(source_task_types) | (cells["source"] == "scratch")]
    if cells.empty:
        return _empty_figure(regime, target_task_type)
    names = names or {}
    rows = arrange(cells, "target", names)
    columns = arrange(cells, "source", names)
    n_columns, n_rows = columns[-1].extent[1], rows[-1].extent[1]
    scale = float(np.clip(4.0 / (max(n_columns, n_rows) * CELL_WIDTH), 1.0, 1.6))
    return _draw(cells, rows, columns, scale, _title(cells, regime))


def _name_of_multi(source: str, names: Mapping[str, str]) -> str:
    """`Multi`, and what a name such as `multi_segmentation_tumour` has behind its task type."""
    return " ".join([names.get("multi", "Multi"), *source.split("_")[2:]])


def arrange(cells: pd.DataFrame, side: str, names: Mapping[str, str]) -> list[Block]:
    """Blocks of rows (side `target`) or columns (side `source`) with their positions."""
    fields = [side, *(f"{side}_{name}" for name in ("task_type", "dataset", "domain", "n_train"))]
    tasks = (
        cells[fields]
        .drop_duplicates(side)
        .set_axis(["task", "task_type", "dataset", "domain", "n_images"], axis=1)
    )
    tasks["n_images"] = tasks["n_images"].astype("float64")
    tasks["label"] = [names.get(dataset, dataset) for dataset in tasks["dataset"]]
    tasks.loc[tasks["domain"].isna(), ["domain", "n_images"]] = ["", np.nan]
    tasks.loc[tasks["task"] == "scratch", ["task_type", "label"]] = ["", names.get("scratch", "Scratch")]
    several = tasks["task"].str.startswith("multi_")
    tasks.loc[several, "label"] = [_name_of_multi(task, names) for task in tasks.loc[several, "task"]]
    blocks: list[Block] = []
    position = 0.0
    task_types = [*style.ordered(set(tasks["task_type"]) - {""}, style.TASK_TYPE_ORDER), ""]
    for task_type in task_types:
        of_type = tasks[tasks["task_type"] == task_type]
        present = set(of_type["domain"])
        # A multi-source is in no domain of its own: its block comes last, also after domains a user added.
        for domain in [*style.ordered(present - {"multi"}, style.DOMAIN_ORDER), *(present & {"multi"})]:
            members = of_type[of_type["domain"] == domain].sort_values(["n_images", "task"])
            if blocks:
                position += WIDE_GAP if task_type != blocks[-1].task_type else GAP
            entries = []
            for member in members.itertuples():
                size = "" if np.isnan(member.n_images) else style.image_count(member.n_images)
                entries.append(Entry(member.task, member.label, size, position + 0.5))
                position += 1.0
            blocks.append(Block(task_type, domain, entries))
    return blocks


def _draw(cells: pd.DataFrame, rows: list[Block], columns: list[Block], scale: float, title: str) -> Figure:
    """The figure: margins in inches around axes whose unit is a cell."""
    n_columns, n_rows = columns[-1].extent[1], rows[-1].extent[1]
    width, height = n_columns * CELL_WIDTH * scale, n_rows * CELL_HEIGHT * scale
    row_names, column_names = (_text_inches(blocks, 9) for blocks in (rows, columns))
    domains = 0.075 * max(len(style.in_words(block.domain)) for block in rows)
    left, right = 0.55 + domains + 0.2 + row_names + 0.55, 0.35 + BASELINE_WIDTH
    told = _tell_task_types(columns, rows)
    top, bottom = 1.0 + 0.5 + column_names + (0.25 if told else 0.0), 1.2
    spare = max(0.0, 6.6 - (left + width + right))  # of a small map: the title and the key need this width
    left, figure_width, figure_height = left + spare / 2, left + width + right + spare, top + height + bottom
    figure = style.new_figure(figure_width, figure_height)
    axes = figure.add_axes(
        (left / figure_width, bottom / figure_height, width / figure_width, height / figure_height)
    )
    axes.set(xlim=(0.0, n_columns), ylim=(n_rows, 0.0))
    axes.set_axis_off()
    _draw_cells(axes, cells, rows, columns, scale)
    _label_columns(axes, columns, scale, column_names, told)
    _label_rows(axes, rows, scale, row_names, domains)
    _tell_baselines(axes, cells, rows, n_columns, scale)
    figure.text(0.3 / figure_width, 1 - 0.2 / figure_height, title, va="top", fontsize=11.5, color=style.INK)
    _draw_key(figure, cells)
    return figure


def _draw_cells(
    axes: Axes, cells: pd.DataFrame, rows: list[Block], columns: list[Block], scale: float
) -> None:
    """One rectangle and number per source and target; what has no number is marked by what it is."""
    colours, norm = style.gain_colour_map(), style.gain_norm()
    of_pair = {(cell.target, cell.source): cell for cell in cells.itertuples()}
    several_seeds = bool((cells["n_seeds"] > 1).any())
    size = 9.0 if scale < 1.3 else 11.0
    place = {"ha": "center", "va": "center_baseline"}
    for row in (entry for block in rows for entry in block.entries):
        for column in (entry for block in columns for entry in block.entries):
            x, y = column.position, row.position
            cell = of_pair.get((row.task, column.task))
            if row.task == column.task:
                _box(axes, x, y, ITSELF_FILL)
            elif cell is None:
                axes.text(x, y, "·", fontsize=size, color=style.FAINT_INK, **place)
            elif np.isnan(cell.gain):
                _box(axes, x, y, FAILED_FILL, hatch="/////")
                axes.text(x, y, FAILED_MARK, fontsize=size + 4, color=FAILED_INK, weight="bold", **place)
            elif _at_chance(cell):
                _box(axes, x, y, "white", hatch="....")
                axes.text(x, y, style.signed(cell.gain), fontsize=size - 1, color=style.FAINT_INK, **place)
            else:
                fill = colours(norm(cell.gain))
                _box(axes, x, y, fill)
                ink = "white" if style.luminance(fill) < 0.25 else style.INK
                weight = "bold" if cell.decided_effect in ("positive", "very_positive") else "normal"
                lift = 0.15 if several_seeds else 0.0
                axes.text(
                    x, y - lift, style.signed(cell.gain), fontsize=size, color=ink, weight=weight, **place
                )
                if several_seeds and not np.isnan(cell.gain_std):
                    axes.text(x, y + 0.27, f"±{cell.gain_std:.0f}", fontsize=size - 3, color=ink, **place)


def _at_chance(cell: object) -> bool:
    flag = cell.baseline_at_chance
    return not pd.isna(flag) and bool(flag)


def _box(axes: Axes, x: float, y: float, fill: object, hatch: str | None = None) -> None:
    """A cell's rectangle, its centre at (x, y)."""
    edge = "#d3c8b2" if hatch else "white"
    axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, fc=fill, ec=edge, lw=0.7, hatch=hatch))


def _label_columns(axes: Axes, columns: list[Block], scale: float, names: float, told: bool) -> None:
    """Above the columns: sizes, names (`names` inches high), domains, task types if `told`, `Source`."""
    inch = 1.0 / (CELL_HEIGHT * scale)  # in cells
    domain_line = 0.38 + names
    for block in columns:
        for entry in block.entries:
            _text(axes, entry.position, -0.05 * inch, entry.size, 7.5, style.FAINT_INK, va="bottom")
            _text(axes, entry.position, -0.24 * inch, entry.label, 9, va="bottom", rotation=90)
        if block.domain not in ("", "multi"):
            first, last = block.extent
            words = style.in_words(block.domain)
            # Narrow blocks get smaller letters: about 0.0085 inches per letter and point.
            points = float(
                np.clip((last - first + GAP) * CELL_WIDTH * scale / (len(words) * 0.0085), 6.5, 9.5)
            )
            _line(axes, (first + 0.06, last - 0.06), (-domain_line * inch,) * 2)
            _text(
                axes, (first + last) / 2, -(domain_line + 0.06) * inch, words, points, DOMAIN_INK, va="bottom"
            )
    top = domain_line + 0.24
    if told:
        for task_type, first, last in _task_type_extents(columns):
            _line(axes, (first + 0.06, last - 0.06), (-top * inch,) * 2)
            _text(axes, (first + last) / 2, -(top + 0.05) * inch, task_type, 10, DOMAIN_INK, va="bottom")
        top += 0.25
    middle = (columns[0].extent[0] + columns[-1].extent[1]) / 2
    _text(axes, middle, -(top + 0.04) * inch, "Source", 11, va="bottom", weight="bold")


def _label_rows(axes: Axes, rows: list[Block], scale: float, names: float, domains: float) -> None:
    """Left of the rows: sizes, names (`names` inches wide), domains (`domains` inches wide), `Target`."""
    inch = 1.0 / (CELL_WIDTH * scale)  # in cells
    domain_line = 0.55 + names
    for block in rows:
        for entry in block.entries:
            _text(axes, -0.08 * inch, entry.position, entry.size, 7.5, style.FAINT_INK, ha="right")
            _text(axes, -0.45 * inch, entry.position, entry.label, 9, ha="right")
        first, last = block.extent
        _line(axes, (-domain_line * inch,) * 2, (first + 0.08, last - 0.08))
        words = style.in_words(block.domain)
        _text(axes, -(domain_line + 0.08) * inch, (first + last) / 2, words, 9.5, DOMAIN_INK, ha="right")
    middle = (rows[0].extent[0] + rows[-1].extent[1]) / 2
    left = domain_line + 0.08 + domains + 0.16
    _text(axes, -left * inch, middle, "Target", 11, weight="bold", rotation=90)


def _tell_baselines(
    axes: Axes, cells: pd.DataFrame, rows: list[Block], n_columns: float, scale: float
) -> None:
    """Right of the rows: the metric from ILSVRC, of which all gains of the row are percentages."""
    inch = 1.0 / (CELL_WIDTH * scale)
    baselines = cells.groupby("target")["baseline"].mean()
    if baselines.isna().all():
        return
    x = n_columns + (BASELINE_WIDTH - 0.05) * inch
    _text(
        axes, x, -0.1 / (CELL_HEIGHT * scale), "from\nILSVRC", 7.5, style.FAINT_INK, ha="right", va="bottom"
    )
    for entry in (entry for block in rows for entry in block.entries):
        value = baselines.get(entry.task, np.nan)
        words = "" if np.isnan(value) else f"{value:.3f}" if value < 10 else f"{value:.3g}"
        _text(axes, x, entry.position, words, 8.5, style.INK, ha="right")


def _draw_key(figure: Figure, cells: pd.DataFrame) -> None:
    """Below the map: the colours, said to be clipped, and the marks of cells without a number."""
    width, height = figure.get_size_inches()
    limit = style.COLOUR_LIMIT
    axes = figure.add_axes((0.3 / width, 0.52 / height, 2.9 / width, 0.14 / height))
    mappable = ScalarMappable(style.gain_norm(), style.gain_colour_map())
    bar = figure.colorbar(mappable, cax=axes, orientation="horizontal", extend="both", extendfrac=0.04)
    ticks = [-limit, -10, -2, 2, 10, limit]
    bar.set_ticks(ticks, labels=[style.signed(tick) for tick in ticks], fontsize=8)
    bar.outline.set_linewidth(0.4)
    bar.ax.minorticks_off()
    axes.set_xlabel(f"relative transfer gain r (%), colours end at ±{limit:.0f}", fontsize=8, labelpad=2)
    axes.set_title("loss  ◂  ILSVRC'12 = 0  ▸  gain", fontsize=8, color=style.FAINT_INK, pad=3)
    marks = figure.add_axes((3.55 / width, 0.1 / height, 2.9 / width, 0.85 / height))
    marks.set(xlim=(0, 2.9), ylim=(0.85, 0))
    marks.set_axis_off()
    y = 0.09
    for mark, words in _marks(cells):
        if mark == "hatch":
            _key_box(marks, y, FAILED_FILL, "/////")
            _text(marks, 0.11, y, FAILED_MARK, 9, FAILED_INK, weight="bold", va="center_baseline")
        elif mark == "dots":
            _key_box(marks, y, "white", "....")
        elif mark == "grey":
            _key_box(marks, y, ITSELF_FILL, None)
        else:
            weight = "bold" if mark == "r" else "normal"
            _text(marks, 0.11, y, mark, 9, style.INK, weight=weight, va="center_baseline")
        _text(marks, 0.3, y, words, 8, ha="left")
        y += 0.155


def _marks(cells: pd.DataFrame) -> list[tuple[str, str]]:
    """What the key explains: only the marks that the map has, and what bold stands for."""
    tasks = set(cells["target"])
    pairs = set(zip(cells["source"], cells["target"], strict=True))
    found = [("grey", "source is the target")] if tasks & set(cells["source"]) else []
    if cells["gain"].isna().any():
        found.append(("hatch", "failed or missing"))
    if any((s, t) not in pairs and s != t for s in set(cells["source"]) for t in tasks):
        found.append(("·", "not in the study"))
    if cells["baseline_at_chance"].eq(True).fillna(False).any():
        found.append(("dots", "ILSVRC itself at chance level"))
    if cells["interval_covers"].eq("rounding").any():
        found.append(("r", "in bold: r > 2 beyond rounding"))
    elif cells["gain_low"].notna().any():
        images = cells["interval_covers"].dropna().eq("images").all()
        noise = " (images only: one seed)" if images else ""
        found.append(("r", f"in bold: the 95 % interval is above 2{noise}"))
    else:
        found.append(("", "one seed: noise is not known"))
    if (cells["n_seeds"] > 1).any():
        found.append(("±", "standard deviation over seeds"))
    return found


def _key_box(marks: Axes, y: float, fill: str, hatch: str | None) -> None:
    edge = "#d3c8b2" if hatch else "white"
    marks.add_patch(Rectangle((0.0, y - 0.06), 0.22, 0.12, fc=fill, ec=edge, lw=0.5, hatch=hatch))


def _title(cells: pd.DataFrame, regime: str) -> str:
    """Regime, target task type, number of seeds, metric."""
    task_types = ", ".join(style.ordered(cells["target_task_type"], style.TASK_TYPE_ORDER))
    metrics = ", ".join(style.in_words(metric) for metric in sorted(cells["metric"].dropna().unique()))
    lower = cells["higher_is_better"].eq(False).fillna(False).any()
    turned = ", lower is better: its gains have their sign turned" if lower else ""
    seeds = style.seeds_in_words(cells["n_seeds"])
    return (
        f"Relative transfer gain to {task_types} (%)\n"
        f"{style.in_words(regime)} regime, {seeds}, metric: {metrics}{turned}"
    )


def _empty_figure(regime: str, target_task_type: str | None) -> Figure:
    """What is shown where there is nothing to show: a study may hold no transfer of this kind."""
    figure = style.new_figure(6.6, 1.2)
    what = f"no transfers to {target_task_type or 'any target'} in the {style.in_words(regime)} regime"
    figure.text(0.5, 0.5, what, ha="center", va="center", fontsize=11, color=style.FAINT_INK)
    return figure


def _text_inches(blocks: list[Block], points: float) -> float:
    """Inches that the longest label takes: about 0.0085 per letter and point, never less than 0.4."""
    return max(0.4, max(len(entry.label) for block in blocks for entry in block.entries) * points * 0.0085)


def _tell_task_types(columns: list[Block], rows: list[Block]) -> bool:
    """Whether the sources' task types must stand above them: where there are several, or one that is not the
    targets'.
    """
    of_sources = {block.task_type for block in columns} - {""}
    return len(of_sources) > 1 or bool(of_sources - {block.task_type for block in rows})


def _task_type_extents(blocks: list[Block]) -> list[tuple[str, float, float]]:
    """Every task type with its first and last edge, in cells."""
    types = dict.fromkeys(block.task_type for block in blocks if block.task_type)
    extents = {name: [block.extent for block in blocks if block.task_type == name] for name in types}
    return [(name, edges[0][0], edges[-1][1]) for name, edges in extents.items()]


def _text(
    axes: Axes, x: float, y: float, words: str, points: float, colour: str = style.INK, **place: object
) -> None:
    """Text that may lie outside the axes, centred unless `place` says otherwise."""
    axes.text(x, y, words, fontsize=points, color=colour, **({"ha": "center", "va": "center"} | place))


def _line(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    """The line between a block and the name of its domain."""
    axes.plot(x, y, color=DOMAIN_INK, linewidth=1.1, solid_capstyle="butt", clip_on=False)
