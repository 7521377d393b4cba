"""What the script of `snakemake combine` is told, as one dict of built-ins."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from transfer_atlas.planning.products import REPORT
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.travelling import packed, place_of
from transfer_atlas.planning.workflow import Workflow

LONGEST = 80  # characters of the name of a folder


def facts_of_combination(flow: Workflow) -> dict[str, Any]:
    """Targets with their scores and samples, and packed runs from which those that follow from scores are made.

    targets: by name, `scores` and `features` (folders by source), and places among `runs` of `sources`, of `wholes` by
    task type, and of `baselines` by seed; report: the stamp of the report, which shows combinations.
    """
    asked = flow.combination
    assert asked is not None  # the rule is refused without targets
    study = flow.study
    targets, runs = {}, []
    for each in asked.targets:
        by_seed = {str(seed): run for seed, run in each.baselines.items()}
        targets[each.target] = {
            "baselines": _places(by_seed),
            "features": {s["source"]: flow.folder(s.run.parents["features"]) for s in each.scores},
            "scores": {s["source"]: flow.folder(s.run) for s in each.scores},
            "sources": _places(each.sources),
            "wholes": _places(each.wholes),
        }
        runs += [*by_seed.values(), *each.sources.values(), *each.wholes.values()]
    elsewhere = {name: getattr(study, name) for name in ("scratch_copy", "cache", "publishing")}
    return {
        "folder": str(study.results / "combinations" / slug(asked.asked.targets)),
        "report": str(flow.shown.stamp(REPORT)),
        "places": {name: None if path is None else str(path) for name, path in elsewhere.items()},
        "runs": packed(runs),
        "scratch": str(study.scratch),
        "store": str(study.store),
        "targets": targets,
        "temperature": asked.asked.temperature,
        "together": asked.asked.together,
    }


def slug(targets: Iterable[str]) -> str:
    """What was asked as the name of a folder: `segmentation-camvid--segmentation-suim`, `classification-digits.all`."""
    text = "--".join(targets).replace("/", "-").replace("@", ".").replace("*", "all")
    text = re.sub(r"[^a-z0-9_.-]", "-", text.lower())
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _places(runs: dict[str, Run]) -> dict[str, str]:
    return {name: place_of(run) for name, run in runs.items()}
