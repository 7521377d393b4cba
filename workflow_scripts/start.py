"""From a target to a model within a budget: recommend, try, complete, keep the best; print and save what came of it."""

from dataclasses import asdict
from pathlib import Path

from transfer_atlas.analysis.recommendation.measured import measured_as_text, measured_gains
from transfer_atlas.analysis.recommendation.written import write_recommendation
from transfer_atlas.analysis.tables.files import write_table
from transfer_atlas.running.execute import execute
from transfer_atlas.running.jobs import log_to
from transfer_atlas.running.start import start
from transfer_atlas.store.files import write_json
from transfer_atlas.training.device import use_threads

terminal = log_to(snakemake.log[0])
use_threads(snakemake.threads)
facts, asked = snakemake.params.facts, snakemake.params.start
predicted, found = write_recommendation(facts)
print(predicted, file=terminal, flush=True)
started = start(asked, list(found.ranked["source"]), terminal, execute)
folders = {name: each.folder for name, each in started.tried.items() if each.complete is not None}
gains = measured_gains(asked, folders)
tried = {name: asdict(each) for name, each in started.tried.items()}
facts_of_it = {
    "best": started.best,
    "kept": started.kept,
    "seconds": started.seconds,
    "budget": asked["budget"],
}
text = measured_as_text(tried, gains, found, facts_of_it)
path = Path(facts["table"]).parents[1] / "starts" / Path(facts["table"]).name
write_table(gains, path, "gains")
path.with_suffix(".txt").write_text(f"{predicted}\n\n{text}\n", encoding="utf-8")
write_json(path.with_suffix(".json"), facts_of_it | {"tried": list(tried.values())})
print(f"\n{text}", file=terminal, flush=True)
