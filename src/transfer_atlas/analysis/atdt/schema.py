"""The tables of AT/DT column by column, as `tables/schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.findings.schema import FINDINGS
from transfer_atlas.analysis.tables.table import Column, Table

PAPER = "Zama Ramirez et al., Learning Across Tasks and Domains"
FACTORS = (
    Column("a", "text", "", "Domain A, with annotations for both tasks"),
    Column("b", "text", "", "Domain B, with annotations for task 1 to learn from"),
    Column("direction", "text", "", "Task 1 to task 2, such as `depth_to_segmentation`"),
    Column(
        "method",
        "text",
        "",
        "`baseline` (N2 of A), `atdt`, `oracle` (N2 of B), `no_transfer`; `cyclegan` (N2 of A on B in A's style), "
        "`atdt_cyclegan`",
    ),
    Column(
        "evaluated_on", "text", "", "`b`, or `a` for the comparison on the training domain (supplement 1.1)"
    ),
    Column("level", "integer", "", "Stage after which the networks are split, 4 the deepest; AT/DT only"),
    Column("n1", "text", "", "`shared`, `separate` or `shared_decoder`: N1 of both domains; AT/DT only"),
    Column("batch_norm", "truth", "", "Whether the networks have batch normalisation"),
)
VARIANT = tuple(column.name for column in FACTORS)
SEED = Column("seed", "integer", "", "Seed of all networks")
METRIC = (
    Column(
        "metric",
        "text",
        "",
        "`mean_iou`, `pixel_accuracy`, `iou` of a class; `rmse`, `absolute_relative`, `squared_relative`, `rmse_log`, "
        "`delta_1` to `delta_3`; `mean_angular_error`, `median_angular_error`, `below_11_25`, `below_22_5`, `below_30`",
    ),
    Column("class", "text", "", "The class of an `iou`; empty for other metrics"),
)
INTERVAL = (
    Column(
        "low",
        "number",
        "of the metric",
        "Lower end of the 95 % interval over seeds (Student's); empty below two",
    ),
    Column("high", "number", "of the metric", "Upper end"),
    Column("seeds", "integer", "", "Seeds that have a value"),
    Column("failed", "integer", "", "Seeds that have none"),
)

EVALUATIONS = Table(
    "atdt_evaluations",
    f"Every evaluation of AT/DT, metric by metric and seed by seed ({PAPER}, section 4). A failed one is a row with "
    "its status and no value.",
    (*VARIANT, "seed", "metric", "class"),
    (
        *FACTORS,
        SEED,
        *METRIC,
        Column("value", "number", "of the metric", "Value on the evaluation set; empty if failed"),
        Column("status", "text", "", "`finished`, or why there is no value"),
        Column("reason", "text", "", "The failure in words; empty if finished"),
        Column("key", "text", "", "Key of the evaluation"),
    ),
)
RESULTS = Table(
    "atdt_results",
    f"Mean over seeds of every metric, with its interval ({PAPER}, Tables 1, 2, 5, 6 and Fig. 4; supplement, Tables 1 "
    "to 5).",
    (*VARIANT, "metric", "class"),
    (
        *FACTORS,
        *METRIC,
        Column("mean", "number", "of the metric", "Mean over seeds; empty if none has a value"),
        *INTERVAL,
    ),
)
GAINS = Table(
    "atdt_gains",
    "What a method gains over the baseline, seed by seed on the same N2: positive is better, also where a lower metric "
    "is.",
    (*VARIANT, "metric", "class"),
    (
        *FACTORS,
        *METRIC,
        Column("baseline", "number", "of the metric", "Mean of the baseline over the same seeds"),
        Column(
            "gain",
            "number",
            "of the metric",
            "Mean difference to the baseline, positive where the method is better",
        ),
        *INTERVAL,
    ),
)
ATDT_FINDINGS = Table(
    "atdt_findings",
    "Whether AT/DT beats the baseline, direction by direction; columns as of `findings`, intervals over seeds.",
    FINDINGS.identity,
    FINDINGS.columns,
)
RUNS = Table(
    "atdt_runs",
    "Task networks and transfer networks with their cost. Times differ between two repetitions.",
    ("kind", "name", "key"),
    (
        Column(
            "kind",
            "text",
            "",
            "`atdt_network`, `atdt_transfer_network`, `atdt_translator` or `atdt_translated`",
        ),
        Column("name", "text", "", "Readable name of the run"),
        Column("key", "text", "", "Its key"),
        Column("status", "text", "", "`finished`, or why there is no result"),
        Column("reason", "text", "", "The failure in words; empty if finished"),
        Column("first_loss", "number", "", "Mean loss of the first steps"),
        Column("last_loss", "number", "", "Mean loss of the last steps"),
        Column(
            "unexplained_share",
            "number",
            "",
            "Of a transfer network: share of N2's features' variance it misses",
        ),
        Column("parameters", "integer", "", "Trained weights"),
        Column(
            "steps_per_second", "number", "1/second", "Training steps a second, reading of images included"
        ),
        Column("seconds", "number", "seconds", "Wall-clock time of the run"),
    ),
)
ATDT_TABLES: dict[str, Table] = {t.name: t for t in (EVALUATIONS, RESULTS, GAINS, ATDT_FINDINGS, RUNS)}
