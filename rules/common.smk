# Functions of the workflow, no rules: what is Snakemake's of planning. What is not is in transfer_atlas.planning.
import logging
import os
import sys
from pathlib import Path

from snakemake.resources import Resource
from snakemake.settings.enums import RerunTrigger
from snakemake_interface_logger_plugins.common import LogEvent
from transfer_atlas.errors import AtlasError
from transfer_atlas.planning import facts, products, published
from transfer_atlas.planning.combination_facts import facts_of_combination
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.load import (
    HANDED_VARIABLE,
    hand_over,
    is_study,
    load_workflow,
)
from transfer_atlas.planning.resources import Experience
from transfer_atlas.planning.start import facts_of_start, seconds_of_budget
from transfer_atlas.planning.workflow import MARKS
from transfer_atlas.running import devices, tally, warm
from transfer_atlas.running.jobs import AGAIN_VARIABLE
from transfer_atlas.sharing.puller import Puller, leaves
from transfer_atlas.sharing.repository import Repository


def stop(error):
    """End with one line, as the user's mistake deserves: no traceback of Snakemake's or Python's around it."""
    print(f"\n{error}\n", file=sys.stderr, flush=True)
    sys.exit(1)


def say(text):
    """Tell the user, beside what Snakemake prints."""
    print(text, file=sys.stderr, flush=True)


def stands_alone(config):
    """Whether a study was given, as a file or by another workflow; else settings go over the default study."""
    return bool(workflow.overwrite_configfiles) or is_study(config)


def let_missing_outputs_decide():
    """Results are named by their keys: neither code nor parameters nor the set of inputs, which are those that are
    missing, make a job run again. Said here, for it must hold under any profile, and where inputs are asked for,
    before which Snakemake has no such setting; what is needed is decided after that. A workflow that uses this one as
    a module has rules of its own, and keeps its setting.
    """
    is_main = Path(str(workflow.main_snakefile)).resolve() == ATLAS / "Snakefile"
    if is_main:
        workflow.dag_settings.rerun_triggers = frozenset({RerunTrigger.MTIME})


def load(config):
    """The planned study, with what can be pulled of it, and with stamps of what shows other results gone."""
    try:
        handed = os.environ.get(HANDED_VARIABLE)
        flow = load_workflow(
            config,
            without_data=bool({"plan", "datasets"} & set(sys.argv)),
            handed=Path(handed) if handed and workflow.remote_exec else None,
        )
        for question in ("recommend", "start"):
            if question in sys.argv and flow.recommendation is None:
                stop(
                    f"{question} needs a target: snakemake {question} --configfile STUDY --config "
                    "target=segmentation/my_dataset (a task of the study, which may be new), and perhaps effort=images "
                    "and models=resnet50.a1_in1k,vit_small_patch14_dinov2"
                )
        if "combine" in sys.argv and flow.combination is None:
            stop(
                "combine needs targets: snakemake combine --configfile STUDY --config "
                "targets=segmentation/my_dataset (tasks of the study, or patterns such as segmentation/*), and perhaps "
                "together=3 seeds=5 temperature=0.5"
            )
        if "start" in sys.argv:
            seconds_of_budget(flow.budget)
        if workflow.is_main_process:
            flow.shown.clear_stale(products.stamps(flow))
        return flow
    except AtlasError as error:
        stop(error)


def what_to_repeat():
    """Rules to be repeated although their results are there, told to the jobs as well; `all` for all of them."""
    settings = workflow.dag_settings
    if workflow.is_main_process and settings is not None:
        again = sorted(map(str, settings.forcerun))
        if settings.forceall or settings.forcetargets:
            again.append("all")
        os.environ[AGAIN_VARIABLE] = ",".join(again)
    return os.environ.get(AGAIN_VARIABLE, "")


def everything_counts():
    """Whether what is there is an input all the same: for pictures of the graph, reports, and repetitions."""
    return workflow.executor_plugin is None or bool(what_to_repeat())


def wanted(runs, may_pull=True):
    """Those of some runs that jobs are to carry out, after pulling what is recorded where the study says so."""
    let_missing_outputs_decide()
    lend_devices()
    take_turns()
    if everything_counts():
        return FLOW.jobs_for(runs)
    if FLOW.study.pull and may_pull and workflow.is_main_process:
        puller().pull_for(runs, only_say=workflow.dryrun)
    return FLOW.jobs_for(FLOW.missing(runs))


def puller():
    """What pulls for this study, made once."""
    if not hasattr(FLOW, "puller"):
        FLOW.puller = Puller(FLOW.study, FLOW.present, say)
    return FLOW.puller


def whenever(path):
    """An input of which only the presence counts, never the time; but where results are repeated, what shows them
    follows.
    """
    return str(path) if what_to_repeat() else ancient(str(path))


def mark(kind):
    """Path pattern of the mark of a finished job."""
    return f"{MARKS}/{kind}/{{name}}/{{key}}"


def mark_of(run):
    """The mark of a run's job. One that is left of a result that is there no more says nothing: it goes."""
    path = Path(MARKS, run.kind, run.name, run.key)
    if workflow.is_main_process and not FLOW.present(run):
        path.unlink(missing_ok=True)
    return str(path)


def log_of(kind):
    """Path pattern of the log of a job."""
    return f"logs/{KINDS[kind].folder}/{{name}}-{{key}}.log"


def results_of(kind):
    """Input function: marks of the runs of a kind that are not there. Times never matter: hence ancient.

    Where all are there, the result of one: a target without any input would be carried out every time.
    """

    def inputs(wildcards):
        runs = FLOW.plan.of_kind(kind)
        lacking = wanted(runs)
        if lacking:
            return [ancient(mark_of(run)) for run in lacking]
        there = [str(run.outputs(FLOW.study.store)["run"]) for run in runs[:1]]
        return [ancient(local(path)) for path in there]

    return inputs


def parents_of(kind):
    """Input function of a job: marks of the runs it builds on that are not there."""

    def inputs(wildcards):
        parents = FLOW.parents(kind, wildcards.name, wildcards.key)
        return [ancient(mark_of(run)) for run in wanted(parents)]

    return inputs


def job_of(kind):
    """Params function: what a job needs to carry out its runs, as one dict of built-ins."""

    def params(wildcards):
        return FLOW.job(kind, wildcards.name, wildcards.key)

    return params


def threads_of_prepared(wildcards):
    """Processes that write shards: generated images are drawn in one, raw files are read in several."""
    run = FLOW.run("prepared", wildcards.name, wildcards.key)
    return 1 if run.settings["adapter"]["name"] == "miniature" else 4


def memory_of(kind):
    """Resource function: host memory in MB, twice as much at each further attempt, as far as the site goes."""

    def memory(wildcards, attempt):
        first = FLOW.memory_mb(
            kind, wildcards.name, wildcards.key, experience(), on_gpu=has_gpu(kind)
        )
        return within(first * 2 ** (attempt - 1), "most_memory_mb")

    return memory


def minutes_of(kind):
    """Resource function: run time in minutes, more at each attempt; an interrupted run continues where it was."""

    def minutes(wildcards, attempt):
        first = FLOW.minutes(
            kind, wildcards.name, wildcards.key, experience(), on_gpu=has_gpu(kind)
        )
        return within(first * attempt, "longest_minutes")

    return minutes


def gpus_of(kind):
    """Resource function: GPUs of a job where there are any; `--set-resources RULE:gpu=4` gives a run several."""

    def gpus(wildcards):
        return FLOW.gpus(kind, wildcards.name, wildcards.key)

    return gpus


def lend_devices():
    """Where jobs run on this machine: list its GPUs, which jobs then take in turn, and start no more jobs than that.

    `--resources gpu=2` means two of them; `runs_per_gpu=3` lets three runs share each.
    """
    if not workflow.is_main_process or workflow.executor_plugin is None:
        return
    if not workflow.executor_plugin.common_settings.local_exec:
        for variable in (devices.DEVICES_VARIABLE, devices.SHARING_VARIABLE):
            os.environ.pop(variable, None)
        return
    if hasattr(FLOW, "devices"):
        return
    FLOW.devices = devices.listed()
    limit, sharing = told_resource("gpu"), max(1, told_resource("runs_per_gpu") or 1)
    lent = FLOW.devices if limit is None or sharing == 1 else FLOW.devices[:limit]
    os.environ[devices.DEVICES_VARIABLE] = ",".join(lent)
    os.environ[devices.SHARING_VARIABLE] = str(sharing)
    if FLOW.devices:
        count = len(FLOW.devices) if limit is None else min(limit, len(FLOW.devices))
        workflow.global_resources["gpu"] = Resource("gpu", count * sharing)


def cores_of(kind):
    """Resource function: processor cores, as a scheduler calls them: threads, and readers of what a GPU computes on."""

    def cores(wildcards, threads):
        return FLOW.cores(
            kind, wildcards.name, wildcards.key, threads, on_gpu=has_gpu(kind)
        )

    return cores


def experience():
    """What finished runs took, looked up once, and only where jobs are sent to a scheduler."""
    if not hasattr(FLOW, "experience"):
        asked = workflow.is_main_process and sends_jobs()
        FLOW.experience = (
            Experience.of_store(FLOW.study.store) if asked else Experience()
        )
    return FLOW.experience


def sends_jobs():
    """Whether jobs run elsewhere than here: a scheduler's machines."""
    plugin = workflow.executor_plugin
    return plugin is not None and not plugin.common_settings.local_exec


def has_gpu(kind):
    """Whether a job of a kind computes on a GPU, as far as rules and profile say: `--set-resources transfer:gpu=0`."""
    told = workflow.resource_settings.overwrite_resources.get(KINDS[kind].rule, {})
    gpu = told.get("gpu")
    gpu = getattr(gpu, "value", gpu)
    return bool(KINDS[kind].gpus if gpu is None else gpu)


def within(value, limit):
    """No more than the site's limit, which a profile tells as a resource of the whole workflow."""
    most = told_resource(limit)
    return value if most is None else min(value, most)


def told_resource(name):
    """A resource of the whole workflow, as the profile or `--resources` tells it; None if they don't."""
    told = workflow.global_resources.get(name)
    return getattr(told, "value", told)


def take_turns():
    """Runs that share one job of a scheduler (`group-components`) are carried out one after another.

    So the job asks for the memory and the device of one run, and for the time of all. Said in this process for what is
    submitted, and in the job's for what it does.
    """
    if sends_jobs() or not workflow.is_main_process:
        workflow.global_resources["turn"] = Resource("turn", 1)


TABLES_OF = {"score": "score_tables", "atdt_evaluation": "atdt_tables"}


def runs_of(*kinds):
    """Input function of tables: marks of the runs of some kinds that are not there."""

    def inputs(wildcards):
        runs = [run for kind in kinds for run in FLOW.plan.of_kind(kind)]
        name = TABLES_OF.get(kinds[0], "tables")
        lacking = wanted(runs, may_pull=not stamp(name).exists())
        return [whenever(mark_of(run)) for run in lacking]

    return inputs


def stamp(name):
    """The stamp of a table or figure, as a path."""
    return FLOW.shown.stamp(name)


def table(name):
    """Input function: one table."""

    def inputs(wildcards):
        return whenever(f"{FLOW.study.results}/tables/{name}.parquet")

    return inputs


def stamp_of(name):
    """Input function: the stamp of a table or figure."""

    def inputs(wildcards):
        return whenever(stamp(name))

    return inputs


def tables_and_stamp(made_by):
    """The tables of a rule with their stamp, if the study has them."""
    if made_by not in products.rules_of_tables(FLOW):
        return []
    return [*map(whenever, [*tables_of(made_by).values(), stamp(made_by)])]


def tables(wildcards):
    """Input function: the tables of transfers, if there are any, and the stamp that says which runs they show."""
    return tables_and_stamp("tables")


def figures(wildcards):
    """Input function: the figures of gains with their stamps."""
    return files_and_stamps(products.figures(FLOW))


def score_tables(wildcards):
    """Input function: tables and figures of scores with their stamps, if the study asks for scores."""
    figures = files_and_stamps(products.score_figures(FLOW))
    return tables_and_stamp("score_tables") + figures


def atdt_tables(wildcards):
    """Input function: tables, page and figures of AT/DT with their stamps, if the study asks for it."""
    found = tables_and_stamp("atdt_tables")
    if found:
        found.append(whenever(f"{FLOW.study.results}/tables/atdt.html"))
    return found + files_and_stamps(products.atdt_figures(FLOW))


def files_of_cards(suffix):
    """Files of the dataset cards, one for each prepared dataset."""
    names = facts.facts_of_cards(FLOW)
    return [f"{FLOW.study.results}/datasets/{name}.{suffix}" for name in names]


def cards(wildcards):
    """Input function: the dataset cards with their stamp, if the study has transfers."""
    if not FLOW.study.experiments:
        return []
    files = [*files_of_cards("json"), *files_of_cards("jpg"), *files_of_cards("md")]
    return list(map(whenever, [*files, stamp("dataset_cards")]))


def page(wildcards):
    """Input function: the report with its stamp, if the study has transfers."""
    if not FLOW.study.experiments:
        return []
    return list(map(whenever, [f"{FLOW.study.results}/report.html", stamp("report")]))


def files_and_stamps(figures):
    """Figures as PNG and SVG, with the stamps of the jobs that draw them."""
    files = [path for suffix in ("png", "svg") for path in pictures(figures, suffix)]
    return list(map(whenever, [*files, *map(stamp, dict.fromkeys(figures.values()))]))


def pictures(names, suffix):
    """Paths of figures."""
    return [f"{FLOW.study.results}/figures/{name}.{suffix}" for name in names]


def reported(names, caption, category):
    """Figures as PNG that the report shows, each labelled by its name."""

    def shown(name, path):
        told = {"figure": name.replace("_", " ")}
        caption_file = f"../report/{caption}.rst"
        return report(path, caption=caption_file, category=category, labels=told)

    return list(map(shown, names, pictures(names, "png")))


def by_target():
    """Names of the figures of every metric target by target, of one regime."""
    return [
        f"scores_{metric}_by_target_{{regime}}"
        for metric in products.metrics_by_target(FLOW)
    ]


def tables_of(rule):
    """Tables of a rule by name, as its outputs."""
    names = products.tables_by(FLOW, rule)
    return {name: f"{FLOW.study.results}/tables/{name}.parquet" for name in names}


def names_of_tables(wildcards):
    """Params function: all tables of the study by name."""
    return products.tables(FLOW)


def facts_of_tables(wildcards):
    """Params function of the tables."""
    return facts.facts_of_tables(FLOW)


def facts_of_cards(wildcards):
    """Params function of the dataset cards."""
    return facts.facts_of_cards(FLOW)


def facts_of_report(wildcards):
    """Params function of the report."""
    return facts.facts_of_report(FLOW)


def facts_of_score_tables(wildcards):
    """Params function of the tables of scores."""
    return facts.facts_of_score_tables(FLOW)


def facts_of_atdt_tables(wildcards):
    """Params function of the tables of AT/DT."""
    return facts.facts_of_atdt_tables(FLOW)


def facts_of_looks(wildcards):
    """Params function of the figures of how datasets look."""
    return facts.facts_of_looks(FLOW)


def facts_of_recommendation(wildcards):
    """Params function of a recommendation."""
    return facts.facts_of_recommendation(FLOW) | {"resources": str(ATLAS / "resources")}


def start_facts(wildcards):
    """Params function of a start: candidates, budget, domains."""
    return facts_of_start(FLOW)


def combination_facts(wildcards):
    """Params function of combined sources."""
    return facts_of_combination(FLOW)


def runs_of_combination(wildcards):
    """Marks of what is looked at before sources are combined and is not there."""
    return [ancient(mark_of(run)) for run in wanted(FLOW.combination.runs)]


def runs_of_recommendation(wildcards):
    """Marks of what a recommendation looks at and is not there."""
    return [ancient(mark_of(run)) for run in wanted(FLOW.recommendation.runs)]


def planned_table(wildcards):
    """The plan as text."""
    from transfer_atlas.planning.content_versions import absent_datasets
    from transfer_atlas.planning.doctor import brief
    from transfer_atlas.planning.estimates import (
        measured,
        plan_table,
        regime_table,
        unmeasured_backbones,
    )
    from transfer_atlas.running.probe import probed
    from transfer_atlas.sharing.other_versions import told_of_others

    cores = max(1, workflow.resource_settings.cores or 1)
    absent = brief(FLOW.study, absent_datasets(FLOW.plan))
    missing, store = FLOW.missing(FLOW.plan.runs), FLOW.study.store
    unknown = unmeasured_backbones(measured(store), missing)
    rates, device = probed(unknown) if unknown else ({}, "")
    tables = [
        plan_table(FLOW.plan, store, cores, rates, device),
        regime_table(FLOW.plan),
    ]
    others = told_of_others(missing, store)
    return "\n\n".join(filter(None, [*tables, "\n".join(others), absent]))


def told_of_datasets(wildcards):
    """Which raw datasets are there, and where the others come from, as text."""
    from transfer_atlas.planning.doctor import look, told

    try:
        return told(FLOW.study, look(FLOW.study))
    except AtlasError as error:
        stop(error)


def things_to_pull(wildcards):
    """What of the study is recorded, missing, and needed by what is asked for; as one dict of built-ins."""
    try:
        wants, _ = puller().what(Repository.around(Path.cwd()), leaves(FLOW.plan))
    except AtlasError as error:
        stop(error)
    return {
        "data": wants.data,
        "records": wants.records,
        "runs": wants.runs,
        "size": wants.size,
    }


def hand_over_versions():
    """What raw data are, looked up once, for jobs elsewhere that plan anew."""
    os.environ.pop(HANDED_VARIABLE, None)
    if sends_jobs():
        os.environ[HANDED_VARIABLE] = str(hand_over(FLOW, Path(MARKS)).resolve())


def tell_finished_runs():
    """One line for each finished run, in place of Snakemake's three, which go to its log. Not where jobs run on other
    machines: their lines are in their own logs, and here it is Snakemake's that tell.
    """
    os.environ.pop(tally.TALLY_VARIABLE, None)
    if not workflow.executor_plugin.common_settings.local_exec:
        return
    rules = {kind.rule: name for name, kind in KINDS.items()}
    jobs = [job for job in workflow.dag.needrun_jobs() if job.rule.name in rules]
    asked = [
        (rules[job.rule.name], job.wildcards.name, job.wildcards.key) for job in jobs
    ]
    path = tally.fresh_path(Path(MARKS))
    cores = max(1, workflow.resource_settings.cores or 1)
    tally.begin(path, FLOW.runs_of_jobs(asked), cores)
    os.environ[tally.TALLY_VARIABLE] = str(path)
    for handler in logging.getLogger("snakemake.logging").handlers:
        if handler.name == "DefaultStreamHandler":
            handler.addFilter(is_news)


def is_news(record):
    """Whether what Snakemake says tells more than our own lines do."""
    chatter = {LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.PROGRESS}
    event = getattr(record, "event", None)
    return event not in chatter and record.getMessage() != "Select jobs to execute..."


def start_warm_process():
    """Import once what the jobs of this machine need; a profile switches it off by `resources: [warm_process=0]`.

    Not where jobs run elsewhere, or in environments of their own, which it would bypass.
    """
    os.environ.pop(warm.SOCKET_VARIABLE, None)
    rules = {str(job.rule) for job in workflow.dag.needrun_jobs()}
    runners = [
        kind.runner for kind in KINDS.values() if kind.uses_torch and kind.rule in rules
    ]
    elsewhere = not workflow.executor_plugin.common_settings.local_exec
    switched_off = told_resource("warm_process") == 0
    if (
        not runners
        or elsewhere
        or switched_off
        or workflow.deployment_settings.deployment_method
    ):
        return
    address = warm.start(runners)
    if address is not None:
        os.environ[warm.SOCKET_VARIABLE] = address
