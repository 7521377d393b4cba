"""With what a result was computed, and in what results that stand side by side differ: device, precision, packages.

One study may hold runs of several machines and laboratories. Keys do not tell them apart, for they promise the same
result; the tables do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

COLUMNS = ("device", "precision", "packages")
DEFAULT_PRECISION = "float32"  # what settings that name none are computed in


def surroundings_of(record: Mapping[str, Any]) -> dict[str, str | None]:
    """Device, precision of the arithmetic, and versions of packages (JSON) of a run, from its run.json."""
    training = (record.get("settings") or {}).get("training") or {}
    return {
        "device": record.get("device"),
        "precision": training.get("precision", DEFAULT_PRECISION),
        "packages": json.dumps(record.get("packages") or {}, sort_keys=True),
    }


def differences_of(rows: Iterable[Mapping[str, Any]]) -> str | None:
    """In what some rows differ, as words: `device, torch`; None if in nothing. Missing values differ from none."""
    rows = list(rows)
    found = [name for name in ("device", "precision") if len(_known(rows, name)) > 1]
    versions: dict[str, set[str]] = {}
    for packages in _known(rows, "packages"):
        for package, version in json.loads(packages).items():
            versions.setdefault(package, set()).add(version)
    found += sorted(package for package, different in versions.items() if len(different) > 1)
    return ", ".join(found) or None


def told_of_differences(transfers: pd.DataFrame) -> list[str]:
    """In what the rows of a table differ, as texts with the number of rows by value; none where in nothing."""
    told = []
    for name in ("device", "precision"):
        counts = transfers[name].dropna().value_counts()
        if len(counts) > 1:
            told.append(f"{name}: " + ", ".join(f"{count} of {value}" for value, count in counts.items()))
    versions = pd.DataFrame([json.loads(packages) for packages in transfers["packages"].dropna()])
    for package in sorted(versions.columns):
        counts = versions[package].dropna().value_counts()
        if len(counts) > 1:
            told.append(f"{package}: " + ", ".join(f"{count} of {value}" for value, count in counts.items()))
    return told


def _known(rows: Iterable[Mapping[str, Any]], name: str) -> set[str]:
    return {row[name] for row in rows if isinstance(row[name], str)}
