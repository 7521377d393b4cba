# The ILSVRC checkpoint, and sources fine-tuned from it.


use rule prepare_dataset as ilsvrc_checkpoint with:
    """The ILSVRC checkpoint, taken from its origin or trained."""
    input:
        parents_of("ilsvrc"),
    output:
        mark("ilsvrc"),
    log:
        log_of("ilsvrc"),
    priority: 3
    group:
        "ilsvrc_checkpoint"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("ilsvrc"),
        runtime=minutes_of("ilsvrc"),
        gpu=gpus_of("ilsvrc"),
        cpus_per_task=cores_of("ilsvrc"),
        turn=1,
    params:
        job=job_of("ilsvrc"),
    message:
        "ILSVRC checkpoint {wildcards.name}"


use rule prepare_dataset as train_source with:
    """A source: the ILSVRC checkpoint fine-tuned on a source task."""
    input:
        parents_of("source"),
    output:
        mark("source"),
    log:
        log_of("source"),
    priority: 1
    group:
        "train_source"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("source"),
        runtime=minutes_of("source"),
        gpu=gpus_of("source"),
        cpus_per_task=cores_of("source"),
        turn=1,
    params:
        job=job_of("source"),
    message:
        "source {wildcards.name}"
