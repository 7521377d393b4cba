"""Fuse the features of several sources, train those together that scores propose; print and save what came of it."""

from functools import partial
from pathlib import Path

from transfer_atlas.analysis.combination.written import fused_and_proposed, write_combination
from transfer_atlas.running.combine import train_together
from transfer_atlas.running.execute import execute
from transfer_atlas.running.jobs import log_to
from transfer_atlas.training.device import use_threads

terminal = log_to(snakemake.log[0])
use_threads(snakemake.threads)
facts = snakemake.params.facts
found = fused_and_proposed(facts, partial(print, file=terminal, flush=True))
trained = train_together(facts, found.scores, found.proposals, terminal, execute)
print(write_combination(facts, found, trained), file=terminal, flush=True)
# The report shows combinations: without its stamp it is made anew.
Path(facts["report"]).unlink(missing_ok=True)
