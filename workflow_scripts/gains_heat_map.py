"""Draw the heat maps of gains and of absolute metrics of one target task type and regime."""

from pathlib import Path

from transfer_atlas.analysis.figures.heat_map import gain_heat_map
from transfer_atlas.analysis.figures.matrix import absolute_figure
from transfer_atlas.analysis.figures.style import save_figure
from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.planning.shown import stamp_like
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
gains = read_table(Path(snakemake.input.gains))
which = (gains, snakemake.wildcards.regime, snakemake.wildcards.task_type)
save_figure(gain_heat_map(*which), snakemake.output.png, snakemake.output.svg)
save_figure(absolute_figure(*which), snakemake.output.absolute_png, snakemake.output.absolute_svg)
stamp_like(Path(snakemake.output.stamp), Path(snakemake.input.tables), written=snakemake.output)
