"""Draw scores against measured gains, one figure per regime."""

from pathlib import Path

from transfer_atlas.analysis.figures.scores import score_scatter
from transfer_atlas.analysis.figures.style import save_figure
from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.analysis.tables.scores import scored_pairs
from transfer_atlas.planning.shown import stamp_like
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
tables = [read_table(Path(snakemake.input[name])) for name in ("scores", "gains", "domain_distances")]
save_figure(
    score_scatter(scored_pairs(*tables), snakemake.wildcards.regime),
    snakemake.output.png,
    snakemake.output.svg,
)
stamp_like(Path(snakemake.output.stamp), Path(snakemake.input.tables))
