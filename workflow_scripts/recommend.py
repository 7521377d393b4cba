"""Rank sources for a target from their scores; print and save the ranking."""

from pathlib import Path
from statistics import median

from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.recommendation import as_text, recommendations_table, track_record
from transfer_atlas.analysis.tables.score_records import read_scores
from transfer_atlas.analysis.tables.scores import scores_table
from transfer_atlas.store.store import RUN_FILE, read_run

asked = snakemake.params.facts
records = read_scores(asked["scores"])
scores = scores_table(records)
evaluation = Path(asked["evaluation"])
known = track_record(read_table(evaluation) if evaluation.exists() else None)
table = recommendations_table(scores, known)
failed = {r["identity"]["source"]: r["reason"] for r in records if r["status"] == "source_failed"}
seconds = sum(read_run(Path(folder))["seconds"] for folder in asked["computed"])
# Fine-tuning is judged by this study's own transfers: those of others may have another backbone.
measured = [Path(folder) for folder in asked["transfers"] if (Path(folder) / RUN_FILE).exists()]
each = [record["seconds"] for record in map(read_run, measured) if record["status"] == "finished"]
candidates = {record["identity"]["source"] for record in records}
text = as_text(table, failed, seconds, median(each) * len(candidates) if each else None)
write_table(table, Path(asked["table"]), "recommendations")
Path(asked["table"]).with_suffix(".txt").write_text(text + "\n", encoding="utf-8")
Path(snakemake.log[0]).write_text(text + "\n", encoding="utf-8")
print(text, flush=True)
