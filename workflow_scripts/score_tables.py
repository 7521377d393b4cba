"""Gather scores, domain distances, and how well the metrics predict the gains."""

from pathlib import Path

import pandas as pd

from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.recommendation.evidence import study_evidence
from transfer_atlas.analysis.recommendation.prior import load_prior
from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.score_records import image_features, read_scores
from transfer_atlas.analysis.tables.scores import (
    domain_distances_table,
    metric_differences_table,
    metric_evaluation_table,
    metric_stability_table,
    scored_pairs,
    scores_table,
)
from transfer_atlas.analysis.tables.source_pools import source_pool_summary_table, source_pools_table
from transfer_atlas.analysis.tables.target_selection import target_selection_table
from transfer_atlas.analysis.tables.task_relationships import (
    relationship_agreement_table,
    task_relationships_table,
)
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
facts = snakemake.params.facts
scores = scores_table(read_scores(facts["scores"]))
seen = image_features(facts["image_features"], facts["domains"])
chosen = [each for each in seen if each.backbone == facts["domain_features"]]
distances = domain_distances_table(chosen)
gains = read_table(Path(snakemake.input.gains))
pairs = scored_pairs(scores, gains, distances)
relationships = task_relationships_table(pairs)
own = study_evidence(gains, distances, scores)
evidence = pd.concat([load_prior(facts["prior"]).transfers, own], ignore_index=True)
pools = source_pools_table(pairs, evidence, read_table(Path(snakemake.input.subtask_transfers)))
tables = {
    "findings": findings_table(gains, distances, members=facts["multi_sources"]),
    "scores": scores,
    "domain_distances": distances,
    "metric_evaluation": metric_evaluation_table(pairs),
    "metric_differences": metric_differences_table(pairs),
    "metric_stability": metric_stability_table(pairs),
    "target_selection": target_selection_table(pairs),
    "task_relationships": relationships,
    "relationship_agreement": relationship_agreement_table(pairs, relationships),
    "source_pools": pools,
    "source_pool_summary": source_pool_summary_table(pools),
}
for name, frame in tables.items():
    write_table(frame, Path(snakemake.output[name]))
shown = [folder for _, folder in [*facts["scores"], *facts["image_features"]]]
write_stamp(Path(snakemake.output.stamp), shown, Path(snakemake.params.store), snakemake.output)
