"""How the tests call `snakemake --profile cluster`: as a user does, with shorter waits between looks."""

from __future__ import annotations

from typing import Any

from slurm import Slurm

# The profile's own waits are for a site's network and for a controller that serves many: a test would do nothing else.
# Runs of seconds share jobs, as the profile says of them.
QUICKLY = [
    "--profile=cluster",
    "--slurm-init-seconds-before-status-checks=2",
    "--seconds-between-status-checks=1",
    "--latency-wait=20",
    "--group-components",
    "prepare_dataset=4",
    "train_source=2",
    "transfer=7",
]


def on_cluster(slurm: Slurm, *arguments: str, **environment: str) -> dict[str, Any]:
    """Arguments and options of `Clone.start` for a study on a Slurm."""
    return {
        "arguments": [*QUICKLY, *arguments],
        "options": {"cores": None} | slurm.environment | environment,
    }
