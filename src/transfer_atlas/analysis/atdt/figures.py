"""Figures of AT/DT: features by t-SNE (supplement, Fig. 1), qualitative panels (Fig. 3), transfer levels (Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from transfer_atlas.analysis.atdt.page import TITLES
from transfer_atlas.analysis.figures import style
from transfer_atlas.analysis.figures.embedding import embedding

DIRECTIONS = ("depth_to_segmentation", "segmentation_to_depth")
# Supplement, Fig. 1: pink, red and blue.
FEATURES = {
    "given": ("features of task 1", "#f4a6c6"),
    "mapped": ("mapped by G", "#d62728"),
    "wanted": ("features of task 2", "#1f77b4"),
}
PANELS = ("baseline", "atdt", "oracle")


def tsne_figure(features: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """t-SNE on domain A of what G is given, makes, and should make; by direction, (n, C) of each.

    Features of task 1 may have other channels than those of task 2: they are shown where they have the same.
    """
    figure = style.new_figure(4.6 * max(1, len(features)), 4.9)
    for number, (direction, rows) in enumerate(sorted(features.items())):
        axes = figure.add_axes((0.03 + number / len(features), 0.1, 0.94 / len(features) - 0.02, 0.76))
        wide = rows["wanted"].shape[1]
        shown = {name: values for name, values in rows.items() if values.shape[1] == wide}
        points = embedding(shown)
        for name, (label, colour) in FEATURES.items():
            part = points[points["name"] == name]
            axes.scatter(part["x"], part["y"], s=9, c=colour, label=label, linewidths=0)
        axes.set(xticks=[], yticks=[])
        axes.set_title(direction.replace("_", " "), fontsize=10, color=style.INK)
        if number == 0:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=3, fontsize=8, frameon=False)
    return figure


def panels_figure(shown: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> Figure:
    """Input, predictions and truth of a few images of B, side by side.

    shown: by direction, by method, what each evaluation kept of its images: `image`, and paths of `input`, `truth` and
    `prediction`.
    """
    rows = []
    for direction, methods in sorted(shown.items()):
        known = [method for method in PANELS if method in methods]
        for number, kept in enumerate(methods[known[0]] if known else []):
            tiles = {"input": kept["input"]}
            tiles |= {TITLES[method]: methods[method][number]["prediction"] for method in known}
            rows.append((direction, {**tiles, "truth": kept["truth"]}))
    columns = max((len(tiles) for _, tiles in rows), default=1)
    figure = style.new_figure(1.5 * columns + 0.3, 1.55 * max(1, len(rows)) + 0.3)
    for line, (direction, tiles) in enumerate(rows):
        for column, (name, path) in enumerate(tiles.items()):
            left, width = 0.04 + 0.96 * column / columns, 0.94 / columns
            bottom = 1 - (line + 1) / (len(rows) + 0.2)
            axes = figure.add_axes((left, bottom, width, 0.9 / (len(rows) + 0.2)))
            axes.imshow(np.asarray(Image.open(path)), interpolation="nearest")
            axes.set(xticks=[], yticks=[])
            if line == 0 or rows[line - 1][0] != direction:
                axes.set_title(name, fontsize=7, color=style.INK, pad=2)
            if column == 0:
                axes.set_ylabel(direction.replace("_to_", " to "), fontsize=6, color=style.INK)
    return figure


def levels_figure(results: pd.DataFrame) -> Figure:
    """The main metric of AT/DT on A and on B by the level of the split, with intervals over seeds (Fig. 4)."""
    chosen = results[
        (results["method"] == "atdt")
        & (results["n1"] == "shared")
        & results["metric"].isin(["mean_iou", "pixel_accuracy", "rmse", "mean_angular_error"])
    ]
    pairs = sorted({(row.direction, row.metric) for row in chosen.itertuples()})
    figure = style.new_figure(3.4 * max(1, len(pairs)), 3.0)
    for number, (direction, metric) in enumerate(pairs):
        axes = figure.add_axes((0.12 / len(pairs) + number / len(pairs), 0.18, 0.8 / len(pairs), 0.66))
        for on, colour in (("a", "#d95f02"), ("b", "#1f77b4")):
            part = chosen[
                (chosen["direction"] == direction)
                & (chosen["metric"] == metric)
                & (chosen["evaluated_on"] == on)
            ]
            part = part.groupby("level", as_index=False)[["mean", "low", "high"]].mean().sort_values("level")
            level = part["level"].astype(float)
            axes.plot(level, part["mean"], marker="o", color=colour, label=f"on {on.upper()}")
            axes.vlines(level, part["low"], part["high"], color=colour, linewidth=1)
        axes.set_xlabel("level of the split", fontsize=8)
        axes.set_title(
            f"{direction.replace('_', ' ')}: {style.in_words(metric)}", fontsize=8, color=style.INK
        )
        axes.tick_params(labelsize=7)
        axes.set_xticks(sorted({float(value) for value in chosen["level"]}))
        axes.legend(fontsize=7, frameon=False)
    return figure


def kept_images(folder: Path, metrics: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What an evaluation kept of its images, with whole paths."""
    return [
        {name: value if name == "image" else folder / value for name, value in each.items()}
        for each in (metrics or {}).get("shown", [])
    ]


def chosen_evaluations(
    evaluations: Sequence[tuple[Mapping[str, Any], str]], *, on: str, methods: Sequence[str]
) -> dict[str, dict[str, str]]:
    """By direction and method, the folder of one evaluation: of the first pair and seed, at the deepest split."""
    found: dict[str, dict[str, str]] = {}
    for identity, folder in evaluations:
        usual = identity["level"] in (None, 4) and identity["n1"] in (None, "shared")
        if usual and identity["evaluated_on"] == on and identity["method"] in methods:
            found.setdefault(identity["direction"], {}).setdefault(identity["method"], folder)
    return found
