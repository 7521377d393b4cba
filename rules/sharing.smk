# Pulling what DVC has recorded, as a target of its own; `pull: true` in a study does it before computing.


rule pull:
    """Pull with DVC what of the study is recorded and missing."""
    log:
        "logs/pull.txt",
    conda:
        "../envs/sharing.yaml"
    threads: 1
    resources:
        dvc=1,
    params:
        wanted=things_to_pull,
    message:
        f"pull what is recorded of study {FLOW.study.study}"
    script:
        "../workflow_scripts/pull.py"
