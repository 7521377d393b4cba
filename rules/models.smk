# The ILSVRC checkpoint, and sources fine-tuned from it.


rule ilsvrc_checkpoint:
    input:
        unpack(inputs_of_ilsvrc),
    output:
        run=result_path("ilsvrc", "run.json"),
        model=result_path("ilsvrc", "model.safetensors"),
    log:
        "logs/ilsvrc/{name}-{key}.log",
    priority: 3
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        run=request_of_ilsvrc,
    message:
        "ILSVRC checkpoint for {wildcards.name}"
    script:
        "../workflow_scripts/ilsvrc_checkpoint.py"


rule train_source:
    input:
        unpack(inputs_of_source),
    output:
        run=result_path("source", "run.json"),
        model=result_path("source", "model.safetensors"),
    log:
        "logs/sources/{name}-{key}.log",
    priority: 1
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        run=request_of_source,
    message:
        "source {wildcards.name}"
    script:
        "../workflow_scripts/train_source.py"
