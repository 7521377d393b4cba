"""Gather scores, domain distances, and how well the metrics predict the gains."""

from pathlib import Path

from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.score_records import image_features, read_scores
from transfer_atlas.analysis.tables.scores import (
    domain_distances_table,
    metric_evaluation_table,
    scored_pairs,
    scores_table,
)
from transfer_atlas.running.jobs import clear_other_stamps, log_to
from transfer_atlas.sharing.tables import write_shown

log_to(snakemake.log[0])
study = snakemake.params.study
scores = scores_table(read_scores(study["folders"]["score"]))
distances = domain_distances_table(image_features(study["folders"]["image_features"], study["domains"]))
pairs = scored_pairs(scores, read_table(Path(snakemake.input.gains)), distances)
tables = {
    "scores": scores,
    "domain_distances": distances,
    "metric_evaluation": metric_evaluation_table(pairs),
}
for name, frame in tables.items():
    write_table(frame, Path(snakemake.output[name]))
folders = [folder for paths in study["folders"].values() for folder in paths]
write_shown(Path(snakemake.output.stamp).parents[1], "score_tables", folders)
clear_other_stamps(Path(snakemake.output.stamp))
