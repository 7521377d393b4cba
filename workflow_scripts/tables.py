"""Gather the records of the study's runs into the result tables."""

from pathlib import Path

from transfer_atlas.analysis.tables.answers import answers_as_text
from transfer_atlas.analysis.tables.of_study import study_tables, write_tables
from transfer_atlas.analysis.tables.records import dataset_facts, read_records
from transfer_atlas.analysis.tables.surroundings import told_of_differences
from transfer_atlas.planning.shown import write_stamp
from transfer_atlas.running.jobs import log_to

terminal = log_to(snakemake.log[0])
facts = snakemake.params.facts
records = read_records(facts["transfers"], facts["others"])
datasets = dataset_facts(records, facts["domains"], facts["multi_sources"])
tables = study_tables(records, datasets, facts["transfers"], facts["multi_sources"], facts["subtasks"])
if not hasattr(snakemake.output, "findings"):  # then of the tables of scores, which know domain distances
    del tables["findings"]
place = Path(snakemake.output.gains).parent
write_tables(tables, place)
shown = [folder for _, folder in facts["transfers"]]
shown += [folder for folders in facts["others"].values() for folder in folders]
transfers = tables["transfers"]
differing = told_of_differences(transfers)
answers = answers_as_text(tables["best_sources"], place.parent, transfers["seed"].nunique(), differing)
print(answers, file=terminal, flush=True)
write_stamp(Path(snakemake.output.stamp), shown, Path(snakemake.params.store), snakemake.output)
