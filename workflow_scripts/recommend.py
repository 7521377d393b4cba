"""Rank sources for a target from their scores; print and save the ranking."""

import json
from pathlib import Path
from statistics import median

from transfer_atlas.analysis.tables.files import read_table, write_table
from transfer_atlas.analysis.tables.recommendation import as_text, recommendations_table, track_record
from transfer_atlas.analysis.tables.score_records import read_scores
from transfer_atlas.analysis.tables.scores import scores_table

asked = snakemake.params.recommendation
records = read_scores(asked["scores"])
scores = scores_table(records)
evaluation = Path(asked["evaluation"])
known = track_record(read_table(evaluation) if evaluation.exists() else None)
table = recommendations_table(scores, known)
failed = {r["identity"]["source"]: r["reason"] for r in records if r["status"] != "finished"}
seconds = sum(json.loads(Path(path).read_text(encoding="utf-8"))["seconds"] for path in asked["computed"])
measured = [
    json.loads(path.read_text(encoding="utf-8")) for path in Path(asked["transfers"]).glob("*/*/run.json")
]
each = [record["seconds"] for record in measured if record["status"] == "finished"]
text = as_text(table, failed, seconds, median(each) * len(records) if each else None)
write_table(table, Path(asked["table"]), "recommendations")
Path(asked["table"]).with_suffix(".txt").write_text(text + "\n", encoding="utf-8")
Path(snakemake.log[0]).write_text(text + "\n", encoding="utf-8")
print(text, flush=True)
