"""The tables of effects and of what to start from column by column, as `schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

_SHARES = (
    Column("regime", "text", "", "`small_target`, `full_target` or `small_source_small_target`"),
    Column("image_domain", "text", "", "`all`, `within` or `cross`: is the target's domain in the source?"),
    Column("task_type", "text", "", "`all`, `within` or `cross`: do source and target share the task type?"),
    Column(
        "positive_percent", "number", "percent", "Share with r > 2; includes the very positive, as printed"
    ),
    Column(
        "positive_at_least_percent",
        "number",
        "percent",
        "Share whose interval is above 2; empty without intervals",
    ),
    Column("positive_at_most_percent", "number", "percent", "Share whose interval reaches above 2"),
    Column("very_positive_percent", "number", "percent", "Share with r > 10"),
    Column("very_positive_at_least_percent", "number", "percent", "Share whose whole interval is above 10"),
    Column("very_positive_at_most_percent", "number", "percent", "Share whose interval reaches above 10"),
    Column("insignificant_percent", "number", "percent", "Share with -2 <= r <= 2; not printed in the paper"),
    Column("negative_percent", "number", "percent", "Share with r < -2"),
    Column("negative_at_least_percent", "number", "percent", "Share whose whole interval is below -2"),
    Column("negative_at_most_percent", "number", "percent", "Share whose interval reaches below -2"),
    Column("count", "integer", "", "Number of rows in the shares: their denominator"),
    Column(
        "without_interval",
        "integer",
        "",
        "How many of them have no interval, so that they may have any effect",
    ),
    Column(
        "failed", "integer", "", "Number of rows without a gain (failed or missing), left out of the shares"
    ),
    Column("at_chance", "integer", "", "Number of rows whose baseline is at chance, left out of the shares"),
)
EFFECTS = Table(
    "effects",
    "Shares of transfer effects by image domain and task type (Mensink et al., Factors of Influence for Transfer "
    "Learning, Table 6). A row of `gains` counts "
    "once; the baselines `ilsvrc` and `scratch` do not count. A multi-source is within domain for every "
    "domain it contains. Where `count` is 0 the shares are empty.",
    ("regime", "image_domain", "task_type"),
    _SHARES,
)
BEST_EFFECTS = Table(
    "best_effects",
    "As `effects`, for the best source of each target only (Mensink et al., Factors of Influence for Transfer "
    "Learning, Table 7): of each target's sources "
    "that satisfy the constraint, the one with the largest gain counts, with the interval of the maximum.",
    ("regime", "image_domain", "task_type"),
    _SHARES,
)

BEST_SOURCES = Table(
    "best_sources",
    "Which model to start from, for every target and regime: `start_from` is the answer. It is `ilsvrc` unless the "
    "best source gains more than 2 % beyond noise, allowing for the number of sources it was picked from. `ilsvrc` and "
    "`scratch` are no candidates for the best source. Ties go to the source whose name comes first.",
    ("regime", "target"),
    (
        Column("target", "text", "", "Task to be learned"),
        Column("start_from", "text", "", "The answer: a source, or `ilsvrc`"),
        Column("start_from_gain", "number", "percent", "What it gains over `ilsvrc`; 0 for `ilsvrc` itself"),
        Column(
            "start_from_low",
            "number",
            "percent",
            "Lower end of the 95 % interval; empty where noise is not known",
        ),
        Column("start_from_high", "number", "percent", "Upper end of the interval"),
        Column(
            "certainty",
            "text",
            "",
            "`decided`; `undecided`: the best source may be better, but not beyond noise; `one_seed`: noise "
            "between runs is not known, and that of other studies was taken for it; `baseline_at_chance`; "
            "`no_source`: none has a gain",
        ),
        Column("why", "text", "", "The reason in words"),
        Column(
            "equally_good",
            "texts",
            "",
            "Other sources whose interval (or gain, without one) reaches the gain of `start_from`; may be empty",
        ),
        Column("regime", "text", "", "`small_target`, `full_target` or `small_source_small_target`"),
        Column("target_task_type", "text", "", "Task type of the target"),
        Column("target_domain", "text", "", "Image domain of the target"),
        Column("metric", "text", "", "Primary metric of the target"),
        Column("baseline", "number", "unit of the metric", "m(T given ILSVRC)"),
        Column("n_sources", "integer", "", "Number of sources that have a gain on this target"),
        Column("n_failed", "integer", "", "Number of sources without a gain: failed or missing"),
        Column("best_source", "text", "", "Source with the largest gain; empty if none has a gain"),
        Column("best_gain", "number", "percent", "Its gain"),
        Column("best_gain_std", "number", "percent", "Standard deviation of its gain over seeds"),
        Column("best_effect", "text", "", "Its effect"),
        Column("runner_up_source", "text", "", "Source with the second largest gain"),
        Column("runner_up_gain", "number", "percent", "Its gain"),
        Column(
            "best_within_domain_source", "text", "", "Best source that contains the target's image domain"
        ),
        Column("best_within_domain_gain", "number", "percent", "Its gain"),
        Column(
            "largest_within_domain_source",
            "text",
            "",
            "Source of the target's domain and task type with most training images, no multi-source: the "
            "choice that needs no experiment (finding A5). Chosen by size alone, so its run may have failed",
        ),
        Column("largest_within_domain_gain", "number", "percent", "Its gain; empty if its run failed"),
    ),
)
