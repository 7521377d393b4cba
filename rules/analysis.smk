# Tables and figures of the study, and the plan as text.
# Their paths carry no key, for people's sake; a stamp that does says which runs they show.


rule tables:
    input:
        run_files_of("transfer"),
    output:
        runs=f"{STUDY.results}/tables/runs.parquet",
        transfers=f"{STUDY.results}/tables/transfers.parquet",
        seed_gains=f"{STUDY.results}/tables/seed_gains.parquet",
        gains=f"{STUDY.results}/tables/gains.parquet",
        effects=f"{STUDY.results}/tables/effects.parquet",
        best_effects=f"{STUDY.results}/tables/best_effects.parquet",
        best_sources=f"{STUDY.results}/tables/best_sources.parquet",
        page=report(
            f"{STUDY.results}/tables/tables.html",
            caption="../report/tables.rst",
            category="Tables",
        ),
        stamp=touch(f"{STUDY.results}/.shows/tables-{TABLE_KEY}"),
    log:
        f"logs/tables-{TABLE_KEY}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        study=folders_of_runs,
    message:
        "tables of study {STUDY.study}"
    script:
        "../workflow_scripts/tables.py"


rule gains_heat_map:
    input:
        gains=ancient(f"{STUDY.results}/tables/gains.parquet"),
        tables=ancient(f"{STUDY.results}/.shows/tables-{TABLE_KEY}"),
    output:
        png=report(
            f"{STUDY.results}/figures/gains_{{task_type}}_{{regime}}.png",
            caption="../report/gains_heat_map.rst",
            category="Gains",
            labels={"target task type": "{task_type}", "regime": "{regime}"},
        ),
        svg=f"{STUDY.results}/figures/gains_{{task_type}}_{{regime}}.svg",
        stamp=touch(
            f"{STUDY.results}/.shows/gains_{{task_type}}_{{regime}}-{TABLE_KEY}"
        ),
    log:
        f"logs/gains_{{task_type}}_{{regime}}-{TABLE_KEY}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "heat map of gains to {wildcards.task_type}, {wildcards.regime}"
    script:
        "../workflow_scripts/gains_heat_map.py"


rule effects_figure:
    input:
        gains=ancient(f"{STUDY.results}/tables/gains.parquet"),
        tables=ancient(f"{STUDY.results}/.shows/tables-{TABLE_KEY}"),
    output:
        png=report(
            f"{STUDY.results}/figures/effects_{{regime}}.png",
            caption="../report/effects.rst",
            category="Effects",
            labels={"regime": "{regime}"},
        ),
        svg=f"{STUDY.results}/figures/effects_{{regime}}.svg",
        stamp=touch(f"{STUDY.results}/.shows/effects_{{regime}}-{TABLE_KEY}"),
    log:
        f"logs/effects_{{regime}}-{TABLE_KEY}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "figure of effects, {wildcards.regime}"
    script:
        "../workflow_scripts/effects_figure.py"


rule plan:
    log:
        "logs/plan.txt",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    params:
        table=planned_table,
    message:
        "the plan of study {STUDY.study}"
    script:
        "../workflow_scripts/plan.py"
