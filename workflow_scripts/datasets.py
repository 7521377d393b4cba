"""Print which raw datasets of the study are there, and where the others come from."""

from pathlib import Path

Path(snakemake.log[0]).write_text(snakemake.params.text + "\n", encoding="utf-8")
print(snakemake.params.text, flush=True)
