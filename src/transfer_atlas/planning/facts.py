"""What the scripts that make tables, figures, report, cards and answers are told, each as one dict of built-ins."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from transfer_atlas.planning.atdt import KINDS_OF_ATDT
from transfer_atlas.planning.estimates import measured
from transfer_atlas.planning.identity import PLAIN
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.plan import NOT_SHOWN
from transfer_atlas.planning.products import regimes
from transfer_atlas.planning.recommendation import REGIME, candidate_facts
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.scores import domain_backbone
from transfer_atlas.planning.transfers import transfer_from
from transfer_atlas.planning.workflow import Workflow
from transfer_atlas.study.settings import RegimeSettings
from transfer_atlas.study.task import Task

RESOURCES = Path(__file__).resolve().parents[3] / "resources"  # beside the library
PUBLISHED = RESOURCES / "published"  # printed tables


def facts_of_tables(flow: Workflow) -> dict[str, Any]:
    """What the tables are made of, as one dict of built-ins: identities with the folders of their runs, domains of
    datasets, datasets of multi-sources, binary tasks.
    """
    others = ("score", "image_features", "features", *KINDS_OF_ATDT)  # which have tables of their own
    kinds = [kind for kind in KINDS if kind not in (*others, *NOT_SHOWN)]
    return {
        "domains": _domains(flow),
        "multi_sources": _multi_sources(flow),
        "others": {
            kind: [flow.folder(run) for run in flow.plan.of_kind(kind)]
            for kind in kinds
            if kind != "transfer"
        },
        "subtasks": flow.study.binary_tasks(),
        "transfers": _identified(flow, "transfer"),
    }


def facts_of_score_tables(flow: Workflow) -> dict[str, Any]:
    """What the tables of scores are made of, as one dict of built-ins."""
    return {
        "domain_features": _domain_backbone(flow),
        "domains": _domains(flow),
        "image_features": _identified(flow, "image_features"),
        "multi_sources": _multi_sources(flow),
        "prior": str(RESOURCES / "prior"),
        "scores": _identified(flow, "score"),
    }


def facts_of_atdt_tables(flow: Workflow) -> dict[str, Any]:
    """What the tables of AT/DT are made of, as one dict of built-ins."""
    return {
        "evaluations": _identified(flow, "atdt_evaluation"),
        "published": str(PUBLISHED),
        "runs": [flow.folder(run) for kind in KINDS_OF_ATDT[:-1] for run in flow.plan.of_kind(kind)],
    }


def facts_of_looks(flow: Workflow) -> dict[str, Any]:
    """What the figures of looks are made of, as one dict of built-ins: all image features."""
    settings = flow.study.transferability
    return {
        "appearance_of": [] if settings is None else list(settings.appearance_of),
        "domain_features": _domain_backbone(flow),
        "domains": _domains(flow),
        "image_features": _identified(flow, "image_features"),
    }


def facts_of_report(flow: Workflow) -> dict[str, Any]:
    """What the report is made of beside tables and figures, as one dict of built-ins: what was asked for, and where
    the runs lie, with all that are planned by the kinds' titles.
    """
    study = flow.study
    planned = {
        kind.title: [flow.folder(run) for run in flow.plan.of_kind(name)] for name, kind in KINDS.items()
    }
    return {
        "backbone": study.backbone.name,
        "ilsvrc": _in_words(study.ilsvrc.model_dump(mode="json", exclude_none=True)),
        "multi_sources": _multi_sources(flow),
        "planned": {title: folders for title, folders in planned.items() if folders},
        "regimes": {name: _limits(study.regimes[name], study.datasets) for name in regimes(flow)},
        "study": study.study,
        "transfers": _identified(flow, "transfer"),
    }


def facts_of_cards(flow: Workflow) -> dict[str, Any]:
    """What the dataset cards are made of, by the name that a card's files have: domain, adapter, prepared run."""
    found = {}
    for run in flow.plan.of_kind("prepared"):
        dataset = run.name.partition(".")[0]
        settings = flow.study.datasets[dataset]
        found[run.name] = {
            "adapter": settings.adapter.name,
            "domain": settings.domain,
            "folder": flow.folder(run),
        }
    return dict(sorted(found.items()))


def facts_of_recommendation(flow: Workflow) -> dict[str, Any]:
    """What the answer for a target is made of, and where it goes, as one dict of built-ins."""
    asked = flow.recommendation
    assert asked is not None  # the rule is refused without a target
    task, results = Task.parse(asked.target), flow.study.results
    computed = {run.key: run for each in asked.scores for run in (each.run, each.run.parents["features"])} | {
        each.run.key: each.run for each in asked.images
    }
    transfers = {name: transfer_of(flow, name) for name in asked.candidates}
    known = measured(flow.study.store)
    costs = {name: None if run is None else known.guess(run) for name, run in transfers.items()}
    return {
        "candidates": [
            candidate_facts(flow.study, name, run) | {"seconds": costs[name]}
            for name, run in asked.candidates.items()
        ],
        "computed": [flow.folder(run) for run in computed.values()],
        "domain": flow.study.datasets[task.dataset].domain,
        "effort": asked.effort,
        "images": [[each.identity, flow.folder(each.run)] for each in asked.images],
        "left_out": dict(asked.left_out),
        "place": task.place,
        "prepared": None if asked.prepared is None else flow.folder(asked.prepared),
        "results": str(results),
        "scores": [[each.identity, flow.folder(each.run)] for each in asked.scores],
        "table": f"{results}/recommendations/{task.slug}.parquet",
        "target": asked.target,
    }


def transfer_of(flow: Workflow, name: str) -> Run | None:
    """The transfer of a candidate to the target that a study would run; None for a network that is not the
    study's.
    """
    asked = flow.recommendation
    assert asked is not None
    if asked.prepared is None or asked.candidates[name].settings["backbone"] != flow.study.backbone.hashed():
        return None
    assert flow.builder is not None
    baseline = flow.builder.transfer("ilsvrc", Task.parse(asked.target), REGIME, 0, PLAIN)
    if name == "ilsvrc":
        return baseline
    return transfer_from(baseline, asked.candidates[name])


def _domain_backbone(flow: Workflow) -> str | None:
    """The backbone of domain distances; None where nothing is scored."""
    settings = flow.study.transferability
    if settings is None:
        return None
    return domain_backbone(settings, {each["backbone"] for each in flow.plan.wanted_of("image_features")})


def _domains(flow: Workflow) -> dict[str, str]:
    return {name: dataset.domain for name, dataset in sorted(flow.study.datasets.items())}


def _multi_sources(flow: Workflow) -> dict[str, list[str]]:
    """Datasets of every multi-source."""
    return {
        name: [Task.parse(task).place for task in flow.study.tasks_of_multi_source(name)]
        for name in sorted(flow.study.multi_sources)
    }


def _identified(flow: Workflow, kind: str) -> list[list[Any]]:
    return [[each.identity, flow.folder(each.run)] for each in flow.plan.wanted_of(kind)]


def _limits(regime: RegimeSettings, datasets: Collection[str]) -> str:
    """The limits of a regime as a sentence; of exceptions, those of the study's datasets."""
    images = f"{regime.target_images} training images" if regime.target_images else "all training images"
    if regime.target_shots:
        images = f"{regime.target_shots} images of each class"
    others = [
        f"{number} of {dataset}"
        for dataset, number in sorted(regime.target_images_of.items())
        if dataset in datasets
    ]
    text = f"{images} of each target" + (f", {', '.join(others)}" if others else "")
    return text + (f"; {regime.source_images} of each source" if regime.source_images else "")


def _in_words(origin: Mapping[str, Any]) -> str:
    """Where the ILSVRC checkpoint comes from: `train, dataset ilsvrc, seed 0`, or `package some-model`."""
    kind = str(origin["origin"])
    told = [f"{name} {value}" for name, value in origin.items() if name != "origin"]
    return ", ".join(told if kind in origin else [kind, *told])
