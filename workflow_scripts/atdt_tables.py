"""Gather the records of AT/DT's runs into its tables and its page."""

from pathlib import Path

from transfer_atlas.analysis.atdt.of_study import atdt_tables
from transfer_atlas.analysis.atdt.page import write_page
from transfer_atlas.analysis.findings.table import as_text
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to
from transfer_atlas.store.store import RUN_FILE, read_run

terminal = log_to(snakemake.log[0])
facts = snakemake.params.facts
tables = atdt_tables(
    [(identity, read_run(Path(folder))) for identity, folder in facts["evaluations"]],
    [read_run(Path(folder)) for folder in facts["runs"] if (Path(folder) / RUN_FILE).exists()],
)
for name, frame in tables.items():
    write_table(frame, Path(snakemake.output[name]))
published = Path(facts["published"])
write_page(tables["atdt_results"], tables["atdt_findings"], published, Path(snakemake.output.page))
print(as_text(tables["atdt_findings"]), file=terminal, flush=True)
shown = [folder for _, folder in facts["evaluations"]]
write_stamp(Path(snakemake.output.stamp), shown, Path(snakemake.params.store), snakemake.output)
