"""The tables below a single number of `transfers`, column by column, as `schema.py` describes the others."""

from __future__ import annotations

from transfer_atlas.analysis.tables.table import Column, Table

_TRANSFER = (
    Column("source", "text", "", "Starting point"),
    Column("target", "text", "", "Task that was fine-tuned and evaluated"),
    Column("regime", "text", "", "Regime of the transfer"),
    Column("seed", "integer", "", "Seed of the fine-tuning"),
    Column("method", "text", "", "Method of the transfer"),
)
_KEY = Column("key", "text", "", "Key of the run")

PER_CLASS = Table(
    "per_class",
    "The primary metric of every transfer class by class, at the best learning rate. Depth has no classes.",
    ("regime", "target", "source", "seed", "method", "class"),
    (
        *_TRANSFER,
        Column("class", "text", "", "Name of the class"),
        Column(
            "value",
            "number",
            "unit of the metric",
            "Its metric; empty if it is annotated in no evaluation image",
        ),
        Column("dice", "number", "", "Of segmentation: its Dice, 2 IoU / (1 + IoU); else empty"),
        _KEY,
    ),
)
CURVES = Table(
    "curves",
    "Training curves of every transfer, with every learning rate of its grid.",
    ("regime", "target", "source", "seed", "method", "learning_rate", "step"),
    (
        *_TRANSFER,
        Column("learning_rate", "number", "", "Learning rate of the grid"),
        Column("is_best", "truth", "", "Is it the one whose result is in `transfers`?"),
        Column("step", "integer", "", "Training step"),
        Column("loss", "number", "", "Mean loss since the step before"),
        _KEY,
    ),
)
PER_IMAGE = Table(
    "per_image",
    "Results of every transfer image by image, of runs that kept them: what the bootstrap over evaluation "
    "images redraws. The "
    "metric is the mean over parts of sum(numerator) / sum(denominator), but for average precision, where "
    "they are right "
    "finds at an overlap of 0.5 and annotated objects.",
    ("regime", "target", "source", "seed", "method", "image", "part"),
    (
        *_TRANSFER,
        Column("image", "text", "", "Evaluation image"),
        Column("part", "text", "", "A class, or `all`"),
        Column("numerator", "number", "", "Intersection in pixels, error, hit, or right finds"),
        Column("denominator", "number", "", "Union in pixels, 1, or annotated objects"),
        _KEY,
    ),
)

DETAIL_TABLES: dict[str, Table] = {table.name: table for table in (PER_CLASS, CURVES, PER_IMAGE)}
