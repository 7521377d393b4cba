"""Records and features of finished runs as the tables of scores take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.analysis.tables.scores import ImageFeatures
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.store.store import read_run


def read_scores(folders: Iterable[str]) -> list[dict[str, Any]]:
    """run.json of every score. Raises StoreError for one that is missing or damaged."""
    return [read_run(Path(folder)) for folder in folders]


def image_features(folders: Iterable[str], domains: Mapping[str, str]) -> list[ImageFeatures]:
    """Features of every dataset whose run finished; `domains` by dataset."""
    found = []
    for folder in map(Path, folders):
        record = read_run(folder)
        if record["status"] == "finished":
            dataset = record["identity"]["dataset"]
            backbone, features = record["identity"]["backbone"], load_samples(folder)["features"]
            found.append(ImageFeatures(dataset, domains[dataset], backbone, features, record["key"]))
    return found
