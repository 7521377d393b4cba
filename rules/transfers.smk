# Transfers: a source's backbone fine-tuned on a target, over the learning-rate grid.


use rule prepare_dataset as transfer with:
    """A transfer: a source fine-tuned on a target, over the learning-rate grid."""
    input:
        parents_of("transfer"),
    output:
        mark("transfer"),
    log:
        log_of("transfer"),
    priority: 0
    group:
        "transfer"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("transfer"),
        runtime=minutes_of("transfer"),
        gpu=gpus_of("transfer"),
        cpus_per_task=cores_of("transfer"),
        turn=1,
    params:
        job=job_of("transfer"),
    message:
        "transfer {wildcards.name}"


use rule prepare_dataset as keep_target_model with:
    """The model of a transfer, where the study keeps it."""
    input:
        parents_of("target_model"),
    output:
        mark("target_model"),
    log:
        log_of("target_model"),
    priority: 0
    group:
        "keep_target_model"
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of("target_model"),
        runtime=minutes_of("target_model"),
        gpu=gpus_of("target_model"),
        cpus_per_task=cores_of("target_model"),
        turn=1,
    params:
        job=job_of("target_model"),
    message:
        "model of transfer {wildcards.name}"
