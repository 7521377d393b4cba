# The study as a graph: which runs there are, what they need, what is asked for. Functions are in rules/common.smk.
import os
import sys

from snakemake.utils import min_version

min_version("9.27")


# The library is that of this checkout, in this process and in every job's.
sys.path.insert(0, f"{workflow.basedir}/src")
os.environ.update(
    PYTHONPATH=os.pathsep.join(filter(None, [sys.path[0], os.getenv("PYTHONPATH")]))
)


# A study given with --configfile stands alone: the miniature study's datasets are not mixed into it.
if "datasets" not in config:

    configfile: "config.yaml"


include: "rules/common.smk"


STUDY = load_study(config)
PLAN = load_plan(STUDY)
RECOMMENDATION = load_recommendation(STUDY, PLAN, config)
RUNS = PLAN.by_key() | all_runs(RECOMMENDATION)
TABLE_KEY = PLAN.table_key()


include: "rules/presence.smk"


wildcard_constraints:
    name="[a-z0-9_.-]+",
    key="[0-9a-f]{16}",
    task_type="[a-z]+",
    regime="small_target|full_target|small_source_small_target",


report: "report/workflow.rst"


include: "rules/datasets.smk"
include: "rules/models.smk"
include: "rules/transfers.smk"
include: "rules/analysis.smk"
include: "rules/transferability.smk"
include: "rules/sharing.smk"


onstart:
    start_warm_process()


localrules:
    all,
    prepared_datasets,
    ilsvrc,
    sources,
    transfers,
    scores,
    plan,
    pull,
    recommend,


rule all:
    default_target: True
    input:
        result_tables(),
        result_figures(),
        result_scores(),
        kept_target_models(),


rule prepared_datasets:
    input:
        results_of("prepared"),


rule ilsvrc:
    input:
        results_of("ilsvrc"),


rule sources:
    input:
        results_of("source"),


rule transfers:
    input:
        results_of("transfer"),


rule scores:
    input:
        results_of("score"),
        results_of("image_features"),
