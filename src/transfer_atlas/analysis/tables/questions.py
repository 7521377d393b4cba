"""Ten questions to the tables, each answered in two lines of pandas: the end of `docs/tables.md`, run by a test.

Every answer is a Python snippet of two lines, run from the folder of the tables with `import pandas as pd` before it.
"""

from __future__ import annotations

QUESTIONS: tuple[tuple[str, str], ...] = (
    (
        "Which model should I start from?",
        'best = pd.read_parquet("best_sources.parquet")\n'
        'print(best[["target", "regime", "start_from", "start_from_gain", "certainty", "why"]])',
    ),
    (
        "How sure is the gain of one source on one target?",
        'gains = pd.read_parquet("gains.parquet").set_index(["target", "source"])\n'
        'print(gains[["regime", "gain", "gain_low", "gain_high", "decided_effect", "n_seeds"]].sort_index())',
    ),
    (
        "Which sources help on average, and on how many targets?",
        "gains = pd.read_parquet(\"gains.parquet\").query(\"source not in ['ilsvrc', 'scratch']\")\n"
        'print(gains.groupby("source")["gain"].agg(["mean", "min", "count"]).sort_values("mean", ascending=False))',
    ),
    (
        "What failed or is missing, and why?",
        'transfers = pd.read_parquet("transfers.parquet")\n'
        'print(transfers.query("status != \'finished\'")[["source", "target", "regime", "seed", "status", "reason"]])',
    ),
    (
        "Is the domain or the task type more important?",
        "effects = pd.read_parquet(\"effects.parquet\").query(\"image_domain != 'all' and task_type != 'all'\")\n"
        'print(effects.pivot(index="regime", columns=["image_domain", "task_type"], values="positive_percent"))',
    ),
    (
        "Which of the paper's findings hold here?",
        "findings = pd.read_parquet(\"findings.parquet\").query(\"verdict in ['holds', 'does_not_hold']\")\n"
        'print(findings[["finding", "regime", "statistic", "value", "low", "high", "verdict"]])',
    ),
    (
        "Which metric predicts the best source, with what uncertainty?",
        'judged = pd.read_parquet("metric_evaluation.parquet").set_index(["fixed", "statistic", "pairs_used"])\n'
        'print(judged.loc[("target", "weighted_kendall", "common")].sort_values("value", ascending=False))',
    ),
    (
        "Is a metric better than what needs no score?",
        'pairs = pd.read_parquet("metric_differences.parquet").query("statistic == \'weighted_kendall\'")\n'
        'print(pairs.query("reference == \'static_and_distance\' and p_holm < 0.05").drop(columns="statistic"))',
    ),
    (
        "What is the absolute metric of every source on every target?",
        'transfers = pd.read_parquet("transfers.parquet").query("method == \'plain\'")\n'
        'print(transfers.pivot_table(index="target", columns="source", values="value", aggfunc="mean"))',
    ),
    (
        "Which datasets look alike?",
        'near = pd.read_parquet("domain_distances.parquet").query("assignment == \'target_to_source\'")\n'
        'print(near.sort_values("distance").groupby("target").head(3)[["target", "source", "distance"]])',
    ),
)


def questions_as_markdown() -> list[str]:
    """Lines of the section of `docs/tables.md`."""
    lines = ["", "## Ten questions", "", "From the folder of the tables, after `import pandas as pd`:"]
    for question, answer in QUESTIONS:
        lines += ["", f"**{question}**", "", "```python", answer, "```"]
    return lines
