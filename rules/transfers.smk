# Transfers: a source's backbone fine-tuned on a target, over the learning-rate grid.


rule transfer:
    input:
        unpack(inputs_of_transfer),
    output:
        **outputs_of_transfer(),
    log:
        "logs/transfers/{name}-{key}.log",
    conda:
        "../envs/training.yaml"
    threads: 1
    resources:
        mem_mb=memory_of_training,
        runtime=minutes_of_training,
    params:
        run=request_of_transfer,
    message:
        "transfer {wildcards.name}"
    script:
        "../workflow_scripts/transfer.py"
