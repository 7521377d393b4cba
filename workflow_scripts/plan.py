"""Print the plan: layer, runs, present, missing, estimated time."""

print(snakemake.params.table, flush=True)
