"""Draw a figure of AT/DT: features by t-SNE, panels of predictions, or levels of the split."""

from pathlib import Path

from transfer_atlas.analysis.atdt.figures import (
    chosen_evaluations,
    kept_images,
    levels_figure,
    panels_figure,
    tsne_figure,
)
from transfer_atlas.analysis.figures.style import save_figure
from transfer_atlas.analysis.tables.files import read_table
from transfer_atlas.planning.shown import stamp_like
from transfer_atlas.running.jobs import log_to
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.store.store import read_run

log_to(snakemake.log[0])
name, evaluations = snakemake.wildcards.figure, snakemake.params.facts["evaluations"]
finished = [(identity, folder) for identity, folder in evaluations if read_run(Path(folder))["metrics"]]
if name == "atdt_features":
    folders = chosen_evaluations(finished, on="a", methods=("atdt",))
    figure = tsne_figure({direction: load_samples(Path(own["atdt"])) for direction, own in folders.items()})
elif name == "atdt_panels":
    shown = {
        direction: {
            method: kept_images(Path(folder), read_run(Path(folder))["metrics"])
            for method, folder in own.items()
        }
        for direction, own in chosen_evaluations(
            finished, on="b", methods=("baseline", "atdt", "oracle")
        ).items()
    }
    figure = panels_figure(shown)
else:
    figure = levels_figure(read_table(Path(snakemake.input.atdt_results)))
save_figure(figure, snakemake.output.png, snakemake.output.svg)
stamp_like(Path(snakemake.output.stamp), Path(snakemake.input.tables), written=snakemake.output)
