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
from transfer_atlas.running.jobs import clear_other_stamps, log_to
from transfer_atlas.sharing.tables import write_shown

log_to(snakemake.log[0])
study = snakemake.params.study
records = read_records(study["folders"])
transfers = transfers_table(records, dataset_facts(records, study["domains"], study["multi_sources"]))
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
folders = [folder for paths in study["folders"].values() for folder in paths]
write_shown(Path(snakemake.output.stamp).parents[1], "tables", folders)
clear_other_stamps(Path(snakemake.output.stamp))
