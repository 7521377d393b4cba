# Scores without fine-tuning: image features of datasets, samples of targets, scores of pairs, their tables and figures.
# Only the rules of a study with a section `transferability` are ever asked for.


use rule prepare_dataset as image_features with:
    """Pooled features of a dataset's images, for domain distances."""
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


use rule prepare_dataset as features with:
    """Samples of a task's images as a source sees them."""
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


use rule prepare_dataset as score with:
    """Scores of a source and a target by transferability metrics."""
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
    """The tables of scores, domain distances, and how well the metrics predict."""
    input:
        scores=runs_of("score"),
        samples=results_of("image_features"),
        gains=table("gains"),
        subtask_transfers=table("subtask_transfers"),
        per_class=table("per_class"),
        tables=stamp_of("tables"),
    output:
        **tables_of("score_tables"),
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
    """Scores against gains as figures, for a regime."""
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
    """Figures of how datasets look: their distances, and where their images lie to each other."""
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
    """Say what to start from for a target, without training: --configfile STUDY --config target=TASK."""
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


rule start:
    """Fine-tune the most promising candidates within a budget: --config target=TASK budget=30min."""
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


rule combine:
    """Fuse several sources, train those together that scores propose: --config targets=TASK,TASK."""
    input:
        scores=runs_of_combination,
    log:
        "logs/combine.txt",
    conda:
        "../envs/training.yaml"
    threads: 1
    params:
        facts=combination_facts,
    message:
        "several sources for the targets"
    script:
        "../workflow_scripts/combine.py"
