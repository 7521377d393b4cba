"""Draw the effects of one regime by relation of source and target."""

from pathlib import Path

from transfer_atlas.analysis.figures.effects import effects_figure
from transfer_atlas.analysis.figures.style import save_figure
from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.planning.shown import stamp_like
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
figure = effects_figure(read_table(Path(snakemake.input.gains)), snakemake.wildcards.regime)
save_figure(figure, snakemake.output.png, snakemake.output.svg)
stamp_like(Path(snakemake.output.stamp), Path(snakemake.input.tables), written=snakemake.output)
