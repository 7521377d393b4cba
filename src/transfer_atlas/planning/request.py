"""What a planned run becomes on its way to a job: a dict of plain built-ins that travels through params."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.planning.run import Run, with_ancestry


def request(
    run: Run, store: Path, scratch: Path, elsewhere: Mapping[str, Path | None] | None = None
) -> dict[str, Any]:
    """Everything needed to carry out a run, as plain built-ins with sorted keys.

    elsewhere: folders of a study that stand for places in store and scratch where they are given: `scratch_copy`,
    `cache`, `publishing`.
    """
    places = {name: str(path) for name, path in (elsewhere or {}).items() if path is not None}
    values = {
        "kind": run.kind,
        "name": run.name,
        "key": run.key,
        "settings": run.settings,
        "code_versions": run.code,
        "versions": run.versions,
        "dataset_versions": _dataset_versions(run),
        "parents": {
            role: {"kind": p.kind, "name": p.name, "key": p.key, "folder": str(p.folder(store))}
            for role, p in run.parents.items()
        },
        "location": run.location,
        "folder": str(run.folder(store)),
        "scratch": str(Path(scratch) / run.key),
        "places": places,
    }
    return dict(sorted(values.items()))


def _dataset_versions(run: Run) -> dict[str, str]:
    """Versions of all datasets whose images went into a run, directly or through its parents."""
    prepared = [each for each in with_ancestry([run]) if each.kind == "prepared"]
    return dict(sorted((each.name, each.versions["dataset"]) for each in prepared))
