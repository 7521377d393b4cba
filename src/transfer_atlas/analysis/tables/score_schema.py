"""The tables of scores column by column, as `schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

REGIME = Column("regime", "text", "", "`small_target`, `full_target` or `small_source_small_target`")

SCORES = Table(
    "scores",
    "Score of every source for every target by every metric, without fine-tuning (`docs/metrics.md`): the mean over "
    "repeats. A metric that does not apply or failed is a row with its status and no score.",
    ("regime", "target", "source", "metric"),
    (
        Column("source", "text", "", "Source task, or `multi_<task type>`"),
        Column("target", "text", "", "Target task, `<task type>/<dataset>`"),
        REGIME,
        Column("metric", "text", "", "Name of the metric"),
        Column("score", "number", "of the metric", "Mean over repeats; empty unless finished"),
        Column(
            "deviation", "number", "of the metric", "Sample standard deviation between repeats; empty for one"
        ),
        Column("repeats", "integer", "", "Draws of samples"),
        Column("higher_is_better", "truth", "", "Whether a higher score promises a better transfer"),
        Column("samples", "integer", "", "Samples of the target of which each repeat draws"),
        Column(
            "status",
            "text",
            "",
            "`finished`, `not_applicable` (no source head, say), `undefined`, `unconverged`, `no_samples` or "
            "`source_failed`",
        ),
        Column("reason", "text", "", "Why there is no score, in words"),
        Column("key", "text", "", "Key of the run"),
        Column("device", "text", "", "What it ran on"),
        Column("packages", "text", "JSON", "Versions of the installed packages"),
    ),
)

DOMAIN_DISTANCES = Table(
    "domain_distances",
    "Distance between datasets by the look of their images (Mensink et al., equation 1 and Table 8): lower is closer. "
    "`target_to_source` is D(T given S). Two tasks drawn from one dataset are not compared unless one is a source.",
    ("assignment", "target", "source"),
    (
        Column("source", "text", "", "Source dataset"),
        Column("target", "text", "", "Target dataset"),
        Column("source_domain", "text", "", "Its image domain"),
        Column("target_domain", "text", "", "Its image domain"),
        Column(
            "assignment", "text", "", "`target_to_source`, `source_to_target`, `symmetric` or `one_to_one`"
        ),
        Column("distance", "number", "of the features", "Mean Euclidean distance of assigned images"),
        Column("backbone", "text", "", "Whose features: `ilsvrc` or a source"),
        Column("source_images", "integer", "images", "Images of the source dataset"),
        Column("target_images", "integer", "images", "Images of the target dataset"),
        Column("source_key", "text", "", "Key of the source dataset's features"),
        Column("target_key", "text", "", "Key of the target dataset's features"),
    ),
)

TASK_TYPE = Column("task_type", "text", "", "Task type of the targets, or `all`")
TASK_RELATIONSHIPS = Table(
    "task_relationships",
    "Targets that rank sources alike, by every metric and as measured: clusters of their vectors of scores (Bao et al. "
    "2019), by average linkage of 1 minus Spearman's correlation over the sources that both have. A target stands in "
    "this table where it has three sources in common with every other one.",
    ("regime", "metric", "target"),
    (
        REGIME,
        Column("metric", "text", "", "Metric, or `measured`: by gains"),
        Column("target", "text", "", "Target task"),
        Column("place", "integer", "", "Place among the leaves of the tree: alike targets are neighbours"),
        Column(
            "cluster",
            "integer",
            "",
            "Targets of a cluster correlate by 0.5 or more on average; by first place",
        ),
        Column("nearest", "text", "", "Target that ranks sources most alike"),
        Column("correlation", "number", "", "Spearman's correlation with it"),
        Column("sources", "integer", "", "Sources with a score"),
        Column(
            "joins_at",
            "number",
            "",
            "Mean correlation of the two branches where the target first joins others",
        ),
    ),
)
RELATIONSHIP_AGREEMENT = Table(
    "relationship_agreement",
    "Whether a metric finds the relationships of targets that measured transfers show, on targets that both know.",
    ("regime", "metric"),
    (
        REGIME,
        Column("metric", "text", "", "Metric that is judged"),
        Column(
            "spearman",
            "number",
            "",
            "Spearman's correlation of its correlations between pairs of targets with the measured ones",
        ),
        Column(
            "low", "number", "", "Lower end of its 95 % interval, jackknifed over targets; empty below six"
        ),
        Column("high", "number", "", "Upper end"),
        Column("rand_index", "number", "", "Adjusted Rand index of the clusters: 1 the same, 0 by chance"),
        Column("targets", "integer", "targets", "Targets that both know"),
        Column("pairs", "integer", "", "Pairs of targets"),
    ),
)
METRIC_EVALUATION = Table(
    "metric_evaluation",
    "How well every metric predicts the measured transfers, with 95 % intervals over targets (over sources "
    "where the source "
    "is fixed), none below six. Baselines stand beside the metrics: `source_size` (training images), "
    "`static_rank` (what was "
    "best on the other targets), `same_domain_then_size`, `domain_distance` (-D(T given S)) and "
    "`static_and_distance` (the "
    "sum of two ranks); and `otce_combined` (coefficients fitted on the transfers to all other targets). "
    "Transfers whose "
    "baseline is at chance are left out.",
    ("regime", "task_type", "pairs_used", "metric", "fixed", "performance", "statistic"),
    (
        REGIME,
        TASK_TYPE,
        Column(
            "pairs_used",
            "text",
            "",
            "`all` that the metric has scored, or `common`: those that every metric has scored which has "
            "scored half of all "
            "pairs or more. Compare metrics on `common` only",
        ),
        Column("metric", "text", "", "Metric that is judged"),
        Column("is_baseline", "truth", "", "Does it need no score?"),
        Column(
            "fixed",
            "text",
            "",
            "`target`: which source for a given target, mean over targets; `source`: which target for a given source, "
            "mean over sources; `none`: all pairs at once",
        ),
        Column(
            "performance",
            "text",
            "",
            "What is predicted: `value`, the target's metric (its sign turned where lower is better), or `gain`. For a "
            "fixed source, `value` mostly ranks how easy targets are, and stands only where they share a metric",
        ),
        Column(
            "statistic",
            "text",
            "",
            "`kendall` (tau-b), `weighted_kendall`, `spearman`, `pearson`, `top_<k>` (chance that a best one is among "
            "the k highest scores), `dcg` (discounted cumulative gain by that of the best order; about 0.81 at "
            "random), `regret` (performance lost by taking the highest score, in the metric's unit or "
            "in percent of gain), `relative_regret` (in percent of the best value)",
        ),
        Column("value", "number", "", "The statistic; empty where no group has an order"),
        Column(
            "low", "number", "", "Lower end of the interval; empty for fewer than six groups, or equal ones"
        ),
        Column("high", "number", "", "Upper end of the interval"),
        Column("groups", "integer", "", "Targets (or sources) that entered"),
        Column("pairs", "integer", "", "Pairs that entered"),
    ),
)

METRIC_DIFFERENCES = Table(
    "metric_differences",
    "Differences between metrics, target by target, on the pairs that both have scored: is one better at ranking the "
    "sources of a given target? With fewer than about twenty targets, most differences cannot be decided.",
    ("regime", "task_type", "statistic", "reference", "metric"),
    (
        REGIME,
        TASK_TYPE,
        Column(
            "statistic",
            "text",
            "",
            "`weighted_kendall`, `top_1` or `relative_regret` (lower is better), fixed target",
        ),
        Column("metric", "text", "", "Metric or baseline that is judged"),
        Column("reference", "text", "", "Metric or baseline that it is compared with"),
        Column("difference", "number", "of the statistic", "Mean over targets of metric minus reference"),
        Column(
            "low", "number", "of the statistic", "Lower end of its 95 % interval; empty below six targets"
        ),
        Column("high", "number", "of the statistic", "Upper end"),
        Column("p_value", "number", "", "Of Student's test for pairs; empty below six targets"),
        Column(
            "p_holm", "number", "", "The same, corrected for all metrics compared with this reference (Holm)"
        ),
        Column("groups", "integer", "", "Targets that entered"),
        Column("pairs", "integer", "", "Pairs that both have scored"),
    ),
)

METRIC_STABILITY = Table(
    "metric_stability",
    "How much a metric's weighted Kendall tau for a given target, and its place among the metrics, hang on "
    "single sources. "
    "The row `measured` says how alike the measured rankings of two targets are: what a list that is the "
    "same for every "
    "target can already predict.",
    ("regime", "task_type", "metric"),
    (
        REGIME,
        TASK_TYPE,
        Column("metric", "text", "", "Metric or baseline, or `measured`"),
        Column("value", "number", "", "Mean over targets, all sources; empty for `measured`"),
        Column(
            "place",
            "number",
            "",
            "Its place among metrics and baselines, 1 the best; on all pairs that it has scored",
        ),
        Column("lowest", "number", "", "Lowest value without one of the sources"),
        Column("lowest_without", "text", "", "Which source was left out"),
        Column("highest", "number", "", "Highest value without one of the sources"),
        Column("highest_without", "text", "", "Which source was left out"),
        Column("best_place", "number", "", "Best place without one of the sources"),
        Column("worst_place", "number", "", "Worst place without one of the sources"),
        Column(
            "agreement",
            "number",
            "",
            "Mean Kendall tau between its rankings for two targets, over the sources they share: 1 for one "
            "list for all",
        ),
    ),
)

TARGET_SELECTION = Table(
    "target_selection",
    "How well a metric tells of one source which of many sampled targets it will do best on (Pandy et al. 2022, "
    "section 4.2): correlation of scores with the measured metric over the parts of one dataset, with 95 % intervals "
    "jackknifed over these targets, none below six; and the same of what needs no labels, `number_of_classes` (fewer "
    "first) and `domain_distance`. Empty without sampled targets that were scored.",
    ("source", "tasks", "regime", "metric", "statistic"),
    (
        Column("source", "text", "", "Source, the same for all targets"),
        Column("tasks", "text", "", "The sampled tasks: what their names begin with"),
        REGIME,
        Column("metric", "text", "", "Metric that is judged"),
        Column("is_baseline", "truth", "", "Does it need no labels?"),
        Column("statistic", "text", "", "`weighted_kendall` (the paper's), `kendall`, `spearman`, `pearson`"),
        Column("value", "number", "", "The statistic; empty where score or metric never changes"),
        Column("low", "number", "", "Lower end of its 95 % interval"),
        Column("high", "number", "", "Upper end"),
        Column("targets", "integer", "", "Targets that were scored and measured"),
    ),
)

RECOMMENDATIONS = Table(
    "recommendations",
    "What one target should be started from, without fine-tuning: `results/recommendations/<target>.parquet`, by "
    "`snakemake recommend --configfile STUDY --config target=<task type>/<dataset>`. The answer in words, and as JSON, "
    "lies beside it.",
    ("target", "source", "metric"),
    (
        Column("target", "text", "", "Task to be learned"),
        Column("source", "text", "", "Candidate: `ilsvrc`, a source of the study, or a pretrained model"),
        Column("overall_rank", "number", "", "1 is the most promising; by `strength`"),
        Column("strength", "number", "", "Share of the other candidates that it is expected to beat, 0 to 1"),
        Column("beats_ilsvrc", "number", "", "Probability that it is a better start than ILSVRC"),
        Column(
            "metric",
            "text",
            "",
            "What speaks for or against it: `size`, `same_domain`, `same_task_type`, `static_rank` (mean place on "
            "other "
            "targets), `domain_distance`, or a metric",
        ),
        Column(
            "score", "number", "of the metric", "Its value, higher promises more; empty where it is not known"
        ),
        Column(
            "rank", "number", "", "Its rank of the candidate, 1 the favourite; equal scores share the mean"
        ),
        Column(
            "weight", "number", "", "Logarithm of the odds between its favourite and its last, all else equal"
        ),
    ),
)

SCORE_TABLES: dict[str, Table] = {
    t.name: t
    for t in (
        SCORES,
        DOMAIN_DISTANCES,
        METRIC_EVALUATION,
        METRIC_DIFFERENCES,
        METRIC_STABILITY,
        TARGET_SELECTION,
        TASK_RELATIONSHIPS,
        RELATIONSHIP_AGREEMENT,
        RECOMMENDATIONS,
    )
}
