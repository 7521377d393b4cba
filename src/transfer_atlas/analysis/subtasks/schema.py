"""The tables of binary sub-tasks column by column, as `tables/schema.py` describes the others."""

from __future__ import annotations

from dataclasses import replace

from transfer_atlas.analysis.findings.schema import FINDINGS
from transfer_atlas.analysis.tables.table import Column, Table

SUBTASK_TRANSFERS = Table(
    "subtask_transfers",
    "Plain transfers between binary tasks of a segmentation dataset, with how source and target are related. Empty "
    "where a study has none.",
    ("regime", "target", "source", "seed"),
    (
        Column("source", "text", "", "Source: a binary task, or a multi-source of several"),
        Column("target", "text", "", "Binary task that was fine-tuned and evaluated"),
        Column("regime", "text", "", "Regime of the transfer"),
        Column("seed", "integer", "", "Seed of the fine-tuning"),
        Column(
            "source_classes",
            "text",
            "",
            "Foreground classes of the source, joined by +; empty for several tasks",
        ),
        Column("target_classes", "text", "", "Foreground classes of the target"),
        Column(
            "source_modality",
            "text",
            "",
            "Channel set of the source; empty for several tasks, or without any",
        ),
        Column("target_modality", "text", "", "Channel set of the target"),
        Column("source_tasks", "integer", "", "Tasks that the source was trained on"),
        Column(
            "inputs",
            "text",
            "",
            "What the images show: `same` channels, `overlapping`, `other`, those of an `other_dataset`, or `mixed`",
        ),
        Column(
            "classes",
            "text",
            "",
            "The source's classes: `same`, `subset` (of the target's), `superset`, `complementary` (together a whole "
            "that is a task or family), `disjoint`, `overlapping`, of an `other_dataset`, or `several`",
        ),
        Column(
            "related",
            "truth",
            "",
            "Whether all are of one family; empty where a source has tasks of both kinds",
        ),
        Column(
            "dice", "number", "", "Dice of the foreground over all evaluation images; empty if the run failed"
        ),
        Column(
            "baseline_dice",
            "number",
            "",
            "That of ILSVRC, or of random weights where there is no such transfer",
        ),
        Column("status", "text", "", "`finished`, or why there is no value"),
        Column("reason", "text", "", "The failure in words; empty if finished"),
        Column("key", "text", "", "Key of the run"),
    ),
)
SUBTASK_FINDINGS = replace(
    FINDINGS,
    name="subtask_findings",
    description="What the talk on medical segmentation found of binary tasks, S01 to S03, measured: "
    "differences of Dice, with 95 % intervals over target classes (in whatever modality). Empty where a study has no "
    "such tasks.",
)
SUBTASK_TABLES: dict[str, Table] = {table.name: table for table in (SUBTASK_TRANSFERS, SUBTASK_FINDINGS)}
