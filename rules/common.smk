# Functions of the workflow, no rules: the plan, paths of results, inputs and parameters of rules.
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from snakemake.exceptions import WorkflowError

from transfer_atlas.running import execute as runs
from transfer_atlas.study.study import parse_study
from transfer_atlas.errors import AtlasError
from transfer_atlas.planning.estimates import plan_table, regime_table
from transfer_atlas.running.jobs import (
    SCORES_VARIABLE,
    SOCKET_VARIABLE,
    wait_for_socket,
)
from transfer_atlas.models.packages import WEIGHT_PACKAGES, package_version
from transfer_atlas.planning.plan import make_plan, prepared_run
from transfer_atlas.planning.recommendation import all_runs, recommendation_runs
from transfer_atlas.planning.scores import SCORING
from transfer_atlas.store.store import FOLDERS
from transfer_atlas.planning.content_versions import (
    absent_datasets,
    content_versions,
    version_of,
)

# What `snakemake recommend --config target=... models=...` asks for: no part of a study.
ASKED = ("target", "models")


def load_study(config):
    """The validated study; a mistake in it ends the workflow with one message."""
    try:
        return parse_study({k: v for k, v in config.items() if k not in ASKED})
    except AtlasError as error:
        raise WorkflowError(str(error))


def load_plan(study):
    """Every run of the study with its key."""
    try:
        plan = make_plan(study, *content_versions(study))
    except AtlasError as error:
        raise WorkflowError(str(error))
    # Without its data a study can be planned, for which the command must ask for nothing else.
    absent = "" if "plan" in sys.argv else absent_datasets(study, plan)
    if absent:
        raise WorkflowError(absent)
    return plan


def load_recommendation(study, plan, config):
    """Scores of all candidates for the target that `snakemake recommend` is asked about."""
    target = config.get("target")
    if target is None:
        return []
    try:
        models = [name for name in str(config.get("models") or "").split(",") if name]
        if target not in study.tasks():
            recommendation_runs(
                study, plan, None, target, models, {}
            )  # says what there is
        dataset = target.split("/")[1]
        prepared = prepared_run(study, dataset, version_of(study, dataset))
        packages = {m: package_version(m) for m in models if m in WEIGHT_PACKAGES}
        return recommendation_runs(study, plan, prepared, target, models, packages)
    except AtlasError as error:
        raise WorkflowError(str(error))


def missing_of_recommendation(wildcards):
    """run.json of every candidate's score that is not there."""
    return [ancient(files_of(run)["run"]) for run in missing(RECOMMENDATION)]


def recommendation(wildcards):
    """What the ranking is made of, and where it goes."""
    if not RECOMMENDATION:
        raise WorkflowError(
            "recommend needs a target: snakemake recommend --config target=segmentation/my_dataset "
            "(a task of the study, which may be new), and perhaps models=resnet50.a1_in1k,vit_small_patch14_dinov2"
        )
    target = RECOMMENDATION[0].identity["target"]
    readable = "-".join(target.split("/"))
    runs_of_it = [
        run for score in RECOMMENDATION for run in (score, score.parents["features"])
    ]
    return {
        "computed": [files_of(run)["run"] for run in runs_of_it],
        "evaluation": f"{STUDY.results}/tables/metric_evaluation.parquet",
        "scores": [str(run.folder(STUDY.store)) for run in RECOMMENDATION],
        "table": f"{STUDY.results}/recommendations/{readable}.parquet",
        "transfers": f"{STUDY.store}/{FOLDERS['transfer']}",
    }


def result_path(kind, file):
    """Path pattern of a file of a run."""
    return f"{STUDY.store}/{FOLDERS[kind]}/{{name}}/{{key}}/{file}"


def files_of(run):
    """Declared outputs of a run: what must be there for it to be up to date."""
    names = {"run": "run.json"}
    if run.kind in ("ilsvrc", "source") or (
        run.kind == "transfer" and STUDY.keep_target_models
    ):
        names["model"] = "model.safetensors"
    elif run.kind == "prepared":
        names["description"] = "dataset.json"
    elif run.kind in ("image_features", "features"):
        names["samples"] = "samples.safetensors"
    return {role: f"{run.folder(STUDY.store)}/{file}" for role, file in names.items()}


def results_of(kind):
    """Input function: outputs of the runs of a kind that are not there. Times never matter: hence ancient.

    Where all are there, those of one: a target without any input would be carried out every time.
    """

    def inputs(wildcards):
        runs_of_kind = PLAN.of_kind(kind)
        there = [run for run in runs_of_kind[:1] if Path(files_of(run)["run"]).exists()]
        wanted = missing(runs_of_kind) or there
        return [ancient(path) for run in wanted for path in files_of(run).values()]

    return inputs


def planned_run(kind, wildcards):
    """The run of the plan that a path belongs to."""
    run = RUNS.get((kind, wildcards.key))
    if run is None:
        raise WorkflowError(
            f"no run of this study has the key {wildcards.key} ({kind} {wildcards.name}). Results of other studies "
            "or earlier settings are made by planning with these, not by asking for their path."
        )
    return run


def parents_of(kind, wildcards):
    """Inputs of a run: the results it builds on that are not there, by role."""
    found = {}
    parents = planned_run(kind, wildcards).parents
    lacking = missing(parents.values())
    for role, parent in parents.items():
        for name, path in files_of(parent).items() if parent in lacking else ():
            found[f"{role}_{name}"] = ancient(path)
    return found


def request_of(kind, wildcards):
    """What a job needs to carry out a run, as one dict of built-ins."""
    return runs.request(planned_run(kind, wildcards), STUDY.store, STUDY.scratch)


def inputs_of_ilsvrc(wildcards):
    return parents_of("ilsvrc", wildcards)


def inputs_of_source(wildcards):
    return parents_of("source", wildcards)


def inputs_of_transfer(wildcards):
    return parents_of("transfer", wildcards)


def inputs_of_image_features(wildcards):
    return parents_of("image_features", wildcards)


def inputs_of_features(wildcards):
    return parents_of("features", wildcards)


def inputs_of_score(wildcards):
    return parents_of("score", wildcards)


def request_of_image_features(wildcards):
    return request_of("image_features", wildcards)


def request_of_features(wildcards):
    return request_of("features", wildcards)


def request_of_score(wildcards):
    return request_of("score", wildcards)


def result_scores():
    """Tables and figures of scores with their stamps, if the study asks for scores."""
    if STUDY.transferability is None:
        return []
    names = [f"scores_{regime}" for regime in regimes()]
    tables = ("scores", "domain_distances", "metric_evaluation")
    files = [f"{STUDY.results}/tables/{name}.parquet" for name in tables]
    files += [
        f"{STUDY.results}/figures/{name}.{suffix}"
        for name in names
        for suffix in ("png", "svg")
    ]
    stamps = [f"{STUDY.results}/.shows/{name}-{TABLE_KEY}" for name in names]
    stamps += [f"{STUDY.results}/.shows/score_tables-{TABLE_KEY}"]
    return [ancient(path) for path in [*files, *stamps]]


def request_of_prepared(wildcards):
    return request_of("prepared", wildcards)


def request_of_ilsvrc(wildcards):
    return request_of("ilsvrc", wildcards)


def request_of_source(wildcards):
    return request_of("source", wildcards)


def request_of_transfer(wildcards):
    return request_of("transfer", wildcards)


def outputs_of_transfer():
    """Patterns of a transfer's outputs; its model only if the study keeps it."""
    names = {"run": "run.json"} | (
        {"model": "model.safetensors"} if STUDY.keep_target_models else {}
    )
    return {role: result_path("transfer", file) for role, file in names.items()}


def memory_of_training(wildcards, attempt):
    """Host memory in MB, more at each attempt."""
    return 4000 * 2 ** (attempt - 1)


def minutes_of_training(wildcards, attempt):
    """Run time in minutes, more at each attempt; an interrupted run continues where it was."""
    return 240 * attempt


def run_files_of(kind):
    """Input function of the tables: the run.json of every run of a kind that is not there."""

    def inputs(wildcards):
        lacking = missing(PLAN.of_kind(kind), may_pull=not tables_are_there())
        return [ancient(files_of(run)["run"]) for run in lacking]

    return inputs


def tables_are_there():
    """Whether the tables show this plan."""
    return Path(f"{STUDY.results}/.shows/tables-{TABLE_KEY}").exists()


def regimes():
    """Regimes of the study's experiments, in their order."""
    return list(dict.fromkeys(experiment.regime for experiment in STUDY.experiments))


def kept_target_models():
    """Models of transfers, if the study keeps them."""
    return results_of("transfer") if STUDY.keep_target_models else []


def result_tables():
    """The tables, and the stamp that says which runs they show."""
    names = (
        "runs",
        "transfers",
        "seed_gains",
        "gains",
        "effects",
        "best_effects",
        "best_sources",
    )
    files = [f"{STUDY.results}/tables/{name}.parquet" for name in names]
    files += [f"{STUDY.results}/tables/tables.html"]
    return [
        ancient(path) for path in [*files, f"{STUDY.results}/.shows/tables-{TABLE_KEY}"]
    ]


def result_figures():
    """The figures with their stamps: a heat map per target task type and regime, effects per regime."""
    names = [f"effects_{regime}" for regime in regimes()]
    names += [
        f"gains_{task_type}_{regime}"
        for regime in regimes()
        for task_type in target_task_types(regime)
    ]
    files = [
        f"{STUDY.results}/figures/{name}.{suffix}"
        for name in names
        for suffix in ("png", "svg")
    ]
    stamps = [f"{STUDY.results}/.shows/{name}-{TABLE_KEY}" for name in names]
    return [ancient(path) for path in [*files, *stamps]]


def target_task_types(regime):
    """Task types of the targets of a regime."""
    targets = [t for t in PLAN.of_kind("transfer") if t.identity["regime"] == regime]
    return list(dict.fromkeys(run.identity["target"].split("/")[0] for run in targets))


def folders_of_runs(wildcards):
    """Where the runs of the study lie, by kind, for the tables."""
    kinds = {kind: [] for kind in FOLDERS if kind not in SCORING}
    for run in PLAN:
        if run.kind not in SCORING:
            kinds[run.kind].append(str(run.folder(STUDY.store)))
    return {
        "domains": {name: d.domain for name, d in sorted(STUDY.datasets.items())},
        "folders": kinds,
        "multi_sources": {
            name: [task.split("/")[1] for task in STUDY.tasks_of_multi_source(name)]
            for name in sorted(STUDY.multi_sources)
        },
    }


def folders_of_scores(wildcards):
    """Where scores and image features lie, for the tables of scores."""
    return {
        "domains": {name: d.domain for name, d in sorted(STUDY.datasets.items())},
        "folders": {
            kind: [str(run.folder(STUDY.store)) for run in PLAN.of_kind(kind)]
            for kind in ("score", "image_features")
        },
    }


def planned_table(wildcards):
    """The plan as text."""
    cores = max(1, workflow.resource_settings.cores or 1)
    absent = absent_datasets(STUDY, PLAN)
    tables = [plan_table(PLAN, Path(STUDY.store), cores), regime_table(PLAN)]
    return "\n\n".join([*tables, absent] if absent else tables)


def start_warm_process():
    """One process that has torch imported and forks for each local run (see transfer_atlas/jobs.py).

    Not where rules have environments of their own, which it would bypass.
    """
    if workflow.deployment_settings.deployment_method:
        return
    address = Path(tempfile.mkdtemp(prefix="transfer-atlas-")) / "warm"
    if STUDY.transferability or RECOMMENDATION:
        os.environ[SCORES_VARIABLE] = "yes"
    # Its forks write to the terminals of their jobs. Whoever reads what Snakemake prints need not wait for it.
    subprocess.Popen(
        [
            sys.executable,
            "-m",
            "transfer_atlas.running.jobs",
            str(address),
            str(os.getpid()),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if wait_for_socket(address):
        os.environ[SOCKET_VARIABLE] = str(address)
