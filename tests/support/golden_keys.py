"""Keys of the shipped studies as they are to stay: a changed one would have everybody compute those runs again.

    python tests/support/golden_keys.py "why keys had to change"

writes them anew, with the reason. The versions of code are taken as 1 and those of data as fixed texts, so that only a
change of what a study is made of shows.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import yaml

from transfer_atlas import code_versions
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.plan import make_plan, used_datasets
from transfer_atlas.study.parse import load_study

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = REPOSITORY / "tests/data/golden_keys.yaml"
STUDIES = ["config.yaml", *sorted(f"studies/{p.name}" for p in (REPOSITORY / "studies").glob("*.yaml"))]


def keys_now() -> dict[str, dict[str, Any]]:
    """By study and kind: how many runs, and a digest of their names and keys."""
    found = {}
    for name in STUDIES:
        study = load_study(REPOSITORY / name)
        plan = make_plan(study, dict.fromkeys(used_datasets(study), "0" * 32), "1" * 32)
        found[name] = {}
        for kind in KINDS:
            lines = sorted(f"{run.name} {run.key}" for run in plan.of_kind(kind))
            if lines:
                digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
                found[name][kind] = f"{len(lines)} {digest}"
    return found


def with_versions_of_code_at_one() -> None:
    """Take the version of every stage of code as 1 from now on, in this process."""
    code_versions.versions = lambda stages, *more: dict.fromkeys(stages, 1)


if __name__ == "__main__":
    with_versions_of_code_at_one()
    told = yaml.safe_load(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {"reasons": []}
    told["reasons"].append(sys.argv[1])
    GOLDEN.write_text(
        yaml.safe_dump({"reasons": told["reasons"], "keys": keys_now()}, sort_keys=False, width=110),
        encoding="utf-8",
    )
