"""The tables of a comparison of two studies column by column, as `tables/schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table


def _side(side: str) -> tuple[Column, ...]:
    return (
        Column(f"gain_{side}", "number", "percent", f"Gain in the {side} study; empty if failed or absent"),
        Column(f"gain_low_{side}", "number", "percent", "Lower end of its interval; may be empty"),
        Column(f"gain_high_{side}", "number", "percent", "Upper end of its interval; may be empty"),
        Column(f"effect_{side}", "text", "", "Its effect"),
        Column(f"value_{side}", "number", "unit of the metric", "Its absolute metric"),
        Column(f"n_seeds_{side}", "integer", "", "Seeds behind it; empty if absent"),
        Column(f"status_{side}", "text", "", "Its status in `gains`, or `absent`"),
    )


COMPARISON = Table(
    "comparison",
    "Two tables `gains` beside each other: one row per regime, target and source of either.",
    ("regime", "target", "source"),
    (
        Column("source", "text", "", "Starting point"),
        Column("target", "text", "", "Task that was fine-tuned and evaluated"),
        Column("regime", "text", "", "Regime of both"),
        Column("target_task_type", "text", "", "Task type of the target"),
        *_side("first"),
        *_side("second"),
        Column("difference", "number", "percent", "Second gain minus first"),
        Column(
            "difference_low",
            "number",
            "percent",
            "Lower end of its 95 % interval; empty if either gain has none",
        ),
        Column("difference_high", "number", "percent", "Upper end"),
        Column(
            "change",
            "text",
            "",
            "`same_effect`; `other_effect`, or `other_effect_within_noise` where the interval of the "
            "difference contains "
            "0; `new` (second only), `vanished` (first only), `failed` (a gain in one, none in the other), "
            "`no_gain` (in "
            "neither)",
        ),
        Column(
            "same_runs",
            "truth",
            "",
            "Do both rest on the same runs, by key? Then a difference is one of machines or versions, not of settings",
        ),
    ),
)

COMPARISON_SUMMARY = Table(
    "comparison_summary",
    "What two studies agree on, by regime and task type of the target.",
    ("regime", "task_type", "statistic"),
    (
        Column("regime", "text", "", "Regime of both"),
        Column("task_type", "text", "", "Task type of the targets, or `all`"),
        Column(
            "statistic",
            "text",
            "",
            "`kendall`, `spearman` and `pearson` between the gains; `mean_difference` and `mean_absolute_difference` "
            "(percent); `same_effect`, `other_effect`, ...: rows of that `change`",
        ),
        Column("value", "number", "of the statistic", "The statistic; empty for fewer than three pairs"),
        Column(
            "low", "number", "of the statistic", "Lower end of its 95 % interval over targets; may be empty"
        ),
        Column("high", "number", "of the statistic", "Upper end"),
        Column("count", "integer", "", "Pairs that entered"),
    ),
)

COMPARISON_ENVIRONMENT = Table(
    "comparison_environment",
    "What the runs of two studies were made with, where it differs: devices, packages, commits, code "
    "versions. Order of the "
    "values is by name; a value stands once however many runs have it.",
    ("what",),
    (
        Column("what", "text", "", "`device`, `git_commit`, `package <name>` or `code <stage>`"),
        Column("first", "texts", "", "All values in the first study; empty where it has none"),
        Column("second", "texts", "", "All values in the second study"),
    ),
)

COMPARISON_TABLES: dict[str, Table] = {
    table.name: table for table in (COMPARISON, COMPARISON_SUMMARY, COMPARISON_ENVIRONMENT)
}
