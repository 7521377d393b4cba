# Functions, no rules: how jobs are sent to Slurm, where its executor would start Snakemake twice for each.
import asyncio
import json
import shlex
import time

from snakemake.settings.types import SharedFSUsage
from transfer_atlas.running.looks import Looks
from transfer_atlas.running import cluster_job, slurm_step


def send_to_slurm():
    """Have the executor for Slurm send jobs that start at once, and look after them as often as it is worth.

    By itself it starts a Snakemake in the job which starts a step with another, for each run; each plans anew. Here the
    step is started at once. It carries out runs without a Snakemake, for all that these need is known here; other jobs
    have one for all their rules. And by itself it waits ten seconds longer with each look that found nothing, which for
    short jobs is longer than they take.
    """
    executor = getattr(workflow.scheduler, "_executor", None)
    if type(executor).__module__ != "snakemake_executor_plugin_slurm":
        return
    from snakemake_executor_plugin_slurm_jobstep import (
        get_cpu_setting,
        get_gpu_setting,
        get_node_setting,
    )

    whole_command = executor.format_job_exec
    python = executor.get_python_executable()
    nested = executor.additional_general_args()
    looks = Looks(workflow.executor_settings.init_seconds_before_status_checks)

    def command(job):
        """What the job's script does: become a step that carries out the job."""
        before, found, arguments = whole_command(job).partition(
            f"{python} -m snakemake "
        )
        if not found or "mpi" in job.resources.keys():
            return before + found + arguments
        options = [
            "-n1",
            "--cpu-bind=q",
            get_cpu_setting(job, bool(job.resources.get("gpu"))),
        ]
        options += [get_gpu_setting(job), get_node_setting(job)]
        step = [shlex.quote(python), shlex.quote(slurm_step.__file__), *options]
        if needs_no_snakemake(job):
            path = Path(executor.tmpdir, f"{job.jobid}-{job.attempt}.json")
            path.write_text(json.dumps(told_to_job(job)), encoding="utf-8")
            does = [python, "-m", cluster_job.__name__, str(path)]
            does = list(map(shlex.quote, does))
        else:
            does = [found, arguments.replace(nested, "")]
        return before + " ".join(filter(None, [*step, *does]))

    async def sleep():
        out = {info.external_jobid for info in list(executor.active_jobs)}
        await asyncio.sleep(looks.pause(out, time.monotonic()))

    executor.format_job_exec = command
    executor.sleep = sleep


def jobs_in(job):
    """The jobs of a group in the order in which they build on each other; of a single job, itself."""
    return list(job) if job.is_group() else [job]


def needs_no_snakemake(job):
    """Whether a job carries out runs, in the environment that this process has, on files that it sees as they are."""
    rules = {kind.rule for kind in KINDS.values()}
    return (
        all(each.rule.name in rules for each in jobs_in(job))
        and not workflow.deployment_settings.deployment_method
        and workflow.storage_registry.default_storage_provider is None
        and workflow.storage_settings.shared_fs_usage == SharedFSUsage.all()
    )


def told_to_job(job):
    """What `transfer_atlas.running.cluster_job` takes."""
    return {
        "folder": os.getcwd(),
        "patience": workflow.execution_settings.latency_wait,
        "inputs": list(map(str, job.input)),
        "jobs": [
            {
                "job": each.params.job,
                "done": str(each.output[0]),
                "log": str(each.log[0]),
                "threads": int(each.threads),
                "gpus": int(each.resources.get("gpu", 0)),
                "inputs": list(map(str, each.input)),
            }
            for each in jobs_in(job)
        ],
    }
