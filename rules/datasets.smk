# Prepared datasets: raw files (or the miniature generator) to Parquet shards.


rule prepare_dataset:
    output:
        run=result_path("prepared", "run.json"),
        description=result_path("prepared", "dataset.json"),
    log:
        "logs/prepared/{name}-{key}.log",
    priority: 2
    conda:
        "../envs/datasets.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        run=request_of_prepared,
    message:
        "prepare {wildcards.name}"
    script:
        "../workflow_scripts/prepare_dataset.py"
