"""Fuse the features of several sources, train those together that scores propose; print and save what came of it."""

from pathlib import Path

from transfer_atlas.analysis.combination.written import fused_and_proposed, write_combination
from transfer_atlas.running.combine import train_together
from transfer_atlas.running.execute import execute
from transfer_atlas.running.jobs import log_to
from transfer_atlas.training.device import use_threads

terminal = log_to(snakemake.log[0])
use_threads(snakemake.threads)
facts = snakemake.params.facts
found = fused_and_proposed(facts)
trained = train_together(facts, found.scores, found.proposals, terminal, execute)
print(write_combination(facts, found, trained), file=terminal, flush=True)
Path(facts["report"]).unlink(
    missing_ok=True
)  # its stamp: the report shows combinations, so it is to be made anew
