# Prepared datasets: raw files (or the miniature generator) to Parquet shards.


def threads_of_prepared(wildcards):
    """Processes that write shards: generated images are drawn in one, raw files are read in several."""
    run = FLOW.run("prepared", wildcards.name, wildcards.key)
    return 1 if run.settings["adapter"]["name"] == "miniature" else 4


# Carries out a run: the pattern of all rules that do. A new kind of run uses it as the others do.
rule prepare_dataset:
    output:
        mark("prepared"),
    log:
        log_of("prepared"),
    priority: 2
    conda:
        "../envs/datasets.yaml"
    threads: threads_of_prepared
    resources:
        mem_mb=memory_of("prepared"),
        runtime=minutes_of("prepared"),
    params:
        job=job_of("prepared"),
    message:
        "prepare {wildcards.name}"
    script:
        "../workflow_scripts/carry_out.py"
