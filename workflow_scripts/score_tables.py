"""Gather scores, domain distances, and how well the metrics predict the gains."""

from itertools import chain
from pathlib import Path

from transfer_atlas.analysis.recommendation.prior import load_prior
from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.of_scores import score_tables
from transfer_atlas.analysis.tables.score_records import image_features, read_scores
from transfer_atlas.analysis.tables.scores import domain_distances_table, scores_table
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
facts = snakemake.params.facts
seen = image_features(facts["image_features"], facts["domains"])
gains = read_table(Path(snakemake.input.gains))
tables = score_tables(
    scores_table(read_scores(facts["scores"])),
    domain_distances_table(
        [each for each in seen if each.backbone == facts["domain_features"]],
        sources={*gains["source_dataset"], *chain.from_iterable(facts["multi_sources"].values())},
    ),
    gains,
    read_table(Path(snakemake.input.subtask_transfers)),
    read_table(Path(snakemake.input.per_class)),
    load_prior(facts["prior"]).transfers,
    facts["multi_sources"],
)
for name, frame in tables.items():
    write_table(frame, Path(snakemake.output[name]))
shown = [folder for _, folder in [*facts["scores"], *facts["image_features"]]]
write_stamp(Path(snakemake.output.stamp), shown, Path(snakemake.params.store), snakemake.output)
