"""Draw distances of datasets, and where their images lie to each other."""

from pathlib import Path

from transfer_atlas.analysis.figures.embedding import look_figures
from transfer_atlas.analysis.figures.matrix import distance_figure
from transfer_atlas.analysis.figures.style import save_figure
from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.analysis.tables.score_records import image_features
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
facts = snakemake.params.facts
distances = read_table(Path(snakemake.input.domain_distances))
seen = image_features(facts["image_features"], facts["domains"])
figures = [
    distance_figure(distances),
    *look_figures(seen, facts["domain_features"], facts["appearance_of"]),
]
for figure, *paths in zip(figures, snakemake.output.png, snakemake.output.svg, strict=True):
    save_figure(figure, *paths)
shown = [folder for _, folder in facts["image_features"]]
write_stamp(Path(snakemake.output.stamp), shown, Path(snakemake.params.store), snakemake.output)
