# Scores without fine-tuning: image features of datasets, samples of targets, scores of pairs, their tables and figures.
# Only the rules of a study with a section `transferability` are ever asked for.


rule image_features:
    input:
        unpack(inputs_of_image_features),
    output:
        run=result_path("image_features", "run.json"),
        samples=result_path("image_features", "samples.safetensors"),
    log:
        "logs/image_features/{name}-{key}.log",
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        run=request_of_image_features,
    message:
        "image features {wildcards.name}"
    script:
        "../workflow_scripts/image_features.py"


rule features:
    input:
        unpack(inputs_of_features),
    output:
        run=result_path("features", "run.json"),
        samples=result_path("features", "samples.safetensors"),
    log:
        "logs/features/{name}-{key}.log",
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        run=request_of_features,
    message:
        "features {wildcards.name}"
    script:
        "../workflow_scripts/features.py"


rule score:
    input:
        unpack(inputs_of_score),
    output:
        run=result_path("score", "run.json"),
    log:
        "logs/scores/{name}-{key}.log",
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        run=request_of_score,
    message:
        "score {wildcards.name}"
    script:
        "../workflow_scripts/score.py"


rule score_tables:
    input:
        scores=run_files_of("score"),
        samples=results_of("image_features"),
        gains=ancient(f"{STUDY.results}/tables/gains.parquet"),
        tables=ancient(f"{STUDY.results}/.shows/tables-{TABLE_KEY}"),
    output:
        scores=f"{STUDY.results}/tables/scores.parquet",
        domain_distances=f"{STUDY.results}/tables/domain_distances.parquet",
        metric_evaluation=f"{STUDY.results}/tables/metric_evaluation.parquet",
        stamp=touch(f"{STUDY.results}/.shows/score_tables-{TABLE_KEY}"),
    log:
        f"logs/score_tables-{TABLE_KEY}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        study=folders_of_scores,
    message:
        "tables of scores of study {STUDY.study}"
    script:
        "../workflow_scripts/score_tables.py"


rule score_scatter:
    input:
        gains=ancient(f"{STUDY.results}/tables/gains.parquet"),
        scores=ancient(f"{STUDY.results}/tables/scores.parquet"),
        domain_distances=ancient(f"{STUDY.results}/tables/domain_distances.parquet"),
        tables=ancient(f"{STUDY.results}/.shows/score_tables-{TABLE_KEY}"),
    output:
        png=report(
            f"{STUDY.results}/figures/scores_{{regime}}.png",
            caption="../report/score_scatter.rst",
            category="Scores",
            labels={"regime": "{regime}"},
        ),
        svg=f"{STUDY.results}/figures/scores_{{regime}}.svg",
        stamp=touch(f"{STUDY.results}/.shows/scores_{{regime}}-{TABLE_KEY}"),
    log:
        f"logs/scores_{{regime}}-{TABLE_KEY}.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    message:
        "scores against gains, {wildcards.regime}"
    script:
        "../workflow_scripts/score_scatter.py"


rule recommend:
    input:
        scores=missing_of_recommendation,
    log:
        "logs/recommend.txt",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    params:
        recommendation=recommendation,
    message:
        "sources for the target"
    script:
        "../workflow_scripts/recommend.py"
