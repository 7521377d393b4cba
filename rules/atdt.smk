# Learning across tasks and domains: translated images, task and transfer networks, evaluations, tables, figures.
# Only the rules of a study with a section `atdt` are ever asked for.


use rule prepare_dataset as atdt_translator with:
    """AT/DT: CycleGAN between two domains."""
    input:
        parents_of("atdt_translator"),
    output:
        mark("atdt_translator"),
    log:
        log_of("atdt_translator"),
    priority: 1
    group:
        "atdt_translator"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("atdt_translator"),
        runtime=minutes_of("atdt_translator"),
        gpu=gpus_of("atdt_translator"),
        cpus_per_task=cores_of("atdt_translator"),
        turn=1,
    params:
        job=job_of("atdt_translator"),
    message:
        "translator {wildcards.name}"


use rule prepare_dataset as atdt_translated with:
    """AT/DT: a dataset in another domain's style, its annotation as it was."""
    input:
        parents_of("atdt_translated"),
    output:
        mark("atdt_translated"),
    log:
        log_of("atdt_translated"),
    priority: 1
    group:
        "atdt_translated"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("atdt_translated"),
        runtime=minutes_of("atdt_translated"),
        gpu=gpus_of("atdt_translated"),
        cpus_per_task=cores_of("atdt_translated"),
        turn=1,
    params:
        job=job_of("atdt_translated"),
    message:
        "translated dataset {wildcards.name}"


use rule prepare_dataset as atdt_network with:
    """AT/DT: a task network on one domain or several (N1, N2 or the oracle)."""
    input:
        parents_of("atdt_network"),
    output:
        mark("atdt_network"),
    log:
        log_of("atdt_network"),
    priority: 1
    group:
        "atdt_network"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("atdt_network"),
        runtime=minutes_of("atdt_network"),
        gpu=gpus_of("atdt_network"),
        cpus_per_task=cores_of("atdt_network"),
        turn=1,
    params:
        job=job_of("atdt_network"),
    message:
        "AT/DT network {wildcards.name}"


use rule prepare_dataset as atdt_source with:
    """AT/DT: the encoder of a task network as a source that `recommend` can rank."""
    input:
        parents_of("atdt_source"),
    output:
        mark("atdt_source"),
    log:
        log_of("atdt_source"),
    priority: 0
    group:
        "atdt_source"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("atdt_source"),
        runtime=minutes_of("atdt_source"),
        gpu=gpus_of("atdt_source"),
        cpus_per_task=cores_of("atdt_source"),
        turn=1,
    params:
        job=job_of("atdt_source"),
    message:
        "AT/DT network as a source {wildcards.name}"


use rule prepare_dataset as atdt_transfer_network with:
    """AT/DT: the transfer network G, from features of task 1 to those of task 2."""
    input:
        parents_of("atdt_transfer_network"),
    output:
        mark("atdt_transfer_network"),
    log:
        log_of("atdt_transfer_network"),
    priority: 0
    group:
        "atdt_transfer_network"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("atdt_transfer_network"),
        runtime=minutes_of("atdt_transfer_network"),
        gpu=gpus_of("atdt_transfer_network"),
        cpus_per_task=cores_of("atdt_transfer_network"),
        turn=1,
    params:
        job=job_of("atdt_transfer_network"),
    message:
        "AT/DT transfer network {wildcards.name}"


use rule prepare_dataset as atdt_evaluation with:
    """AT/DT: what a network, or N1, G and N2 together, say of a domain."""
    input:
        parents_of("atdt_evaluation"),
    output:
        mark("atdt_evaluation"),
    log:
        log_of("atdt_evaluation"),
    priority: 0
    group:
        "atdt_evaluation"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("atdt_evaluation"),
        runtime=minutes_of("atdt_evaluation"),
        gpu=gpus_of("atdt_evaluation"),
        cpus_per_task=cores_of("atdt_evaluation"),
        turn=1,
    params:
        job=job_of("atdt_evaluation"),
    message:
        "AT/DT evaluation {wildcards.name}"


rule atdt_tables:
    """AT/DT: its tables and page."""
    input:
        evaluations=runs_of("atdt_evaluation"),
    output:
        **tables_of("atdt_tables"),
        page=report(
            f"{FLOW.study.results}/tables/atdt.html",
            caption="../report/atdt.rst",
            category="AT/DT",
        ),
        stamp=str(stamp("atdt_tables")),
    log:
        f"logs/atdt_tables-{FLOW.key}.log",
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
        facts=facts_of_atdt_tables,
        store=str(FLOW.study.store),
    message:
        f"tables of AT/DT of study {FLOW.study.study}"
    script:
        "../workflow_scripts/atdt_tables.py"


rule atdt_figure:
    """AT/DT: one of its figures."""
    input:
        atdt_results=table("atdt_results"),
        tables=stamp_of("atdt_tables"),
    output:
        png=report(
            f"{FLOW.study.results}/figures/{{figure}}.png",
            caption="../report/atdt_figure.rst",
            category="AT/DT",
            labels={"figure": "{figure}"},
        ),
        svg=f"{FLOW.study.results}/figures/{{figure}}.svg",
        stamp=str(stamp("{figure}")),
    log:
        f"logs/{{figure}}-{FLOW.key}.log",
    wildcard_constraints:
        figure="atdt_features|atdt_panels|atdt_levels",
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
        facts=facts_of_atdt_tables,
    message:
        "{wildcards.figure}"
    script:
        "../workflow_scripts/atdt_figure.py"
