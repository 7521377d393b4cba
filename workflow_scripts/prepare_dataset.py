"""Read a raw dataset through its adapter and write it as a prepared dataset."""

from pathlib import Path

from transfer_atlas.running.jobs import run_job

run_job(snakemake.params.run, Path(snakemake.log[0]), snakemake.threads)
