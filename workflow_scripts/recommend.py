"""Say what a target should be started from; print and save the answer, its table and its picture."""

from pathlib import Path

from transfer_atlas.analysis.recommendation.written import write_recommendation

text, _ = write_recommendation(snakemake.params.facts)
Path(snakemake.log[0]).write_text(text + "\n", encoding="utf-8")
print(text, flush=True)
