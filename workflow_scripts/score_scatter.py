"""Draw scores against measured gains in one regime: ranks of all metrics, then each metric target by target."""

from pathlib import Path

from transfer_atlas.analysis.figures.scores import score_scatter
from transfer_atlas.analysis.figures.style import save_figure
from transfer_atlas.analysis.figures.targets import target_scatter
from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.analysis.tables.scores import scored_pairs
from transfer_atlas.planning.shown import stamp_like
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
tables = [read_table(Path(snakemake.input[name])) for name in ("scores", "gains", "domain_distances")]
pairs, regime = scored_pairs(*tables), snakemake.wildcards.regime
save_figure(score_scatter(pairs, regime), snakemake.output.png, snakemake.output.svg)
paths = zip(snakemake.output.by_target_png, snakemake.output.by_target_svg, strict=True)
for metric, paths_of_metric in zip(snakemake.params.metrics, paths, strict=True):
    save_figure(target_scatter(pairs, regime, metric), *paths_of_metric)
stamp_like(Path(snakemake.output.stamp), Path(snakemake.input.tables), written=snakemake.output)
