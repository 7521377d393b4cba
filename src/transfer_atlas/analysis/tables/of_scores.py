"""All tables of a study's scores, from its scores, gains and distances: the one list of what is made, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.recommendation.evidence import study_evidence
from transfer_atlas.analysis.tables.intervals import DRAWS
from transfer_atlas.analysis.tables.scores import (
    metric_differences_table,
    metric_evaluation_table,
    metric_stability_table,
    scored_pairs,
)
from transfer_atlas.analysis.tables.source_pools import source_pool_summary_table, source_pools_table
from transfer_atlas.analysis.tables.target_selection import target_selection_table
from transfer_atlas.analysis.tables.task_relationships import (
    relationship_agreement_table,
    task_relationships_table,
)


def score_tables(
    scores: pd.DataFrame,
    distances: pd.DataFrame,
    gains: pd.DataFrame,
    subtask_transfers: pd.DataFrame,
    per_class: pd.DataFrame,
    prior: pd.DataFrame,
    members: Mapping[str, Sequence[str]],
    *,
    draws: int = DRAWS,
) -> dict[str, pd.DataFrame]:
    """The tables by name, in the order of `docs/tables.md`, with the findings, which need domain distances.

    scores, distances, gains, subtask_transfers, per_class: the tables of these names (distances: `domain_distances`);
    prior: published transfers, which filters of source pools learn from beside the study's own; members: the datasets
    of each multi-source; draws: of the bootstrap.
    """
    pairs = scored_pairs(scores, gains, distances)
    evidence = pd.concat([prior, study_evidence(gains, distances, scores)], ignore_index=True)
    relationships = task_relationships_table(pairs)
    pools = source_pools_table(pairs, evidence, subtask_transfers)
    return {
        "scores": scores,
        "domain_distances": distances,
        "metric_evaluation": metric_evaluation_table(pairs, draws=draws),
        "metric_differences": metric_differences_table(pairs),
        "metric_stability": metric_stability_table(pairs),
        "target_selection": target_selection_table(pairs, per_class),
        "task_relationships": relationships,
        "relationship_agreement": relationship_agreement_table(pairs, relationships),
        "source_pools": pools,
        "source_pool_summary": source_pool_summary_table(pools),
        "findings": findings_table(gains, distances, members=members),
    }
