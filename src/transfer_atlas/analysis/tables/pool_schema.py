"""The tables of filtered source pools column by column, as `schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

_NAMES = (
    Column("regime", "text", "", "Regime of the transfers"),
    Column("metric", "text", "", "Metric that ranks the sources"),
    Column(
        "filter",
        "text",
        "",
        "`prior`: the half that the atlas prior expects most of; `relations`: sources whose relation to the target did "
        "no worse than average on other targets (binary tasks); `relations_and_prior`: the half of those",
    ),
)
SOURCE_POOLS = Table(
    "source_pools",
    "What filtering the sources of a target before they are scored does to a metric's ranking of them. Filters are "
    "learnt without the target (its dataset, or its classes).",
    ("regime", "target", "metric", "filter"),
    (
        *_NAMES,
        Column("target", "text", "", "Target task"),
        Column("sources", "integer", "", "Sources that were scored and measured: the full pool"),
        Column("kept", "integer", "", "Those that the filter keeps"),
        Column("saved", "number", "share", "Share of the scores that need not be computed"),
        Column("footrule", "number", "places", "Spearman's footrule of score and measured metric, full pool"),
        Column(
            "footrule_kept",
            "number",
            "places",
            "The same of the filtered pool, which is less for its size alone",
        ),
        Column(
            "displacement",
            "number",
            "",
            "Footrule as a share of the largest: 0 the same order, 1 the reverse",
        ),
        Column("displacement_kept", "number", "", "The same of the filtered pool"),
        Column(
            "displacement_random", "number", "", "Its mean over 100 drawn pools of the filtered pool's size"
        ),
        Column("best_kept", "truth", "", "Whether the best source of the full pool is kept"),
        Column(
            "regret",
            "number",
            "unit of the metric",
            "Best result less that of the metric's first, full pool",
        ),
        Column(
            "regret_kept",
            "number",
            "unit of the metric",
            "The same, of the metric's first in the filtered pool",
        ),
    ),
)
SOURCE_POOL_SUMMARY = Table(
    "source_pool_summary",
    "Filters over targets: means, and 95 % intervals of differences in rank displacement over targets (Student's t for "
    "pairs, none below six).",
    ("regime", "metric", "filter"),
    (
        *_NAMES,
        Column("targets", "integer", "", "Targets that entered"),
        Column("sources", "number", "", "Mean number of sources"),
        Column("kept", "number", "", "Mean number of those that are kept"),
        Column("saved", "number", "share", "Mean share of scores that need not be computed"),
        Column("displacement", "number", "", "Mean rank displacement of the full pool"),
        Column("displacement_kept", "number", "", "That of the filtered pool"),
        Column("displacement_random", "number", "", "That of drawn pools of the filtered size"),
        Column("change", "number", "", "Filtered less full: negative is better"),
        Column("change_low", "number", "", "Lower end of its interval"),
        Column("change_high", "number", "", "Upper end"),
        Column("change_to_random", "number", "", "Filtered less drawn pools of its size: negative is better"),
        Column("change_to_random_low", "number", "", "Lower end of its interval"),
        Column("change_to_random_high", "number", "", "Upper end"),
        Column("best_kept", "number", "share", "Share of targets whose best source is kept"),
        Column("regret", "number", "unit of the metric", "Mean regret of the full pool"),
        Column("regret_kept", "number", "unit of the metric", "Mean regret of the filtered pool"),
    ),
)
POOL_TABLES: dict[str, Table] = {table.name: table for table in (SOURCE_POOLS, SOURCE_POOL_SUMMARY)}
