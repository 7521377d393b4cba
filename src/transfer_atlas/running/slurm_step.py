"""Become a step of the Slurm job at hand: `python slurm_step.py OPTIONS_OF_SRUN PROGRAM ARGUMENTS`.

A step, and not the job's script, gets the signal when a job is taken back, and its place among the node's cores. What
describes the job to srun by variables is left out, as it goes over options of srun or contradicts them. The standard
library alone: it runs before everything else.
"""

import os
import sys

KEPT = (
    *("SLURM_CONF", "SLURM_JOB_ID", "SLURM_JOBID", "SLURM_CLUSTER_NAME"),
    *("SLURM_SUBMIT_DIR", "SLURM_SUBMIT_HOST"),
)


def cleaned(environment: dict[str, str]) -> dict[str, str]:
    """Variables for srun in a job: which job and which cluster, and all that is not Slurm's."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or not name.startswith(("SLURM_", "SRUN_", "SBATCH_"))
    }


if __name__ == "__main__":
    os.execvpe("srun", ["srun", *sys.argv[1:]], cleaned(dict(os.environ)))
