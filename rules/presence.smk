# Functions, no rules: which runs are there, and pulling those that are recorded where the study says `pull: true`.
# What is there is no input of any job: Snakemake would ask the file system several times for each of its files.
from transfer_atlas.planning.presence import Presence
from transfer_atlas.sharing.puller import Puller, leaves
from transfer_atlas.sharing.repository import Repository


def declared_outputs(run):
    """Paths of a run's declared outputs."""
    return files_of(run).values()


def say(text):
    """Tell the user, beside what Snakemake prints."""
    print(text, file=sys.stderr, flush=True)


PRESENT = Presence(declared_outputs)
PULLER = Puller(STUDY, PRESENT, say)


def missing(runs, may_pull=True):
    """Those of some runs that are to be computed, after pulling what is recorded if the study says so.

    All of them for a report or a picture of the graph, and where Snakemake is told to repeat what is there.
    """
    settings = workflow.dag_settings
    forced = settings.forceall or settings.forcerun or settings.forcetargets
    if workflow.executor_plugin is None or forced:
        return list(runs)
    if STUDY.pull and may_pull and workflow.is_main_process:
        PULLER.pull_for(runs, only_say=workflow.dryrun)
    return [run for run in runs if not PRESENT(run)]


def things_to_pull(wildcards):
    """What of the study is recorded, missing, and needed by what is asked for; as one dict of built-ins."""
    try:
        wants, _ = PULLER.what(Repository.around(Path.cwd()), leaves(PLAN))
    except AtlasError as error:
        raise WorkflowError(str(error))
    return {
        "data": wants.data,
        "records": wants.records,
        "runs": wants.runs,
        "size": wants.size,
    }
