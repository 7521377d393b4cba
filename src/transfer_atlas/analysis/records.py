"""Records of finished runs as the tables take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.store import RUN_FILE, read_run


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
    records: Iterable[Mapping[str, Any]], domains: Mapping[str, str]
) -> dict[str, dict[str, Any]]:
    """Domain and number of training images by dataset, and by task for sources, from what the runs state."""
    facts: dict[str, dict[str, Any]] = {name: {"domain": d, "n_train": None} for name, d in domains.items()}
    for record in records:
        identity, metrics = record["identity"], record["metrics"] or {}
        if record["kind"] == "prepared":
            facts[identity["dataset"]]["n_train"] = metrics["counts"]["train"]
        elif record["kind"] == "transfer" and metrics:
            facts[identity["target"].split("/")[1]]["n_train"] = metrics["available_images"]
            if metrics.get("source_images") is not None and "/" in identity["source"]:
                dataset = identity["source"].split("/")[1]
                facts[identity["source"]] = {"domain": domains[dataset], "n_train": metrics["source_images"]}
    return facts
