"""The figures of printed cells: the same as a study's, by the same names."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from transfer_atlas.analysis.figures.effects import effects_figure
from transfer_atlas.analysis.figures.heat_map import gain_heat_map
from transfer_atlas.analysis.figures.matrix import absolute_figure, distance_figure
from transfer_atlas.analysis.figures.scores import score_scatter
from transfer_atlas.analysis.figures.targets import target_scatter
from transfer_atlas.analysis.published.factors_of_influence import UNREAD
from transfer_atlas.analysis.published.metric_pairs import SCORES, segmentation_272_pairs

PAIRS, REGIME = "gbc_272_pairs", "small_target"  # the pairs behind GBC's Table 3


def published_figures(tables: dict[str, pd.DataFrame], folder: Path | str) -> Iterator[tuple[str, Figure]]:
    """Names and figures of the tables of `published_tables(folder)`.

    Tables 3 to 5 as heat maps, without the columns of Table 4b that cannot be named; effects by regime (Table 6);
    absolute IoU (appendix A); Figure 8; metrics on the pairs behind GBC's Table 3, where ranks are those of mean IoU.
    """
    gains = tables["gains"]
    named = gains[~gains["source"].str.startswith(UNREAD)]
    for regime, of_regime in gains.groupby("regime", sort=False):
        for task_type in of_regime["target_task_type"].unique():
            yield f"gains_{task_type}_{regime}", gain_heat_map(named, regime, task_type)
        yield f"effects_{regime}", effects_figure(gains, regime)
        of_segmentation = of_regime[of_regime["target_task_type"] == "segmentation"]
        if of_segmentation["value"].notna().any():
            yield f"absolute_segmentation_{regime}", absolute_figure(named, regime, "segmentation")
    yield "domain_distances", distance_figure(tables["domain_distances"])
    pairs = segmentation_272_pairs(folder)
    yield f"scores_{PAIRS}", score_scatter(pairs.assign(gain=pairs["value"]), REGIME)
    for metric in (*SCORES, "domain_distance"):
        yield f"scores_{metric}_by_target_{PAIRS}", target_scatter(pairs, REGIME, metric)
