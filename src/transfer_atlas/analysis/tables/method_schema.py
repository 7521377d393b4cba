"""The tables of methods beside plain fine-tuning, column by column, as `schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

METHODS = Table(
    "methods",
    "Every transfer of a method beside the plain one of the same source, target, regime and seed.",
    ("regime", "target", "source", "seed", "method"),
    (
        Column("source", "text", "", "Starting point"),
        Column("target", "text", "", "Task that was fine-tuned and evaluated"),
        Column("regime", "text", "", "Regime of the transfer"),
        Column("seed", "integer", "", "Seed of the transfer"),
        Column("method", "text", "", "Method; `plain` beside itself says what its accuracy is"),
        Column("tasks", "text", "", "The target without its number, where it is one of many sampled tasks"),
        Column("metric", "text", "", "Primary metric"),
        Column("value", "number", "unit of the metric", "Its value; empty if the transfer failed"),
        Column(
            "plain_value", "number", "unit of the metric", "That of plain fine-tuning; empty if there is none"
        ),
        Column("difference", "number", "unit of the metric", "How much better than plain: negative is worse"),
        Column(
            "score_before", "number", "nats", "OTCE score before the method changed the source; else empty"
        ),
        Column("score_after", "number", "nats", "The same after it"),
        Column("status", "text", "", "`finished`, or why there is no value"),
        Column("reason", "text", "", "The failure in words; empty if finished"),
        Column("key", "text", "", "Key of the run"),
        Column("plain_key", "text", "", "Key of the plain run; empty if there is none"),
    ),
)
METHOD_SUMMARY = Table(
    "method_summary",
    "Methods over tasks: means with 95 % intervals over the targets (studentised bootstrap; none below six).",
    ("regime", "tasks", "source", "method"),
    (
        Column("source", "text", "", "Starting point"),
        Column("tasks", "text", "", "The targets: one, or many sampled tasks of one kind"),
        Column("regime", "text", "", "Regime of the transfers"),
        Column("method", "text", "", "Method"),
        Column("metric", "text", "", "Primary metric"),
        Column("targets", "integer", "targets", "Targets with a value"),
        Column("failed", "integer", "targets", "Targets without one"),
        Column(
            "mean", "number", "unit of the metric", "Mean over targets of the value (of its mean over seeds)"
        ),
        Column("low", "number", "unit of the metric", "Lower end of its interval"),
        Column("high", "number", "unit of the metric", "Upper end"),
        Column(
            "difference", "number", "unit of the metric", "Mean over targets of how much better than plain"
        ),
        Column("difference_low", "number", "unit of the metric", "Lower end of its interval"),
        Column("difference_high", "number", "unit of the metric", "Upper end"),
        Column("better", "number", "share", "Share of targets on which it is better than plain, ties half"),
        Column(
            "score_change", "number", "nats", "Mean change of the OTCE score; empty where the method has none"
        ),
        Column("score_change_low", "number", "nats", "Lower end of its interval"),
        Column("score_change_high", "number", "nats", "Upper end"),
        Column("both_rise", "number", "share", "Share of targets on which score and metric both rise"),
    ),
)
METHOD_TABLES: dict[str, Table] = {table.name: table for table in (METHODS, METHOD_SUMMARY)}
