"""Carry out the runs of a job: the one script of all rules that do."""

from pathlib import Path

from transfer_atlas.running.jobs import run_job

run_job(
    snakemake.params.job,
    Path(snakemake.output[0]),
    Path(snakemake.log[0]),
    snakemake.threads,
    snakemake.resources.get("gpu", 0),
)
