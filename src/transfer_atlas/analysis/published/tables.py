"""The same analysis on printed cells as on a study: all tables, for `results/published`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.findings.table import as_text, findings_table
from transfer_atlas.analysis.published.checks import foi_checks
from transfer_atlas.analysis.published.factors_of_influence import (
    MULTI_SOURCES,
    SAME_IMAGES,
    published_datasets,
    published_distances,
    published_gains,
)
from transfer_atlas.analysis.published.metric_checks import metric_checks
from transfer_atlas.analysis.published.metric_pairs import (
    architecture_pairs,
    factors_of_influence_pairs,
    segmentation_272_pairs,
)
from transfer_atlas.analysis.published.schema import PUBLISHED_CHECKS
from transfer_atlas.analysis.tables.effects import best_effects_table, best_sources_table, effects_table
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.analysis.tables.intervals import DRAWS
from transfer_atlas.analysis.tables.score_schema import DOMAIN_DISTANCES
from transfer_atlas.analysis.tables.scores import (
    metric_differences_table,
    metric_evaluation_table,
    metric_stability_table,
)

BACKBONE = "multi_segmentation"  # whose features Figure 8 is of


def published_tables(folder: Path | str, *, draws: int = DRAWS) -> dict[str, pd.DataFrame]:
    """Tables by name, as `tables.md` describes them, from the files of resources/published.

    In the three tables of metrics the regimes are the paper's, whose rows are the baseline rankers on
    printed gains, and `gbc_272_pairs`, `gbc_architectures_frozen`, `gbc_architectures_trainable`.
    """
    gains, distances = published_gains(folder), published_distances(folder)
    pairs = pd.concat(
        [
            factors_of_influence_pairs(folder),
            segmentation_272_pairs(folder).assign(regime="gbc_272_pairs"),
            architecture_pairs(folder, "frozen").assign(regime="gbc_architectures_frozen"),
            architecture_pairs(folder, "trainable").assign(regime="gbc_architectures_trainable"),
        ],
        ignore_index=True,
    )
    options = {"same_images": SAME_IMAGES, "members": MULTI_SOURCES}
    return {
        "gains": gains,
        "effects": effects_table(gains),
        "best_effects": best_effects_table(gains),
        "best_sources": best_sources_table(gains),
        "domain_distances": distances_table(distances, published_datasets(folder)),
        "findings": findings_table(gains, distances, origin="published", **options),
        "metric_evaluation": metric_evaluation_table(pairs, draws=draws),
        "metric_differences": metric_differences_table(pairs),
        "metric_stability": metric_stability_table(pairs),
        "published_checks": PUBLISHED_CHECKS.conform(
            pd.DataFrame([*foi_checks(folder), *metric_checks(folder)])
        ),
    }


def write_published_tables(folder: Path | str, results: Path | str) -> dict[str, pd.DataFrame]:
    """Write `published_tables(folder)` as `results`/<name>.parquet, and return them."""
    tables = published_tables(folder)
    for name, frame in tables.items():
        write_table(frame, Path(results) / f"{name}.parquet")
    return tables


def published_as_text(tables: Mapping[str, pd.DataFrame]) -> str:
    """The findings, how many printed figures follow from the printed cells, and both numbers of those that do not."""
    checks = tables["published_checks"]
    wrong, known = checks[checks["agrees"].eq(False).fillna(False)], checks["agrees"].dropna()
    lines = [as_text(tables["findings"]), ""]
    lines.append(f"{int(known.sum())} of {len(known)} printed figures follow; these do not:")
    lines += [
        f"  {row.paper}, {row.place}, {row.row}, {row.statistic}: printed {row.printed:g}, here {row.derived:.3g}"
        for row in wrong.itertuples()
    ]
    return "\n".join(lines)


def distances_table(distances: pd.DataFrame, datasets: pd.DataFrame) -> pd.DataFrame:
    """Printed distances as the table `domain_distances`; how many images they are of is not printed."""
    domains = datasets["domain"]
    table = distances.assign(
        source_domain=distances["source"].map(domains),
        target_domain=distances["target"].map(domains),
        distance=distances["distance"].astype(float),
        backbone=BACKBONE,
        source_images=None,
        target_images=None,
        source_key=None,
        target_key=None,
    )
    return DOMAIN_DISTANCES.conform(table)
