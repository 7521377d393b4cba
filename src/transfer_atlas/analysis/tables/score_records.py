"""Records and features of finished runs as the tables of scores take them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.analysis.tables.scores import ImageFeatures
from transfer_atlas.scoring.sample_files import load_samples
from transfer_atlas.store.checked import read_formed


def read_scores(identified: Iterable[tuple[Mapping[str, Any], str]]) -> list[dict[str, Any]]:
    """run.json of every score, with the identity that the plan gives it. Raises StoreError for a missing one."""
    return [read_formed(Path(folder)) | {"identity": dict(identity)} for identity, folder in identified]


def image_features(
    identified: Iterable[tuple[Mapping[str, Any], str]], domains: Mapping[str, str]
) -> list[ImageFeatures]:
    """Features of every dataset whose run finished; `domains` by dataset."""
    found = []
    for identity, folder in identified:
        record = read_formed(Path(folder))
        if record["status"] == "finished":
            dataset = identity["dataset"]
            features = load_samples(Path(folder))["features"]
            domain = domains[dataset.split("@")[0]]
            found.append(ImageFeatures(dataset, domain, identity["backbone"], features, record["key"]))
    return found
