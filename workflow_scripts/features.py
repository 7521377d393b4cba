"""Extract the samples of a target as a source sees them."""

from pathlib import Path

from transfer_atlas.running.jobs import run_job

run_job(snakemake.params.run, Path(snakemake.log[0]), snakemake.threads)
