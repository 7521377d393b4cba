"""The runs that `snakemake start` may ask for: of every candidate a short trial, and the complete run at each rate."""

from __future__ import annotations

import re
from typing import Any

from transfer_atlas.errors import ConfigurationError
from transfer_atlas.planning.atdt_sources import KIND as KIND_OF_ATDT
from transfer_atlas.planning.atdt_sources import datasets_of
from transfer_atlas.planning.facts import transfer_of
from transfer_atlas.planning.recommendation import places_of
from transfer_atlas.planning.request import request
from transfer_atlas.planning.run import Run, with_ancestry
from transfer_atlas.planning.workflow import Workflow

TRIAL = 0.25  # share of a transfer's steps that a trial takes
_UNITS = {"s": 1, "min": 60, "h": 3600}


def seconds_of_budget(text: Any) -> float:
    """Seconds of a budget such as `30min`, `2h` or `90s`. Raises ConfigurationError for anything else, or for none."""
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", str(text))
    if match is None or float(match[1]) <= 0:
        raise ConfigurationError(
            f"budget is {text!r}; expected how long fine-tuning may take, such as budget=30min, 90s or 2h."
        )
    return float(match[1]) * _UNITS[match[2]]


def facts_of_start(flow: Workflow) -> dict[str, Any]:
    """What `snakemake start` carries out, as one dict of built-ins.

    candidates: by name, `before` (requests of all that its transfer builds on), `trial`, and by learning rate
    `complete` and
    `kept` (that model, for predictions). Candidates with a network of their own are compared by `recommend` only: their
    trials would need other settings than the study's.
    """
    asked = flow.recommendation
    assert asked is not None  # the rule is refused without a target
    candidates = {}
    for name in asked.candidates:
        transfer = transfer_of(flow, name)
        if transfer is not None:
            candidates[name] = _of_candidate(flow, transfer)
    return {
        "budget": seconds_of_budget(flow.budget),
        "candidates": candidates,
        "domains": {name: dataset.domain for name, dataset in sorted(flow.study.datasets.items())},
        "multi_sources": {name: places_of(flow.study, name) for name in sorted(flow.study.multi_sources)}
        | {
            name: [place.split("@")[0] for place in datasets_of(run)]
            for name, run in asked.candidates.items()
            if run.kind == KIND_OF_ATDT
        },
        "target": asked.target,
    }


def _of_candidate(flow: Workflow, transfer: Run) -> dict[str, Any]:
    assert flow.builder is not None
    store, scratch = flow.study.store, flow.study.scratch
    complete, kept = {}, {}
    for rate in transfer.settings["learning_rates"]:
        run = changed(transfer, learning_rates=[rate])
        complete[repr(rate)] = request(run, store, scratch)
        kept[repr(rate)] = request(flow.builder.target_model(run), store, scratch)
    training = transfer.settings["training"]
    short = training | {"steps": max(1, round(TRIAL * training["steps"]))}
    before = [run for run in with_ancestry([transfer]) if run.key != transfer.key]
    return {
        "before": [request(run, store, scratch) for run in before],
        "complete": complete,
        "kept": kept,
        "trial": request(changed(transfer, training=short), store, scratch),
    }


def changed(transfer: Run, **settings: Any) -> Run:
    """A transfer with other settings: a run of its own, as if a study had asked for it."""
    return Run(
        "transfer", transfer.name, transfer.settings | settings, transfer.code, parents=transfer.parents
    )
