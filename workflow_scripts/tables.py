"""Gather the records of the study's runs into the result tables."""

from pathlib import Path

from transfer_atlas.analysis.findings.table import findings_table
from transfer_atlas.analysis.tables.answers import answers_as_text
from transfer_atlas.analysis.tables.best_sources import best_sources_table
from transfer_atlas.analysis.tables.chance import chance_levels
from transfer_atlas.analysis.tables.details import (
    curves_table,
    per_class_table,
    per_image_table,
    read_per_image,
    results_by_image,
)
from transfer_atlas.analysis.tables.effects import best_effects_table, effects_table
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.analysis.tables.methods import method_summary_table, methods_table
from transfer_atlas.analysis.tables.records import dataset_facts, read_records
from transfer_atlas.analysis.tables.surroundings import told_of_differences
from transfer_atlas.analysis.tables.transfers import (
    gains_table,
    runs_table,
    seed_gains_table,
    transfers_table,
)
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to

terminal = log_to(snakemake.log[0])
facts = snakemake.params.facts
records = read_records(facts["transfers"], facts["others"])
transfers = transfers_table(records, dataset_facts(records, facts["domains"], facts["multi_sources"]))
by_image = read_per_image(facts["transfers"])
gains = gains_table(transfers, results_by_image(by_image), chance_levels(records))
methods = methods_table(transfers)
tables = {
    "runs": runs_table(records),
    "transfers": transfers,
    "seed_gains": seed_gains_table(transfers),
    "gains": gains,
    "effects": effects_table(gains),
    "best_effects": best_effects_table(gains),
    "best_sources": best_sources_table(gains),
    "per_class": per_class_table(records),
    "per_image": per_image_table(by_image),
    "curves": curves_table(records),
    "methods": methods,
    "method_summary": method_summary_table(methods),
}
if hasattr(snakemake.output, "findings"):  # else of the tables of scores, which know domain distances
    tables["findings"] = findings_table(gains, members=facts["multi_sources"])
for name, frame in tables.items():
    write_table(frame, Path(snakemake.output[name]))
shown = [folder for _, folder in facts["transfers"]]
shown += [folder for folders in facts["others"].values() for folder in folders]
seeds = transfers["seed"].nunique()
results = Path(snakemake.output.gains).parents[1]
differing = told_of_differences(transfers)
print(answers_as_text(tables["best_sources"], results, seeds, differing), file=terminal, flush=True)
write_stamp(Path(snakemake.output.stamp), shown, Path(snakemake.params.store))
