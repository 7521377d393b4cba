# Prepared datasets: raw files (or the miniature generator) to Parquet shards.


# Carries out a run: the pattern of all rules that do. A new kind of run uses it as the others do.
rule prepare_dataset:
    """Read and validate a raw dataset, and write it as shards."""
    output:
        mark("prepared"),
    log:
        log_of("prepared"),
    priority: 2
    group:
        "prepare_dataset"
    conda:
        "../envs/datasets.yaml"
    threads: threads_of_prepared
    resources:
        mem_mb=memory_of("prepared"),
        runtime=minutes_of("prepared"),
        gpu=gpus_of("prepared"),
        cpus_per_task=cores_of("prepared"),
        turn=1,
    params:
        job=job_of("prepared"),
    message:
        "prepare {wildcards.name}"
    script:
        "../workflow_scripts/carry_out.py"


rule datasets:
    """Say which raw datasets are here, where the others are expected and come from."""
    log:
        "logs/datasets.txt",
    conda:
        "../envs/datasets.yaml"
    threads: 1
    params:
        text=told_of_datasets,
    message:
        f"raw datasets of study {FLOW.study.study}"
    script:
        "../workflow_scripts/datasets.py"


use rule prepare_dataset as take_part with:
    """A part of a prepared dataset: some of its classes, sampled images, or one class against all others."""
    input:
        parents_of("part"),
    output:
        mark("part"),
    log:
        log_of("part"),
    group:
        "take_part"
    threads: 1
    resources:
        mem_mb=memory_of("part"),
        runtime=minutes_of("part"),
        gpu=gpus_of("part"),
        cpus_per_task=cores_of("part"),
        turn=1,
    params:
        job=job_of("part"),
    message:
        "take {wildcards.name}"
