"""Print the plan: layer, runs, present, missing, estimated time."""

from pathlib import Path

Path(snakemake.log[0]).write_text(snakemake.params.table + "\n", encoding="utf-8")
print(snakemake.params.table, flush=True)
