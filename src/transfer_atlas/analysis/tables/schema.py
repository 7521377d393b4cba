"""The result tables column by column: name, type, unit and meaning; `docs/tables.md` is printed from here.

transfer-atlas columns > docs/tables.md
"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

PAPER = "Mensink et al., Factors of Influence for Transfer Learning"

ARROW_TYPES: dict[str, pa.DataType] = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
    "time": pa.timestamp("us", tz="UTC"),
    "texts": pa.list_(pa.string()),
    "integers": pa.list_(pa.int64()),
}
PANDAS_TYPES = {
    "text": "str",
    "integer": "Int64",
    "number": "float64",
    "truth": "boolean",
    "time": "datetime64[us, UTC]",
    "texts": "object",
    "integers": "object",
}


@dataclass(frozen=True)
class Column:
    """One column; `unit` is empty where there is none, `description` also says when a cell is empty."""

    name: str
    type: str  # a key of ARROW_TYPES
    unit: str
    description: str


@dataclass(frozen=True)
class Table:
    """One table; `identity` names the columns that tell its rows apart, by which rows are sorted too."""

    name: str
    description: str
    identity: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]

    def arrow_schema(self) -> pa.Schema:
        """Arrow schema whose fields carry their unit and description, and nothing that varies."""
        return pa.schema(
            [
                pa.field(
                    column.name,
                    ARROW_TYPES[column.type],
                    metadata={"unit": column.unit, "description": column.description},
                )
                for column in self.columns
            ],
            metadata={"table": self.name, "description": self.description},
        )

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with exactly these columns, in this order, of these types, its rows sorted."""
        missing = [name for name in self.column_names if name not in frame.columns]
        surplus = [name for name in frame.columns if name not in self.column_names]
        if missing or surplus:
            raise ValueError(
                f"table {self.name}: columns missing: {missing}; columns not in its schema: {surplus}; "
                "see transfer_atlas/analysis/schema.py"
            )
        frame = frame[self.column_names].astype({c.name: PANDAS_TYPES[c.type] for c in self.columns})
        frame = frame.sort_values(list(self.identity), kind="stable").reset_index(drop=True)
        twice = frame.duplicated(list(self.identity))
        if twice.any():
            row = frame.loc[twice, list(self.identity)].iloc[0].to_dict()
            raise ValueError(f"table {self.name}: more than one row for {row}")
        return frame


_SOURCE_AND_TARGET = (
    Column("source", "text", "", "Starting point: a task, `multi_<task type>`, `ilsvrc` or `scratch`"),
    Column("target", "text", "", "Task that was fine-tuned and evaluated, `<task type>/<dataset>`"),
    Column("regime", "text", "", "`small_target`, `full_target` or `small_source_small_target`"),
)
_SIDES = (
    Column("source_task_type", "text", "", "Task type of the source; empty for `scratch`"),
    Column(
        "source_dataset", "text", "", "Dataset of the source; `multi` for a multi-source, else the source"
    ),
    Column(
        "source_domain", "text", "", "Image domain; `multi` for a multi-source, empty for `ilsvrc`, `scratch`"
    ),
    Column(
        "source_domains", "texts", "", "All image domains the source was trained on, sorted; may be empty"
    ),
    Column("source_n_train", "integer", "images", "Size of the source's training set before any limit"),
    Column("target_task_type", "text", "", "Task type of the target"),
    Column("target_dataset", "text", "", "Dataset of the target"),
    Column("target_domain", "text", "", "Image domain of the target"),
    Column("target_n_train", "integer", "images", "Size of the target's training set before any limit"),
)
_METRIC = (
    Column("metric", "text", "", "Primary metric of the target's task type; empty if no run told it"),
    Column("higher_is_better", "truth", "", "False where the metric is an error"),
)
_RELATION = (
    Column(
        "within_domain",
        "truth",
        "",
        "Does the source contain the target's image domain (section 6)? Empty for `ilsvrc` and `scratch`",
    ),
    Column(
        "within_task_type",
        "truth",
        "",
        "Do source and target share the task type? Empty for `ilsvrc` and `scratch`",
    ),
)

SURROUNDINGS = (
    Column("device", "text", "", "What it ran on; empty where there is no run"),
    Column("precision", "text", "", "Precision of the arithmetic of training; empty where there is no run"),
    Column("packages", "text", "JSON", "Versions of the installed packages; empty where there is no run"),
)
DIFFERS_IN = Column(
    "differs_in",
    "text",
    "",
    "In what the runs compared here differ besides their source: `device`, `precision`, names of packages of "
    "which they had other versions; empty if in nothing",
)

RUNS = Table(
    "runs",
    "Every run of the study, of every kind. The only table whose times, memory and versions may differ "
    "between two repetitions of a study.",
    ("kind", "name", "key"),
    (
        Column("kind", "text", "", "What was computed: prepared, ilsvrc, source, transfer, ..."),
        Column("name", "text", "", "Readable name of the run"),
        Column("key", "text", "", "Short hash of everything that can change the result"),
        Column("status", "text", "", "`finished`, or why there is no result"),
        Column("reason", "text", "", "The failure in words; empty if finished"),
        Column("metric", "text", "", "Primary metric; empty if the run has none"),
        Column("value", "number", "unit of the metric", "Value of the primary metric; empty if none"),
        Column("higher_is_better", "truth", "", "False where the metric is an error; empty if none"),
        Column("identity", "text", "JSON", "What the run is, by the names of the study's vocabulary"),
        Column("settings", "text", "JSON", "All settings, keys sorted"),
        Column("parents", "text", "JSON", "Keys of the runs it builds on, by role"),
        Column("code_versions", "text", "JSON", "Version number of each stage of code that was used"),
        Column("packages", "text", "JSON", "Versions of the installed packages"),
        Column("git_commit", "text", "", "Commit of the repository during the run"),
        Column("device", "text", "", "What it ran on"),
        Column("seconds", "number", "seconds", "Wall-clock time"),
        Column("peak_memory_host_bytes", "integer", "bytes", "Largest resident memory on the host"),
        Column("peak_memory_device_bytes", "integer", "bytes", "Largest memory on the accelerator, if any"),
        Column("created", "time", "UTC", "When the run ended"),
    ),
)

TRANSFERS = Table(
    "transfers",
    "Every transfer with the absolute value of its metric: one row per source, target, regime, seed and method. "
    "A failed transfer is a row with its status and no value. `gains` and what follows from them are of plain "
    "fine-tuning; `methods` sets the others beside it.",
    ("regime", "target", "source", "seed", "method"),
    (
        *_SOURCE_AND_TARGET,
        Column(
            "seed",
            "integer",
            "",
            "Seed of the fine-tuning: head, order and crops; the training images are the same for all seeds",
        ),
        Column("method", "text", "", "How it starts and trains: `plain`, `otce`, `prototypical`, `matching`"),
        *_SIDES,
        *_METRIC,
        Column(
            "value", "number", "unit of the metric", "Best value of the learning-rate grid; empty if failed"
        ),
        Column("best_learning_rate", "number", "", "Learning rate of that value; empty if failed"),
        Column(
            "score_before",
            "number",
            "nats",
            "OTCE score (-W_T) of source and target before the method changed the source; empty where it does not",
        ),
        Column("score_after", "number", "nats", "The same after it; empty where it does not"),
        Column(
            "status",
            "text",
            "",
            "`finished`, `diverged`, `no_class_present`, `no_training_images`, `no_held_out_images`, `source_failed`, "
            "or `missing` where the study asks for a transfer that has no run yet",
        ),
        Column("reason", "text", "", "The failure in words; empty if finished"),
        Column("key", "text", "", "Key of the run"),
        Column(
            "source_key", "text", "", "Key of the run that made the starting weights; empty for `scratch`"
        ),
        *SURROUNDINGS,
    ),
)

SEED_GAINS = Table(
    "seed_gains",
    f"Relative transfer gain of every transfer, seed by seed ({PAPER}, section 5.1, equation 2).",
    ("regime", "target", "source", "seed"),
    (
        *_SOURCE_AND_TARGET,
        Column("seed", "integer", "", "Seed of the transfer and of its baseline"),
        *_SIDES,
        *_RELATION,
        *_METRIC,
        Column("value", "number", "unit of the metric", "m(T given S); empty if the transfer failed"),
        Column("baseline", "number", "unit of the metric", "m(T given ILSVRC), same target, regime and seed"),
        Column(
            "gain",
            "number",
            "percent",
            "(m(T given S) / m(T given ILSVRC) - 1) * 100, sign flipped where lower is better; else empty",
        ),
        Column(
            "effect", "text", "", "`very_positive`, `positive`, `insignificant` or `negative`; else empty"
        ),
        Column(
            "status",
            "text",
            "",
            "`finished`; or the transfer's status; or `baseline_missing`, `baseline_failed`, `baseline_zero`",
        ),
        Column("reason", "text", "", "The failure in words; empty if finished"),
        Column("key", "text", "", "Key of the transfer"),
        Column("baseline_key", "text", "", "Key of the baseline transfer; empty if missing"),
        DIFFERS_IN,
    ),
)

GAINS = Table(
    "gains",
    "Relative transfer gain of every source, target and regime: the mean over seeds of the gains of "
    "`seed_gains`. Each seed is compared with the baseline of the same seed, which saw the same training "
    "images, before averaging. Seeds without a gain are left out of the mean and counted in `n_failed`.",
    ("regime", "target", "source"),
    (
        *_SOURCE_AND_TARGET,
        *_SIDES,
        *_RELATION,
        *_METRIC,
        Column(
            "gain", "number", "percent", "Mean of the gains of the seeds that have one; empty if none has"
        ),
        Column(
            "gain_std", "number", "percent", "Sample standard deviation (n - 1); empty for fewer than two"
        ),
        Column("gain_min", "number", "percent", "Smallest gain of a seed"),
        Column("gain_max", "number", "percent", "Largest gain of a seed"),
        Column(
            "gain_low",
            "number",
            "percent",
            "Lower end of the 95 % interval of the gain; empty where nothing tells how much it varies",
        ),
        Column("gain_high", "number", "percent", "Upper end of the interval"),
        Column(
            "interval_covers",
            "text",
            "",
            "What the interval allows for: `seeds` (repetitions on this target), `seeds of other targets` "
            "(borrowed, since this one has none), `images` (which images are evaluated), both, or "
            "`rounding` of printed gains",
        ),
        Column(
            "decided_effect",
            "text",
            "",
            "The effect on which the whole interval agrees, or `undecided`; empty without an interval",
        ),
        Column("p_value", "number", "", "Probability of so large a gain, either way, where there is none"),
        Column(
            "p_adjusted",
            "number",
            "",
            "The same after Benjamini and Hochberg over all gains of the regime: of the gains with p_adjusted < 0.05, "
            "one in twenty is expected to be none",
        ),
        Column("n_seeds", "integer", "", "Number of seeds in the mean"),
        Column("n_failed", "integer", "", "Number of seeds without a gain"),
        Column(
            "effect", "text", "", "Effect of the mean gain; very_positive > 10, positive > 2, negative < -2"
        ),
        Column("value", "number", "unit of the metric", "Mean over the seeds whose transfer finished"),
        Column("baseline", "number", "unit of the metric", "Mean over the seeds whose baseline finished"),
        Column(
            "baseline_at_chance",
            "truth",
            "",
            "Is the baseline no better than a model that learnt nothing? Then the gain means nothing, and no share "
            "counts it. Empty where the level of chance is not known",
        ),
        Column(
            "status",
            "text",
            "",
            "`finished` if every seed has a gain, `partly_failed` if some have, else the first seed's status",
        ),
        Column("reason", "text", "", "Reason of the first seed without a gain; empty if all have one"),
        Column("seeds", "integers", "", "All seeds, also those without a gain"),
        Column("keys", "texts", "", "Keys of the transfers, in the order of `seeds`"),
        Column(
            "baseline_keys", "texts", "", "Keys of the baselines, in the order of `seeds`; empty if missing"
        ),
        DIFFERS_IN,
    ),
)

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
    f"Shares of transfer effects by image domain and task type ({PAPER}, Table 6). A row of `gains` counts "
    "once; the baselines `ilsvrc` and `scratch` do not count. A multi-source is within domain for every "
    "domain it contains. Where `count` is 0 the shares are empty.",
    ("regime", "image_domain", "task_type"),
    _SHARES,
)
BEST_EFFECTS = Table(
    "best_effects",
    f"As `effects`, for the best source of each target only ({PAPER}, Table 7): of each target's sources "
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
            "is not known "
            "and only a gain above 10 % was taken; `baseline_at_chance`; `no_source`: none has a gain",
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

TABLES: dict[str, Table] = {
    table.name: table for table in (RUNS, TRANSFERS, SEED_GAINS, GAINS, EFFECTS, BEST_EFFECTS, BEST_SOURCES)
}
