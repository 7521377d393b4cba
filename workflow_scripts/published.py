"""Tables, figures and findings of the numbers that papers print, as of a study."""

from pathlib import Path

from transfer_atlas.analysis.figures.style import save_figure
from transfer_atlas.analysis.published.figures import published_figures
from transfer_atlas.analysis.published.tables import published_as_text, write_published_tables
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to

terminal = log_to(snakemake.log[0])
folder, results = Path(snakemake.params.folder), Path(snakemake.output.tables[0]).parents[1]
tables = write_published_tables(folder, results / "tables")
for name, figure in published_figures(tables, folder):
    save_figure(figure, *(results / "figures" / f"{name}.{suffix}" for suffix in ("png", "svg")))
print(f"\n{published_as_text(tables)}\n\nTables and figures: {results}", file=terminal, flush=True)
write_stamp(Path(snakemake.output.stamp), [], Path(), snakemake.output)
