"""Gather the records of the study's runs into the result tables."""

from pathlib import Path

from transfer_atlas.analysis.tables.effects import best_effects_table, best_sources_table, effects_table
from transfer_atlas.analysis.tables.files import write_page, write_table
from transfer_atlas.analysis.tables.records import dataset_facts, read_records
from transfer_atlas.analysis.tables.transfers import (
    gains_table,
    runs_table,
    seed_gains_table,
    transfers_table,
)
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to

log_to(snakemake.log[0])
facts = snakemake.params.facts
records = read_records(facts["transfers"], facts["others"])
transfers = transfers_table(records, dataset_facts(records, facts["domains"], facts["multi_sources"]))
gains = gains_table(transfers)
tables = {
    "runs": runs_table(records),
    "transfers": transfers,
    "seed_gains": seed_gains_table(transfers),
    "gains": gains,
    "effects": effects_table(gains),
    "best_effects": best_effects_table(gains),
    "best_sources": best_sources_table(gains),
}
for name, frame in tables.items():
    write_table(frame, Path(snakemake.output[name]))
shown = ("best_sources", "gains", "effects", "best_effects", "transfers")
write_page({name: tables[name] for name in shown}, Path(snakemake.output.page))
shown = [folder for _, folder in facts["transfers"]]
shown += [folder for folders in facts["others"].values() for folder in folders]
write_stamp(Path(snakemake.output.stamp), shown, Path(snakemake.params.store))
