"""The tables of runs, transfers and gains column by column: name, type, unit and meaning; with those of effects, all
tables of transfers.

`docs/tables.md` is printed from here and from the files beside it called so.
"""

from __future__ import annotations

from transfer_atlas.analysis.tables.effect_schema import BEST_EFFECTS, BEST_SOURCES, EFFECTS
from transfer_atlas.analysis.tables.table import Column, Table

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
    "Relative transfer gain of every transfer, seed by seed (Mensink et al., Factors of Influence for Transfer "
    "Learning, section 5.1, equation 2).",
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

TABLES: dict[str, Table] = {
    table.name: table for table in (RUNS, TRANSFERS, SEED_GAINS, GAINS, EFFECTS, BEST_EFFECTS, BEST_SOURCES)
}
