"""Trains the multi-sources that scores propose, and fine-tunes them and what they are held against on the target.

All of it are ordinary runs of the store: asked for again, they are there, and any study that names the same
multi-source shares them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.analysis.combination.proposals import Proposal
from transfer_atlas.planning.combination import of_some
from transfer_atlas.planning.request import request
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.transfers import transfer_from
from transfer_atlas.planning.travelling import unpacked
from transfer_atlas.store.store import RUN_FILE, read_run

ILSVRC = "ilsvrc"
Carry = Callable[[dict[str, Any], TextIO], Any]


def train_together(
    facts: Mapping[str, Any],
    scores: Mapping[str, Mapping[str, float | None]],
    proposals: Mapping[str, Proposal | None],
    terminal: TextIO,
    carry_out: Carry,
) -> list[dict[str, Any]]:
    """Every transfer that a proposal asks for, carried out.

    Parameters
    ----------
    facts
        As `planning/combination_facts.py` makes them.
    scores, proposals
        By target; targets whose proposal is None are left out.
    carry_out
        Carries out one request, which may be there already (`execute`).

    Returns
    -------
    Of each transfer `target`, `start` (`ilsvrc`, `single`, `proposed`, `lowest`), `seed`, `sources`, `mean_score`,
    `source_key`, and its `record`.
    """
    runs = unpacked(facts["runs"])
    found = []
    for target, proposal in proposals.items():
        if proposal is None:
            continue
        told, score = facts["targets"][target], scores[target]
        for start, (sources, source) in starts_of(proposal, told, runs).items():
            for seed, place in told["baselines"].items():
                baseline = runs[place]
                transfer = baseline if source is None else transfer_from(baseline, source)
                record = _carried(transfer, facts, terminal, carry_out)
                if record["status"] == "finished":
                    value = record["metrics"]["value"]
                    print(f"  {target} from {start}, seed {seed}: {value:.4g}", file=terminal, flush=True)
                known = [s for name in sources if (s := score[name]) is not None]
                found.append(
                    {
                        "target": target,
                        "start": start,
                        "seed": int(seed),
                        "sources": list(sources),
                        "mean_score": sum(known) / len(known) if known else None,
                        "source_key": None if source is None else source.key,
                        "record": record,
                    }
                )
    return found


def starts_of(
    proposal: Proposal, told: Mapping[str, Any], runs: Mapping[str, Run]
) -> dict[str, tuple[tuple[str, ...], Run | None]]:
    """What a proposal is fine-tuned from: by start the names of its sources, and their run; None for ILSVRC.

    told: of the target, as `facts_of_combination` has it.
    """
    found: dict[str, tuple[tuple[str, ...], Run | None]] = {
        ILSVRC: ((), None),
        "single": ((proposal.single,), runs[told["sources"][proposal.single]]),
    }
    whole = runs[told["wholes"][proposal.task_type]]
    found["proposed"] = (proposal.proposed, of_some(whole, proposal.proposed))
    if proposal.lowest:
        found["lowest"] = (proposal.lowest, of_some(whole, proposal.lowest))
    return found


def _carried(run: Run, facts: Mapping[str, Any], terminal: TextIO, carry_out: Carry) -> dict[str, Any]:
    """The record of a run, after whatever it builds on that is missing, and itself, were carried out."""
    store, scratch = Path(facts["store"]), Path(facts["scratch"])
    places = {name: None if path is None else Path(path) for name, path in facts["places"].items()}

    def needed(each: Run) -> list[Run]:
        if (each.folder(store) / RUN_FILE).exists():
            return []
        return [*(p for parent in each.parents.values() for p in needed(parent)), each]

    done: set[str] = set()
    for each in needed(run):
        if each.key not in done:
            done.add(each.key)
            carry_out(request(each, store, scratch, places), terminal)
    return read_run(run.folder(store))
