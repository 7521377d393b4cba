"""Write the card of every dataset of the study."""

from pathlib import Path

from transfer_atlas.analysis.cards.files import write_card
from transfer_atlas.planning.shown import stamp_like
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
files = zip(snakemake.output.facts, snakemake.output.sheets, snakemake.output.pages, strict=True)
for (name, about), written in zip(snakemake.params.cards.items(), files, strict=True):
    write_card(name.replace(".", "@"), about, *map(Path, written))
stamp_like(Path(snakemake.output.stamp), Path(snakemake.input.tables), written=snakemake.output)
