# Prepared datasets: raw files (or the miniature generator) to Parquet shards.


def threads_of_prepared(wildcards):
    """Processes that write shards: generated images are drawn in one, raw files are read in several."""
    adapter = request_of_prepared(wildcards)["settings"]["adapter"]["name"]
    return 1 if adapter == "miniature" else 4


rule prepare_dataset:
    output:
        run=result_path("prepared", "run.json"),
        description=result_path("prepared", "dataset.json"),
    log:
        "logs/prepared/{name}-{key}.log",
    priority: 2
    conda:
        "../envs/datasets.yaml"
    threads: threads_of_prepared
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        run=request_of_prepared,
    message:
        "prepare {wildcards.name}"
    script:
        "../workflow_scripts/prepare_dataset.py"
