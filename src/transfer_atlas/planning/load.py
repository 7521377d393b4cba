"""From a configuration, as Snakemake has it, to the planned study: read, looked up, perhaps a part of it alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from transfer_atlas.errors import ConfigurationError, DatasetError
from transfer_atlas.models.packages import WEIGHT_PACKAGES, package_version
from transfer_atlas.planning.combination import Combination, asked_of, combination_for
from transfer_atlas.planning.content_versions import (
    absent_datasets,
    content_versions,
    version_of,
    versions_of,
)
from transfer_atlas.planning.plan import builder, make_plan
from transfer_atlas.planning.recommendation import (
    DEFAULT_EFFORT,
    check_effort,
    check_target,
    recommendation_for,
)
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.source_pool import SourcePool
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.store.files import write_json
from transfer_atlas.study.parse import parse_study
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import Task

HANDED_VARIABLE = (
    "TRANSFER_ATLAS_VERSIONS"  # file of content versions that the main process hands to its jobs
)
# What is asked of a study with `--config`, and is no part of it: what `recommend`, `start` and `combine` take, or
# only some of its experiments.
ASKED = (
    *("target", "models", "effort", "also", "pool", "budget"),
    *("targets", "together", "seeds", "temperature"),
    *("regime", "seed"),
)


def load_workflow(config: Mapping[str, Any], *, without_data: bool, handed: Path | None = None) -> Workflow:
    """The workflow of a configuration as Snakemake has it.

    without_data: whether raw datasets may be neither here nor recorded, as for a mere plan. handed: a file of
    `hand_over`, with which raw files are not looked at. Raises an AtlasError, of one message, for whatever the user
    can mend.
    """
    study = parse_study({name: value for name, value in config.items() if name not in ASKED})
    study = part_of_study(study, config.get("regime"), config.get("seed"))
    versions, origin = found = _handed(handed) or content_versions(study)
    plan = make_plan(study, versions, origin)
    absent = [] if without_data else absent_datasets(plan)
    if absent:
        from transfer_atlas.planning import doctor  # late: it decodes images, which a plan does not

        raise DatasetError(
            f"{doctor.brief(study, absent)}\nExpected a folder, or beside it a .dvc file that records its version "
            "(`dvc pull` brings the files): put the files there, or correct data_root or the dataset's `path`. "
            "`snakemake plan` works without."
        )
    flow = _asked(Workflow(study, plan, versions=found), config, versions, origin, _handed_left_out(handed))
    combination = _combined(flow, config, versions, origin)
    return flow if combination is None else replace(flow, combination=combination)


def hand_over(flow: Workflow, folder: Path) -> Path:
    """Write the content versions of a planned study, and which sources `recommend` leaves out, into a folder, for its
    jobs; returns the file.

    So they are looked up once, where the study is planned, and a job on another machine reads no raw file to plan.
    What a job then reads is checked against its version all the same.
    """
    left_out = None if flow.recommendation is None else flow.recommendation.left_out
    content = [*flow.versions, left_out]
    text = json.dumps(content, sort_keys=True)
    path = folder / f"versions-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.exists():
        write_json(path, content)
    return path


def _handed(path: Path | None) -> tuple[dict[str, str], str | None] | None:
    """What `hand_over` wrote; None where it is not to be had, as on a machine that does not share the folder."""
    if path is None:
        return None
    try:
        versions, origin, _ = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return None
    return versions, origin


def _handed_left_out(path: Path | None) -> dict[str, str] | None:
    """Sources that the main process leaves out, as `hand_over` wrote them; None where that is not to be had."""
    if path is None:
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))[2]
    except (OSError, ValueError, TypeError, LookupError):
        return None
    return found if isinstance(found, dict) else None


def part_of_study(study: Study, regime: object = None, seed: object = None) -> Study:
    """The study with the experiments of one regime, or of one seed, alone; its results go to a folder of their own.

    Runs have the keys they have in the whole study, so that parts can be carried out one after another, each with its
    tables, and the whole study finds them all. Raises ConfigurationError where nothing is left.
    """
    if regime is None and seed is None:
        return study
    experiments, folder = list(study.experiments), study.results
    if regime is not None:
        known = list(dict.fromkeys(each.regime for each in experiments))
        if regime not in known:
            raise ConfigurationError(
                f"regime={regime}: no experiment of study {study.study} has this regime. Expected one of "
                f"{', '.join(known)}."
            )
        experiments, folder = [each for each in experiments if each.regime == regime], folder / str(regime)
    if seed is not None:
        known_seeds = sorted({each for experiment in experiments for each in experiment.seeds})
        if seed not in known_seeds:
            raise ConfigurationError(
                f"seed={seed}: no experiment has this seed. Expected one of {', '.join(map(str, known_seeds))}."
            )
        experiments = [
            each.model_copy(update={"seeds": [seed]}) for each in experiments if seed in each.seeds
        ]
        folder = folder / f"seed_{seed}"
    return study.model_copy(update={"experiments": experiments, "results": folder})


def _asked(
    flow: Workflow,
    config: Mapping[str, Any],
    versions: Mapping[str, str],
    origin: str | None,
    left_out: dict[str, str] | None,
) -> Workflow:
    """The workflow with what `snakemake recommend` or `snakemake start` is asked about.

    left_out: sources that the main process leaves out, of its jobs.
    """
    target, effort = config.get("target"), config.get("effort") or DEFAULT_EFFORT
    if target is None:
        return flow
    study = flow.study
    models = [name for name in str(config.get("models") or "").split(",") if name]
    check_target(study, str(target))
    check_effort(effort)
    pool = SourcePool.asked(config.get("pool"))

    def leave_out(candidates: Mapping[str, Run]) -> Mapping[str, str]:
        if left_out is not None:
            return left_out
        return pool.left_out(study, str(target), candidates, models)

    dataset = Task.parse(target).dataset
    known = dict(versions) if effort == "none" else {**versions, dataset: version_of(study, dataset)}
    build = builder(study, known, origin)
    packages = {model: package_version(model) for model in models if model in WEIGHT_PACKAGES}
    found = recommendation_for(
        study,
        flow.plan,
        build,
        target,
        models,
        packages,
        effort=effort,
        also=config.get("also"),
        reachable=flow.reachable,
        leave_out=leave_out,
    )
    return Workflow(study, flow.plan, found, config.get("budget"), build, flow.versions)


def _combined(
    flow: Workflow, config: Mapping[str, Any], versions: Mapping[str, str], origin: str | None
) -> Combination | None:
    """What `snakemake combine` is asked about; None where it is asked nothing."""
    asked = asked_of(config)
    if asked is None:
        return None
    datasets = {Task.parse(name).dataset for name in flow.study.expand(list(asked.targets), "targets")}
    known = dict(versions)
    for dataset in sorted(datasets - set(known)):
        known |= versions_of(flow.study, dataset)
    return combination_for(
        flow.study, flow.plan, builder(flow.study, known, origin), asked, has_images=flow.has_images
    )


def is_study(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is a study, and not only some settings that go over one."""
    required = {name for name, key in Study.model_fields.items() if key.is_required()}
    return required <= set(config)
