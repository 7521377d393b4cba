# The study as a graph: which runs there are, what they need, what is asked for. Functions are in rules/common.smk.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")

ATLAS = Path(str(workflow.current_basedir)).resolve()

# The library is that of this checkout, in this process and in every job's.
sys.path.insert(0, str(ATLAS / "src"))
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [sys.path[0], os.getenv("PYTHONPATH")]))
)

from transfer_atlas.running import warm

# A job elsewhere imports what its run needs while Snakemake reads and plans: it is ready when they are.
if workflow.remote_exec:
    warm.start_in_job(sys.argv)


include: "rules/common.smk"
include: "rules/slurm.smk"


# Runs of one job of a scheduler take turns, each job by itself.
resource_scopes:
    turn="local",


take_turns()


# A study given with --configfile, or by a workflow that uses this one as a module, stands alone: the miniature study's
# datasets are not mixed into it. Single settings go over the miniature study.
if not stands_alone(config):

    configfile: str(ATLAS / "config.yaml")


FLOW = load(config)


wildcard_constraints:
    name="[a-z0-9_.-]+",
    key="[0-9a-f]{16}",
    task_type="[a-z]+",
    regime="|".join(products.regimes(FLOW)) or "none",


report: "report/workflow.rst"


include: "rules/datasets.smk"
include: "rules/models.smk"
include: "rules/transfers.smk"
include: "rules/analysis.smk"
include: "rules/transferability.smk"
include: "rules/atdt.smk"
include: "rules/published.smk"
include: "rules/sharing.smk"


onstart:
    hand_over_versions()
    send_to_slurm()
    start_warm_process()
    tell_finished_runs()


localrules:
    all,
    prepared_datasets,
    ilsvrc,
    sources,
    transfers,
    target_models,
    scores,
    atdt,
    plan,
    datasets,
    pull,
    recommend,
    start,
    combine,


rule all:
    """All that the study asks for: tables, figures, scores, report, kept models; what `snakemake` alone does."""
    default_target: True
    input:
        tables,
        figures,
        score_tables,
        atdt_tables,
        cards,
        page,
        results_of("target_model"),


rule prepared_datasets:
    """The prepared datasets alone."""
    input:
        results_of("prepared"),


rule ilsvrc:
    """The ILSVRC checkpoint alone."""
    input:
        results_of("ilsvrc"),


rule sources:
    """The source models."""
    input:
        results_of("source"),


rule transfers:
    """All transfers, without tables."""
    input:
        results_of("transfer"),


rule target_models:
    """Models of all transfers, where the study keeps them."""
    input:
        results_of("target_model"),


rule scores:
    """Scores and image features, without tables."""
    input:
        results_of("score"),
        results_of("image_features"),


rule atdt:
    """Learning across tasks and domains (AT/DT): its tables and figures."""
    input:
        atdt_tables,
