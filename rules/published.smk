# The same analysis on the numbers that papers print: snakemake published.


rule published:
    """The same analysis on the numbers that the papers print, into results/published."""
    output:
        tables=[
            f"{published.RESULTS}/tables/{name}.parquet" for name in published.TABLES
        ],
        png=[f"{published.RESULTS}/figures/{name}.png" for name in published.FIGURES],
        svg=[f"{published.RESULTS}/figures/{name}.svg" for name in published.FIGURES],
        stamp=str(published.published_stamp(ATLAS / "resources/published")),
    log:
        "logs/published.log",
    conda:
        "../envs/analysis.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        folder=str(ATLAS / "resources/published"),
    message:
        "tables, figures and findings of the numbers that papers print"
    script:
        "../workflow_scripts/published.py"
