"""From records of transfers to the table `subtask_transfers`: transfers between binary tasks, with their relations."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from transfer_atlas.analysis.subtasks.relations import Subtasks
from transfer_atlas.analysis.subtasks.schema import SUBTASK_TRANSFERS
from transfer_atlas.analysis.tables.dice import dice_of_class
from transfer_atlas.analysis.tables.transfers import PLAIN, frame_of
from transfer_atlas.study.task import BASELINES, Task, is_multi, start_name, task_of

FOREGROUND = "foreground"  # the class of a binary task that is looked for


def subtask_transfers_table(
    records: Iterable[Mapping[str, Any]], subtasks: Subtasks, members: Mapping[str, Sequence[str]]
) -> pd.DataFrame:
    """The table of plain transfers between binary tasks, failed ones included.

    records: of runs, as `read_records` gives them; members: places of each multi-source's tasks.
    """
    transfers = [
        record
        for record in records
        if record["kind"] == "transfer" and record["identity"].get("method", PLAIN) == PLAIN
    ]
    baselines = _baselines(transfers)
    rows = []
    for record in transfers:
        identity = record["identity"]
        places, target = places_of(identity["source"], members), Task.parse(identity["target"]).place
        relation = subtasks.relation(places, target)
        if relation is None:
            continue
        one = subtasks.tasks[places[0]] if len(places) == 1 else None
        asked = subtasks.tasks[target]
        rows.append(
            {name: identity[name] for name in ("source", "target", "regime", "seed")}
            | {name: record.get(name) for name in ("status", "reason", "key")}
            | {
                "source_classes": one and one.name,
                "target_classes": asked.name,
                "source_modality": one and one.modality,
                "target_modality": asked.modality,
                "source_tasks": len(places),
                "inputs": relation.inputs,
                "classes": relation.classes,
                "related": relation.related,
                "dice": dice_of_class(record, FOREGROUND),
                "baseline_dice": baselines.get(_asked(identity), math.nan),
            }
        )
    return frame_of(SUBTASK_TRANSFERS, rows)


def places_of(source: str, members: Mapping[str, Sequence[str]]) -> list[str]:
    """Places of the tasks that a source was trained on; none of baselines and pretrained models."""
    start = start_name(source)
    if is_multi(start):
        return list(members.get(start, ()))
    task = task_of(start)
    return [] if task is None else [task.place]


def _asked(identity: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(identity[name] for name in ("target", "regime", "seed"))


def _baselines(transfers: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], float]:
    """Dice without a source, by target, regime and seed."""
    found: dict[tuple[Any, ...], float] = {}
    known = {(record["identity"]["source"], *_asked(record["identity"])): record for record in transfers}
    for baseline in BASELINES:  # the first that there is counts
        for (source, *asked), record in known.items():
            if source == baseline and math.isfinite(dice_of_class(record, FOREGROUND)):
                found.setdefault(tuple(asked), dice_of_class(record, FOREGROUND))
    return found
