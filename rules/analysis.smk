# Tables and figures of the study, and the plan as text.
# Their paths carry no key, for people's sake; a stamp that does says which runs they show.


rule tables:
    """The result tables of the transfers."""
    input:
        runs_of("transfer"),
    output:
        **tables_of("tables"),
        stamp=str(stamp("tables")),
    log:
        f"logs/tables-{FLOW.key}.log",
    group:
        "tables"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        turn=1,
    params:
        facts=facts_of_tables,
        store=str(FLOW.study.store),
    message:
        f"tables of study {FLOW.study.study}"
    script:
        "../workflow_scripts/tables.py"


rule gains_heat_map:
    """Heat maps of gains and of absolute metrics, for a task type and a regime."""
    input:
        gains=table("gains"),
        tables=stamp_of("tables"),
    output:
        png=report(
            f"{FLOW.study.results}/figures/gains_{{task_type}}_{{regime}}.png",
            caption="../report/gains_heat_map.rst",
            category="Gains",
            labels={"target task type": "{task_type}", "regime": "{regime}"},
        ),
        svg=f"{FLOW.study.results}/figures/gains_{{task_type}}_{{regime}}.svg",
        absolute_png=report(
            f"{FLOW.study.results}/figures/absolute_{{task_type}}_{{regime}}.png",
            caption="../report/absolute_metrics.rst",
            category="Absolute metrics",
            labels={"target task type": "{task_type}", "regime": "{regime}"},
        ),
        absolute_svg=f"{FLOW.study.results}/figures/absolute_{{task_type}}_{{regime}}.svg",
        stamp=str(stamp("gains_{task_type}_{regime}")),
    log:
        f"logs/gains_{{task_type}}_{{regime}}-{FLOW.key}.log",
    group:
        "tables"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        turn=1,
    message:
        "heat maps of gains and absolute metrics of {wildcards.task_type}, {wildcards.regime}"
    script:
        "../workflow_scripts/gains_heat_map.py"


rule effects_figure:
    """Shares of effects as a figure, for a regime."""
    input:
        gains=table("gains"),
        tables=stamp_of("tables"),
    output:
        png=report(
            f"{FLOW.study.results}/figures/effects_{{regime}}.png",
            caption="../report/effects.rst",
            category="Effects",
            labels={"regime": "{regime}"},
        ),
        svg=f"{FLOW.study.results}/figures/effects_{{regime}}.svg",
        stamp=str(stamp("effects_{regime}")),
    log:
        f"logs/effects_{{regime}}-{FLOW.key}.log",
    group:
        "tables"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
        turn=1,
    message:
        "figure of effects, {wildcards.regime}"
    script:
        "../workflow_scripts/effects_figure.py"


# The card of every dataset: facts, a picture, a page. What is not prepared here is said there.
rule dataset_cards:
    """A card for every dataset: facts, a picture, a page."""
    input:
        tables=stamp_of("tables"),
    output:
        facts=files_of_cards("json"),
        sheets=files_of_cards("jpg"),
        pages=files_of_cards("md"),
        stamp=str(stamp("dataset_cards")),
    log:
        f"logs/dataset_cards-{FLOW.key}.log",
    group:
        "tables"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
        turn=1,
    params:
        cards=facts_of_cards,
    message:
        "dataset cards"
    script:
        "../workflow_scripts/dataset_cards.py"


# One page that holds all of it: answers, gains, targets, datasets, metrics, findings, figures.
rule report:
    """The report, <results>/report.html: answers, gains, targets, datasets, metrics, findings."""
    input:
        tables=tables,
        figures=figures,
        scores=score_tables,
        cards=cards,
        atdt=atdt_tables,
    output:
        page=report(
            f"{FLOW.study.results}/report.html",
            caption="../report/page.rst",
            category="Report",
        ),
        stamp=str(stamp("report")),
    log:
        f"logs/report-{FLOW.key}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        facts=facts_of_report,
        published=str(ATLAS / "resources/published"),
        tables=names_of_tables,
    message:
        f"report of study {FLOW.study.study}: {FLOW.study.results}/report.html"
    script:
        "../workflow_scripts/report.py"


rule plan:
    """Say what would be computed, how long it would take, and which raw datasets are missing; trains nothing."""
    log:
        "logs/plan.txt",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    params:
        table=planned_table,
    message:
        f"the plan of study {FLOW.study.study}"
    script:
        "../workflow_scripts/plan.py"
