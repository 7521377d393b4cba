"""What a planned run becomes on its way to a job: a dict of plain built-ins that travels through params."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transfer_atlas.planning.run import Run, with_ancestry


def request(run: Run, store: Path, scratch: Path) -> dict[str, Any]:
    """Everything needed to carry out a run, as plain built-ins with sorted keys."""
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
    }
    return dict(sorted(values.items()))


def _dataset_versions(run: Run) -> dict[str, str]:
    """Versions of all datasets whose images went into a run, directly or through its parents."""
    prepared = [each for each in with_ancestry([run]) if each.kind == "prepared"]
    return dict(sorted((each.name, each.versions["dataset"]) for each in prepared))
