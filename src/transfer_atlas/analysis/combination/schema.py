"""The tables of combined sources column by column, as `tables/schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

TARGET = Column("target", "text", "", "Target task")
SOURCES = Column("sources", "texts", "", "Sources that are combined, or the one")
POOL = Column(
    "pool",
    "text",
    "",
    "`single`; `all` candidates with a score fused; or `proposed`, those that would be trained together",
)
HOW = Column("how", "text", "", "`sum` or `concatenation` of features; empty for a single source")
WEIGHTING = Column(
    "weighting", "text", "", "`otce` (softmax of scores) or `equal`; empty for a single source"
)


def _difference(what: str, whose: str) -> tuple[Column, ...]:
    return (
        Column(
            f"from_{what}",
            "number",
            "percentage points",
            f"Mean difference of accuracy to {whose}, positive is better; empty for that source itself",
        ),
        Column(f"from_{what}_low", "number", "percentage points", "Lower end of its 95 % interval"),
        Column(f"from_{what}_high", "number", "percentage points", "Upper end"),
    )


BEST = "the single source that is best in hindsight, which favours that one"
CHOSEN = "the single source of the highest score"

FUSIONS = Table(
    "fusions",
    "Linear probes of features fused over several sources, beside those of each source alone, on the target's "
    "training images (`snakemake combine`). Accuracy on images held out, mean over random splits; the intervals allow "
    "for splits that overlap (Nadeau and Bengio 2003).",
    ("target", "pool", "how", "weighting", "source"),
    (
        TARGET,
        POOL,
        HOW,
        WEIGHTING,
        Column("source", "text", "", "The single source; empty where several are fused"),
        SOURCES,
        Column("weights", "text", "JSON", "Weight of each source"),
        Column("score", "number", "nats", "OTCE score of a single source; else empty"),
        Column("accuracy", "number", "percent", "Samples held out whose class is told right"),
        Column("low", "number", "percent", "Lower end of its 95 % interval over splits"),
        Column("high", "number", "percent", "Upper end"),
        Column("class_accuracy", "number", "percent", "The same, averaged over classes"),
        *_difference("best", BEST),
        *_difference("chosen", CHOSEN),
        Column("splits", "integer", "", "Splits that had a result"),
        Column("samples", "integer", "", "Samples, held out or not"),
        Column("status", "text", "", "`finished`, or why there is no accuracy"),
        Column("reason", "text", "", "The same in words; empty if finished"),
    ),
)
FUSION_SUMMARY = Table(
    "fusion_summary",
    "Fused features over targets: means with 95 % intervals over the targets (studentised bootstrap; none below six).",
    ("pool", "how", "weighting"),
    (
        POOL,
        HOW,
        WEIGHTING,
        Column("targets", "integer", "targets", "Targets with a result"),
        Column("accuracy", "number", "percent", "Mean over targets"),
        *_difference("best", BEST),
        *_difference("chosen", CHOSEN),
        Column(
            "beats_best", "number", "share", "Share of targets on which it is better than the best, ties half"
        ),
        Column("beats_chosen", "number", "share", "The same for the one of the highest score"),
    ),
)
START = Column(
    "start",
    "text",
    "",
    "`ilsvrc`; `single`, the source of the highest score; `proposed`, a multi-source of those of the highest scores; "
    "`lowest`, one of as many that score lowest",
)
JOINT_TRANSFERS = Table(
    "joint_transfers",
    "Multi-sources that scores propose, trained and fine-tuned on the target, beside what they are held against "
    "(`snakemake combine`).",
    ("target", "start", "seed"),
    (
        TARGET,
        START,
        Column("seed", "integer", "", "Seed of the transfer; sources have one set of weights"),
        SOURCES,
        Column("mean_score", "number", "nats", "Mean OTCE score of the sources; empty for ILSVRC"),
        Column("metric", "text", "", "Primary metric; empty if the transfer failed"),
        Column("value", "number", "unit of the metric", "Its value; empty if the transfer failed"),
        Column("gain", "number", "percent", "Relative transfer gain over ILSVRC with the same seed"),
        Column("status", "text", "", "`finished`, or why there is no value"),
        Column("reason", "text", "", "The same in words; empty if finished"),
        Column("key", "text", "", "Key of the transfer"),
        Column("source_key", "text", "", "Key of the source; empty for ILSVRC"),
    ),
)
JOINT_GAINS = Table(
    "joint_gains",
    "Gains of multi-sources that scores propose: of each target over seeds (Student's 95 % intervals, none below two), "
    "and as the target `all` over targets (studentised bootstrap, none below six).",
    ("target", "start"),
    (
        TARGET,
        START,
        Column("over", "text", "", "What the interval is over: `seeds` or `targets`"),
        Column("number", "integer", "", "Seeds or targets with a gain"),
        Column("gain", "number", "percent", "Mean relative transfer gain over ILSVRC"),
        Column("low", "number", "percent", "Lower end of its 95 % interval"),
        Column("high", "number", "percent", "Upper end"),
        Column("from_single", "number", "percentage points", "Mean difference of gain to the single source"),
        Column("from_single_low", "number", "percentage points", "Lower end of its 95 % interval"),
        Column("from_single_high", "number", "percentage points", "Upper end"),
        Column(
            "from_lowest", "number", "percentage points", "Mean difference of gain to those that score lowest"
        ),
        Column("from_lowest_low", "number", "percentage points", "Lower end of its 95 % interval"),
        Column("from_lowest_high", "number", "percentage points", "Upper end"),
    ),
)
COMBINATION_TABLES: dict[str, Table] = {
    table.name: table for table in (FUSIONS, FUSION_SUMMARY, JOINT_TRANSFERS, JOINT_GAINS)
}
