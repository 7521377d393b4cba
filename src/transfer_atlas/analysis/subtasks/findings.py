"""The three findings of Li's talk on binary tasks of brain MRI, as rows with intervals (Transferability for medical
segmentation, an empirical study): related tasks, modalities, and how classes lie to each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from transfer_atlas.analysis.findings.estimates import Estimate
from transfer_atlas.analysis.findings.finding import finding
from transfer_atlas.analysis.subtasks.relations import COMPLEMENTARY, DISJOINT, OTHER, SAME, SUBSET, SUPERSET
from transfer_atlas.analysis.subtasks.schema import SUBTASK_FINDINGS
from transfer_atlas.analysis.tables.intervals import jackknife_interval

STATEMENTS = {
    "S01": "Transferring from related tasks is easier than from unrelated tasks",
    "S02": "Cross-task transfer is easier than cross-modality transfer",
    "S03": "Complementary tasks are more transferable than others, and of nested tasks the smaller one",
}
DICE = "Dice"
CLAIM = "> 0"
SIDES = ("source", "target", "source_classes", "target_classes", "source_modality", "target_modality")
# The talk's mean accuracies of its six targets, from other tasks of the same modality and from the same task in others.
OTHER_TASKS = (0.821, 0.786, 0.782, 0.877, 0.892, 0.934)
OTHER_MODALITIES = (0.755, 0.731, 0.726, 0.864, 0.881, 0.935)


def subtask_findings_table(transfers: pd.DataFrame) -> pd.DataFrame:
    """The table `subtask_findings` of a table `subtask_transfers`: every row in every regime."""
    rows = [
        row | {"origin": "study"}
        for regime, part in transfers.groupby("regime")
        for row in _findings(part, str(regime))
    ]
    return SUBTASK_FINDINGS.conform(pd.DataFrame(rows, columns=SUBTASK_FINDINGS.column_names))


def _findings(transfers: pd.DataFrame, regime: str) -> Iterator[dict[str, Any]]:
    """Rows of one regime, of the mean over seeds."""
    kept = [*SIDES, "source_tasks", "inputs", "classes", "related"]
    rows = transfers.groupby(kept, dropna=False, as_index=False)[["dice", "baseline_dice"]].mean()
    failed = int(rows["dice"].isna().sum())
    same_modality = rows[rows["inputs"] == SAME]
    several = same_modality[same_modality["source_tasks"] > 1]
    others = same_modality[(same_modality["source_tasks"] == 1) & (same_modality["classes"] != SAME)]
    related = others[_is(others["related"], True)]
    other_modality = rows[(rows["classes"] == SAME) & (rows["inputs"] == OTHER)]
    gained = related.assign(gained=related["dice"] - related["baseline_dice"])
    printed = float(np.mean(OTHER_TASKS) - np.mean(OTHER_MODALITIES))
    found: list[tuple[str, str, str, Estimate, dict[str, Any]]] = [
        (
            "S01",
            "one_source",
            "mean Dice from related less that from unrelated tasks of the same modality",
            difference(related, others[_is(others["related"], False)]),
            {"claim": CLAIM},
        ),
        (
            "S01",
            "several_sources",
            "the same, of sources trained on several tasks",
            difference(several[_is(several["related"], True)], several[_is(several["related"], False)]),
            {"claim": CLAIM},
        ),
        (
            "S01",
            "several_less_one",
            "mean Dice from several related tasks together less that from one",
            difference(several[_is(several["related"], True)], related),
            {},
        ),
        (
            "S02",
            "other_task",
            "mean Dice from other related tasks of the same modality less that from the same task in others",
            difference(related, other_modality),
            {"claim": CLAIM, "printed": printed},
        ),
        (
            "S03",
            "complementary",
            "mean Dice from complementary less that from other disjoint related tasks",
            difference(related[related["classes"] == COMPLEMENTARY], related[related["classes"] == DISJOINT]),
            {"claim": CLAIM},
        ),
        (
            "S03",
            "nested",
            "Dice from the smaller to the bigger of two nested tasks less that of the way back",
            nested_difference(related, "dice"),
            {"claim": CLAIM},
        ),
        (
            "S03",
            "nested_gain",
            "the same, of the gain in Dice over the target's own baseline",
            nested_difference(gained, "gained"),
            {"claim": CLAIM},
        ),
        (
            "S03",
            "nested_same_target",
            "for one target, mean Dice from tasks inside it less that from tasks around it",
            difference(related[related["classes"] == SUBSET], related[related["classes"] == SUPERSET]),
            {"claim": CLAIM},
        ),
    ]
    for name, part, statistic, estimate, more in found:
        yield finding(
            name, part, regime, STATEMENTS[name], statistic, DICE, estimate, left_out=failed, **more
        )


def _is(column: pd.Series, wanted: bool) -> pd.Series:
    """Whether truths that may be unknown are known to be as wanted."""
    return column.eq(wanted).fillna(False).astype(bool)


def difference(first: pd.DataFrame, second: pd.DataFrame) -> Estimate:
    """Mean over targets of the mean Dice from the first sources less that from the second, targets having both.

    Targets that share their classes are one unit of the jackknife, whatever modality shows them: they are not
    independent.
    """
    means = [
        part.dropna(subset=["dice"]).groupby(["target", "target_classes"])["dice"].mean()
        for part in (first, second)
    ]
    both = (means[0] - means[1]).dropna()
    counted = sum(int(part["dice"].notna().sum()) for part in (first, second))
    units = both.index.get_level_values("target_classes").to_numpy()
    return _mean(both.to_numpy(float), units, counted if len(both) else 0)


def nested_difference(rows: pd.DataFrame, column: str) -> Estimate:
    """Mean over nested pairs of one modality of a column from the smaller to the bigger task less that of the way
    back; pairs with the same smaller class set are one unit.
    """
    on = ["smaller", "bigger", "target_modality"]
    up = rows[rows["classes"] == SUBSET].assign(smaller=rows["source_classes"], bigger=rows["target_classes"])
    down = rows[rows["classes"] == SUPERSET].assign(
        smaller=rows["target_classes"], bigger=rows["source_classes"]
    )
    pairs = up[[*on, column]].merge(down[[*on, column]], on=on, suffixes=("_up", "_down"))
    pairs = pairs.dropna(subset=[f"{column}_up", f"{column}_down"])
    values = (pairs[f"{column}_up"] - pairs[f"{column}_down"]).to_numpy(float)
    return _mean(values, pairs["smaller"].to_numpy(), 2 * len(pairs))


def _mean(values: np.ndarray, units: np.ndarray, count: int) -> Estimate:
    """Mean of values (n,), jackknifed over their units (n,)."""
    if not len(values):
        return Estimate(count=count)
    low, high = jackknife_interval(lambda kept: float(values[kept].mean()) if kept.any() else math.nan, units)
    return Estimate(float(values.mean()), low, high, count=count, targets=len(set(units)))
