"""Records of finished runs as the tables take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.store.store import RUN_FILE, read_run


def read_records(folders: Mapping[str, Iterable[str]]) -> list[dict[str, Any]]:
    """run.json of every run, by kind; transfers must be there, other runs may be elsewhere.

    A transfer can be had without its parents (pulled, say), and then the tables do without them.
    Raises StoreError for a missing transfer or a damaged record.
    """
    return [
        read_run(Path(folder))
        for kind, paths in folders.items()
        for folder in paths
        if kind == "transfer" or (Path(folder) / RUN_FILE).exists()
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
        facts[name] = {"domains": sorted({domains[dataset] for dataset in datasets}), "n_train": None}
    for record in records:
        identity, metrics = record["identity"], record["metrics"] or {}
        if record["kind"] == "prepared":
            facts[identity["dataset"]]["n_train"] = metrics["counts"]["train"]
        elif record["kind"] == "transfer" and metrics:
            facts[identity["target"].split("/")[1]]["n_train"] = metrics["available_images"]
            source, images = identity["source"], metrics.get("source_images")
            if images is not None and "/" in source:
                facts[source] = {"domain": domains[source.split("/")[1]], "n_train": images}
            elif images is not None:
                facts[source]["n_train"] = images
    return facts
