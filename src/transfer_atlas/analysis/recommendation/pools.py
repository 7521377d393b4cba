"""Which sources of a large pool are worth scoring: cheap rules learnt from measured transfers. Pure functions.

After Li's talk (Source(s) Selection Pipeline): the pool is first filtered by what is known of sources without looking
at them, then ranked by a metric.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from transfer_atlas.analysis.recommendation.predictors import Elsewhere
from transfer_atlas.analysis.recommendation.rules import RULES, Fitted, fit
from transfer_atlas.analysis.recommendation.worth import by_target, left_out
from transfer_atlas.analysis.subtasks.relations import Relation

RELATION = ["inputs", "classes", "related"]
RULE = "learnt_prior"  # of the effort that looks at nothing


def worth_of_relations(
    transfers: pd.DataFrame, target_classes: str
) -> dict[tuple[str, str, bool | None], float]:
    """How much better than a target's average source those of each relation did, in Dice, over other targets.

    transfers: `subtask_transfers` of one regime; target_classes: of the target that is asked about, whose transfers, in
    whatever modality, are left out. Keys are inputs, classes and related of a relation; every target counts alike.
    """
    known = transfers[transfers["target_classes"] != target_classes].dropna(subset=["dice"])
    better = known["dice"] - known.groupby("target")["dice"].transform("mean")
    by_target_first = (
        known.assign(better=better).groupby([*RELATION, "target"], dropna=False)["better"].mean()
    )
    found = by_target_first.groupby(level=RELATION, dropna=False).mean()
    return {(inputs, classes, _truth(related)): float(v) for (inputs, classes, related), v in found.items()}


def kept_by_relations(
    relations: Sequence[Relation | None], worth: Mapping[tuple[str, str, bool | None], float]
) -> np.ndarray:
    """Whether each source (n,) is kept: its relation did no worse than average, or nothing is known of it."""
    return np.array(
        [
            each is None or worth.get((each.inputs, each.classes, _truth(each.related)), 0.0) >= 0.0
            for each in relations
        ],
        dtype=bool,
    )


def kept_by_prior(
    rows: pd.DataFrame,
    evidence: pd.DataFrame,
    number: int,
    learnt: dict[str, tuple[Elsewhere, Fitted]] | None = None,
) -> np.ndarray:
    """Whether each source (n,) is among the `number` that the atlas prior expects most of; ties by name.

    rows: candidates of one target, as `predictors.COLUMNS`; evidence: measured transfers, from which the target's
    dataset is left out, as a target and as a source. learnt: what was learnt from this evidence before, without each
    dataset; what is learnt now is added.
    """
    dataset, learnt = rows["target_dataset"].iloc[0], {} if learnt is None else learnt
    if dataset not in learnt:
        others = left_out(evidence, dataset)
        rule = next(each for each in RULES if each.name == RULE)
        learnt[dataset] = Elsewhere(others), fit(rule, by_target(others))
    elsewhere, fitted = learnt[dataset]
    strengths = fitted.strengths(elsewhere.ranked(rows))
    order = np.lexsort((rows["source"].to_numpy(str), -np.round(strengths, 12)))
    kept = np.zeros(len(rows), dtype=bool)
    kept[order[:number]] = True
    return kept


def _truth(value: object) -> bool | None:
    """A truth of a table, which has values of its own for what is not known."""
    return None if value is None or pd.isna(value) else bool(value)
