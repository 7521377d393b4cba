# Scores without fine-tuning: image features of datasets, samples of targets, scores of pairs, their tables and figures.
# Only the rules of a study with a section `transferability` are ever asked for.


# Pooled features of the images of a dataset, for domain distances.
use rule prepare_dataset as image_features with:
    input:
        parents_of("image_features"),
    output:
        mark("image_features"),
    log:
        log_of("image_features"),
    priority: 0
    group:
        "image_features"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("image_features"),
        runtime=minutes_of("image_features"),
        gpu=gpus_of("image_features"),
        cpus_per_task=cores_of("image_features"),
        turn=1,
    params:
        job=job_of("image_features"),
    message:
        "image features {wildcards.name}"


# Samples of a task's images as a source sees them.
use rule prepare_dataset as features with:
    input:
        parents_of("features"),
    output:
        mark("features"),
    log:
        log_of("features"),
    priority: 0
    group:
        "features"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("features"),
        runtime=minutes_of("features"),
        gpu=gpus_of("features"),
        cpus_per_task=cores_of("features"),
        turn=1,
    params:
        job=job_of("features"),
    message:
        "features {wildcards.name}"


# Scores of a pair: one job computes all that are missing.
use rule prepare_dataset as score with:
    input:
        parents_of("score"),
    output:
        mark("score"),
    log:
        log_of("score"),
    priority: 0
    group:
        "score"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("score"),
        runtime=minutes_of("score"),
        gpu=gpus_of("score"),
        cpus_per_task=cores_of("score"),
        turn=1,
    params:
        job=job_of("score"),
    message:
        "scores of {wildcards.name} and what else is missing of the pair"


rule score_tables:
    input:
        scores=runs_of("score"),
        samples=results_of("image_features"),
        gains=table("gains"),
        tables=stamp_of("tables"),
    output:
        **tables_of("score_tables", products.SCORE_TABLES),
        stamp=str(stamp("score_tables")),
    log:
        f"logs/score_tables-{FLOW.key}.log",
    group:
        "tables"
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
        turn=1,
    params:
        facts=facts_of_score_tables,
        store=str(FLOW.study.store),
    message:
        f"tables of scores of study {FLOW.study.study}"
    script:
        "../workflow_scripts/score_tables.py"


rule score_scatter:
    input:
        gains=table("gains"),
        scores=table("scores"),
        domain_distances=table("domain_distances"),
        tables=stamp_of("score_tables"),
    output:
        png=report(
            f"{FLOW.study.results}/figures/scores_{{regime}}.png",
            caption="../report/score_scatter.rst",
            category="Scores",
            labels={"regime": "{regime}"},
        ),
        svg=f"{FLOW.study.results}/figures/scores_{{regime}}.svg",
        by_target_png=reported(by_target(), "scores_by_target", "Scores by target"),
        by_target_svg=pictures(by_target(), "svg"),
        stamp=str(stamp("scores_{regime}")),
    log:
        f"logs/scores_{{regime}}-{FLOW.key}.log",
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
        metrics=products.metrics_by_target(FLOW),
    message:
        "scores against gains, {wildcards.regime}"
    script:
        "../workflow_scripts/score_scatter.py"


rule look_figures:
    input:
        samples=results_of("image_features"),
        domain_distances=table("domain_distances"),
        tables=stamp_of("score_tables"),
    output:
        png=reported(products.look_figures(FLOW), "looks", "Look of the datasets"),
        svg=pictures(products.look_figures(FLOW), "svg"),
        stamp=str(stamp("appearance")),
    log:
        f"logs/appearance-{FLOW.key}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        facts=facts_of_looks,
        store=str(FLOW.study.store),
    message:
        "how the datasets look"
    script:
        "../workflow_scripts/look_figures.py"


rule recommend:
    input:
        scores=runs_of_recommendation,
    log:
        "logs/recommend.txt",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    params:
        facts=facts_of_recommendation,
    message:
        "sources for the target"
    script:
        "../workflow_scripts/recommend.py"


# From a target to a model, within a budget of time.
rule start:
    input:
        scores=runs_of_recommendation,
    log:
        "logs/start.txt",
    conda:
        "../envs/training.yaml"
    threads: 1
    params:
        facts=facts_of_recommendation,
        start=start_facts,
    message:
        "a start for the target, within the budget"
    script:
        "../workflow_scripts/start.py"
