"""Records of finished runs as the tables take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.store.checked import read_formed
from transfer_atlas.store.store import RUN_FILE
from transfer_atlas.study.task import Task, task_of


def read_records(
    transfers: Iterable[tuple[Mapping[str, Any], str]], others: Mapping[str, Iterable[str]]
) -> list[dict[str, Any]]:
    """run.json of every run, with the identity that the study's plan gives it; of other kinds, {}.

    transfers: identity and folder of each, which must be there; others: folders by kind, which may be elsewhere: a
    transfer can be had without its parents (pulled, say), and then the tables do without them.
    Raises StoreError for a missing transfer or a damaged record.
    """
    records = [
        read_formed(Path(folder)) | {"identity": {}}
        for folders in others.values()
        for folder in folders
        if (Path(folder) / RUN_FILE).exists()
    ]
    return records + [
        read_formed(Path(folder)) | {"identity": dict(identity)} for identity, folder in transfers
    ]


def dataset_facts(
    records: Iterable[Mapping[str, Any]],
    domains: Mapping[str, str],
    multi_sources: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, dict[str, Any]]:
    """Domain and number of training images by dataset, and by task for sources, from what the runs state.

    multi_sources: the datasets of each multi-source by its name, whose entry has `domains` instead.
    """
    facts: dict[str, dict[str, Any]] = {name: {"domain": d, "n_train": None} for name, d in domains.items()}
    for name, datasets in (multi_sources or {}).items():
        facts[name] = {
            "domains": sorted({domains[place.split("@")[0]] for place in datasets}),
            "n_train": None,
        }
    for record in records:
        identity, metrics = record["identity"], record["metrics"] or {}
        if record["kind"] == "prepared":
            facts.setdefault(_place(record), {"domain": domains.get(_dataset(record))})["n_train"] = metrics[
                "counts"
            ]["train"]
        elif record["kind"] == "transfer" and metrics:
            target = Task.parse(identity["target"])
            facts.setdefault(target.place, {"domain": domains[target.dataset]})
            facts[target.place]["n_train"] = metrics["available_images"]
            source, images = identity["source"], metrics.get("source_images")
            task = task_of(source)
            if images is not None and task is not None:
                facts[source] = {"domain": domains[task.dataset], "n_train": images}
            elif images is not None:
                facts[source]["n_train"] = images
    return facts


def _place(record: Mapping[str, Any]) -> str:
    """The dataset, or part of one, that a prepared run is of: `cityscapes@aachen`."""
    return str(record["name"]).replace(".", "@")


def _dataset(record: Mapping[str, Any]) -> str:
    return _place(record).split("@")[0]
