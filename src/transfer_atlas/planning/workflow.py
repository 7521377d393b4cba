"""A study as the workflow sees it: which runs there are, which are missing, what each job needs. Pure of Snakemake.

The rules ask this; it looks at the store once per run. What is there is no input of any job: Snakemake would ask the
file system several times for each of its files. The results themselves are no outputs of rules either, for Snakemake
removes the outputs of jobs that it starts or that fail, and a result in the store is nobody's to remove: each job
leaves a mark under `.snakemake/` when its run is in the store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transfer_atlas.datasets.registry import raw_folder
from transfer_atlas.errors import ConfigurationError, DatasetError
from transfer_atlas.models.packages import WEIGHT_PACKAGES, package_version
from transfer_atlas.planning import doctor
from transfer_atlas.planning.atdt import KINDS_OF_ATDT
from transfer_atlas.planning.content_versions import absent_datasets, content_versions, version_of
from transfer_atlas.planning.estimates import measured
from transfer_atlas.planning.identity import PLAIN, Wanted
from transfer_atlas.planning.kinds import KINDS, gpus_of
from transfer_atlas.planning.plan import NOT_SHOWN, Plan, builder, make_plan
from transfer_atlas.planning.presence import Presence
from transfer_atlas.planning.recommendation import (
    DEFAULT_EFFORT,
    REGIME,
    Recommendation,
    check_effort,
    check_target,
    places_of,
    recommendation_for,
)
from transfer_atlas.planning.request import request
from transfer_atlas.planning.resources import Experience, cores, memory_mb, minutes
from transfer_atlas.planning.run import Run, with_ancestry
from transfer_atlas.planning.scores import domain_backbone
from transfer_atlas.planning.shown import Shown
from transfer_atlas.planning.transfers import Builder, transfer_from
from transfer_atlas.store.files import write_json
from transfer_atlas.study.settings import RegimeSettings
from transfer_atlas.study.study import Study, parse_study
from transfer_atlas.study.task import Task

MARKS = ".snakemake/transfer_atlas"  # of finished jobs, in the working folder
HANDED_VARIABLE = (
    "TRANSFER_ATLAS_VERSIONS"  # file of content versions that the main process hands to its jobs
)
# What is asked of a study with `--config`, and is no part of it: what `recommend` and `start` take, or only some of its
# experiments.
ASKED = ("target", "models", "effort", "budget", "regime", "seed")
TABLES = (
    "runs",
    "transfers",
    "seed_gains",
    "gains",
    "effects",
    "best_effects",
    "best_sources",
    "per_class",
    "per_image",
    "curves",
    "methods",
    "method_summary",
    "findings",  # with domain distances where there are scores: then of the tables of scores
)
LOOKS = "appearance"  # figures of how datasets look, and their stamp
SCORE_TABLES = (
    "scores",
    "domain_distances",
    "metric_evaluation",
    "metric_differences",
    "metric_stability",
)
PUBLISHED = Path(__file__).resolve().parents[3] / "resources/published"  # printed tables, beside the library
ATDT_TABLES = ("atdt_evaluations", "atdt_results", "atdt_gains", "atdt_findings", "atdt_runs")


@dataclass
class Workflow:
    """A planned study, what `recommend` is asked, and what of it is in the store."""

    study: Study
    plan: Plan
    recommendation: Recommendation | None = None
    budget: str | None = None
    builder: Builder | None = None  # of what is asked
    versions: tuple[dict[str, str], str | None] = field(default_factory=lambda: ({}, None))

    def __post_init__(self) -> None:
        self.present = Presence(self.study.store)
        asked = [] if self.recommendation is None else self.recommendation.runs
        found = with_ancestry([*self.plan.runs, *asked])
        self.runs = {(run.kind, run.key): run for run in found}
        self.key = self.plan.table_key()
        self.shown = Shown(self.study, self.plan, self.key, self.present)

    def reachable(self, run: Run) -> bool:
        """Whether image features are there, or the images to make them of."""
        prepared = run.parents["dataset"]
        if self.present(run) or self.present(prepared):
            return True
        folder = raw_folder(self.study.datasets[prepared.name.split(".")[0]].adapter, self.study.data_root)
        return folder is None or folder.exists()

    def run(self, kind: str, name: str, key: str) -> Run:
        """The run of the plan that a path belongs to."""
        run = self.runs.get((kind, key))
        if run is None or run.name != name:
            raise ConfigurationError(
                f"no run of this study has the key {key} ({kind} {name}). Results of other studies or earlier "
                "settings are made by planning with these, not by asking for their path."
            )
        return run

    def missing(self, runs: Iterable[Run]) -> list[Run]:
        """Those of some runs that are not in the store."""
        return [run for run in runs if not self.present(run)]

    def jobs_for(self, runs: Iterable[Run]) -> list[Run]:
        """One run for each job that some runs need: those of a pair are computed together by the job of the first."""
        first: dict[Any, Run] = {}
        for run in runs:
            first.setdefault(_job_of(run), run)
        return list(first.values())

    def together_with(self, run: Run) -> list[Run]:
        """The runs that the job of a run carries out, itself first: of its pair, all that are missing."""
        if not run.described.together:
            return [run]
        like = [each for each in self._pairs().get(_job_of(run), []) if each.key != run.key]
        return [run, *self.missing(like)]

    def _pairs(self) -> Mapping[Any, list[Run]]:
        if not hasattr(self, "_by_pair"):
            self._by_pair: dict[Any, list[Run]] = {}
            for run in self.runs.values():
                if run.described.together:
                    self._by_pair.setdefault(_job_of(run), []).append(run)
        return self._by_pair

    def parents(self, kind: str, name: str, key: str) -> list[Run]:
        """What a job builds on, each once."""
        found: dict[tuple[str, str], Run] = {}
        for run in self.together_with(self.run(kind, name, key)):
            found |= {(parent.kind, parent.key): parent for parent in run.parents.values()}
        return list(found.values())

    def job(self, kind: str, name: str, key: str) -> dict[str, Any]:
        """What a job needs, as one dict of built-ins: the requests of its runs, what people call them, and the folder
        of the transfer that a gain is over.
        """
        runs = self.together_with(self.run(kind, name, key))
        study = self.study
        elsewhere = {name: getattr(study, name) for name in ("scratch_copy", "cache", "publishing")}
        baseline = self._baselines().get(key)
        return {
            "baseline": self._folder(baseline) if baseline else None,
            "runs": [request(run, study.store, study.scratch, elsewhere) for run in runs],
            "what": self._what(runs),
        }

    def memory_mb(self, kind: str, name: str, key: str, experience: Experience, *, on_gpu: bool) -> int:
        """Host memory that a job asks for first, in MB: that of the largest of its runs, which take turns."""
        runs = self.together_with(self.run(kind, name, key))
        return max(memory_mb(run, experience, on_gpu=on_gpu) for run in runs)

    def minutes(self, kind: str, name: str, key: str, experience: Experience, *, on_gpu: bool) -> int:
        """Time that a job asks for first, in minutes, for all its runs."""
        runs = self.together_with(self.run(kind, name, key))
        return sum(minutes(run, experience, on_gpu=on_gpu) for run in runs)

    def cores(self, kind: str, name: str, key: str, threads: int, *, on_gpu: bool) -> int:
        """Processor cores that a job asks for."""
        return cores(self.run(kind, name, key), threads, on_gpu=on_gpu)

    def gpus(self, kind: str, name: str, key: str) -> int:
        """GPUs that a job asks for where there are any."""
        return gpus_of(kind, self.run(kind, name, key).settings)

    def _what(self, runs: list[Run]) -> str:
        """A job for people: `transfer segmentation/coco to depth/scannet, small target, seed 0`."""
        first = runs[0]
        wanted_for = self._wanted_for().get((first.kind, first.key))
        told = {"source", "target", "regime"} | (set() if first.described.together else {"seed", "method"})
        if wanted_for is None or not told <= wanted_for.identity.keys():
            return f"{KINDS[first.kind].noun} {first.name}"
        source, target = wanted_for["source"], wanted_for["target"]
        words = f"{KINDS[first.kind].noun} {source} to {target}, {wanted_for['regime'].replace('_', ' ')}"
        if first.described.together:
            return f"{words}, {len(runs)} metric{'' if len(runs) == 1 else 's'}"
        several = {each["method"] for each in self.plan.wanted_of("transfer")} - {wanted_for["method"]}
        return f"{words}, seed {wanted_for['seed']}" + (f", {wanted_for['method']}" if several else "")

    def _wanted_for(self) -> Mapping[Any, Wanted]:
        """The first identity of every run that has one."""
        if not hasattr(self, "_by_run"):
            self._by_run: dict[Any, Wanted] = {}
            asked = [] if self.recommendation is None else self.recommendation.wanted
            for each in [*self.plan.wanted, *asked]:
                self._by_run.setdefault((each.run.kind, each.run.key), each)
        return self._by_run

    def _baselines(self) -> Mapping[str, Run]:
        """By key of a transfer from a source, the one from ILSVRC that its gain is over."""
        if not hasattr(self, "_by_transfer"):
            transfers = self.plan.wanted_of("transfer")
            rest = ("target", "regime", "seed", "method")
            found = {
                tuple(each[name] for name in rest): each.run
                for each in transfers
                if each["source"] == "ilsvrc"
            }
            self._by_transfer: dict[str, Run] = {}
            for each in transfers:
                baseline = found.get(tuple(each[name] for name in rest))
                if baseline is not None and each["source"] != "ilsvrc":
                    self._by_transfer.setdefault(each.run.key, baseline)
        return self._by_transfer

    def runs_of_jobs(self, jobs: Iterable[tuple[str, str, str]]) -> list[Run]:
        """The runs that some jobs carry out, each given by kind, name and key."""
        return [run for job in jobs for run in self.together_with(self.run(*job))]

    def task_types(self, regime: str) -> list[str]:
        """Task types of the targets of a regime."""
        targets = [each["target"] for each in self.plan.wanted_of("transfer") if each["regime"] == regime]
        return list(dict.fromkeys(Task.parse(target).type for target in targets))

    @property
    def regimes(self) -> list[str]:
        """Regimes of the study's experiments, in their order."""
        return list(dict.fromkeys(experiment.regime for experiment in self.study.experiments))

    @property
    def figures(self) -> dict[str, str]:
        """Figures of gains by name, each with the stamp of the job that draws it: gains and absolute metrics for each
        target task type and regime, effects for each regime.
        """
        found = {f"effects_{regime}": f"effects_{regime}" for regime in self.regimes}
        for regime in self.regimes:
            for task_type in self.task_types(regime):
                stamp = f"gains_{task_type}_{regime}"
                found |= {stamp: stamp, f"absolute_{task_type}_{regime}": stamp}
        return found

    @property
    def score_figures(self) -> dict[str, str]:
        """Figures of scores by name, each with its stamp, if the study asks for scores: ranks and every metric by
        target for each regime, distances and looks of datasets.
        """
        found = dict.fromkeys(self.look_figures, LOOKS)
        for regime in self.regimes if self.study.transferability else ():
            stamp = f"scores_{regime}"
            found |= {stamp: stamp}
            found |= {f"scores_{metric}_by_target_{regime}": stamp for metric in self.metrics_by_target}
        return found

    @property
    def look_figures(self) -> list[str]:
        """Figures of how datasets look: distances, and where their images lie to each other."""
        settings = self.study.transferability
        if settings is None:
            return []
        return ["domain_distances", LOOKS, *(f"{LOOKS}_{dataset}" for dataset in settings.appearance_of)]

    @property
    def metrics_by_target(self) -> list[str]:
        """Metrics that are drawn target by target: those of the study, and what needs no score."""
        settings = self.study.transferability
        return [] if settings is None else [*settings.metrics, "domain_distance"]

    def facts_of_tables(self) -> dict[str, Any]:
        """What the tables are made of, as one dict of built-ins: identities with the folders of their runs, domains of
        datasets, datasets of multi-sources.
        """
        others = ("score", "image_features", "features", *KINDS_OF_ATDT)  # which have tables of their own
        kinds = [kind for kind in KINDS if kind not in (*others, *NOT_SHOWN)]
        return {
            "domains": self._domains(),
            "multi_sources": self._multi_sources(),
            "others": {
                kind: [self._folder(run) for run in self.plan.of_kind(kind)]
                for kind in kinds
                if kind != "transfer"
            },
            "transfers": self._identified("transfer"),
        }

    def facts_of_score_tables(self) -> dict[str, Any]:
        """What the tables of scores are made of, as one dict of built-ins."""
        return {
            "domain_features": self._domain_backbone(),
            "domains": self._domains(),
            "image_features": self._identified("image_features"),
            "multi_sources": self._multi_sources(),
            "scores": self._identified("score"),
        }

    def facts_of_atdt_tables(self) -> dict[str, Any]:
        """What the tables of AT/DT are made of, as one dict of built-ins."""
        return {
            "evaluations": self._identified("atdt_evaluation"),
            "published": str(PUBLISHED),
            "runs": [self._folder(run) for kind in KINDS_OF_ATDT[:-1] for run in self.plan.of_kind(kind)],
        }

    @property
    def atdt_figures(self) -> dict[str, str]:
        """Figures of AT/DT by name, each with its stamp: features and panels, and levels where there are several."""
        experiments = self.study.atdt.experiments if self.study.atdt else []
        if not any("atdt" in experiment.methods for experiment in experiments):
            return {}
        levels = ["atdt_levels"] if any(len(set(each.levels)) > 1 for each in experiments) else []
        return {name: name for name in ("atdt_features", "atdt_panels", *levels)}

    def facts_of_looks(self) -> dict[str, Any]:
        """What the figures of looks are made of, as one dict of built-ins: all image features."""
        settings = self.study.transferability
        return {
            "appearance_of": [] if settings is None else list(settings.appearance_of),
            "domain_features": self._domain_backbone(),
            "domains": self._domains(),
            "image_features": self._identified("image_features"),
        }

    def facts_of_report(self) -> dict[str, Any]:
        """What the report is made of beside tables and figures, as one dict of built-ins: what was asked for, and where
        the runs lie, with all that are planned by the kinds' titles.
        """
        study = self.study
        planned = {
            kind.title: [self._folder(run) for run in self.plan.of_kind(name)] for name, kind in KINDS.items()
        }
        return {
            "backbone": study.backbone.name,
            "ilsvrc": _in_words(study.ilsvrc.model_dump(mode="json", exclude_none=True)),
            "planned": {title: folders for title, folders in planned.items() if folders},
            "regimes": {name: _limits(study.regimes[name]) for name in self.regimes},
            "study": study.study,
            "transfers": self._identified("transfer"),
        }

    def facts_of_cards(self) -> dict[str, Any]:
        """What the dataset cards are made of, by the name that a card's files have: domain, adapter, prepared run."""
        found = {}
        for run in self.plan.of_kind("prepared"):
            dataset = run.name.partition(".")[0]
            settings = self.study.datasets[dataset]
            found[run.name] = {
                "adapter": settings.adapter.name,
                "domain": settings.domain,
                "folder": self._folder(run),
            }
        return dict(sorted(found.items()))

    def facts_of_recommendation(self) -> dict[str, Any]:
        """What the answer for a target is made of, and where it goes, as one dict of built-ins."""
        asked = self.recommendation
        assert asked is not None  # the rule is refused without a target
        task, results = Task.parse(asked.target), self.study.results
        computed = {
            run.key: run for each in asked.scores for run in (each.run, each.run.parents["features"])
        } | {each.run.key: each.run for each in asked.images}
        transfers = {name: self.transfer_of(name) for name in asked.candidates}
        known = measured(self.study.store)
        costs = {name: None if run is None else known.guess(run) for name, run in transfers.items()}
        return {
            "candidates": [self._candidate(name) | {"seconds": costs[name]} for name in asked.candidates],
            "computed": [self._folder(run) for run in computed.values()],
            "domain": self.study.datasets[task.dataset].domain,
            "effort": asked.effort,
            "images": [[each.identity, self._folder(each.run)] for each in asked.images],
            "place": task.place,
            "prepared": None if asked.prepared is None else self._folder(asked.prepared),
            "results": str(results),
            "scores": [[each.identity, self._folder(each.run)] for each in asked.scores],
            "table": f"{results}/recommendations/{task.slug}.parquet",
            "target": asked.target,
        }

    def _candidate(self, name: str) -> dict[str, Any]:
        """What is known of a candidate without looking at an image: its datasets, their domains, and where they are.

        real: whether its datasets are photographs of others, and no rendered namesakes of published ones.
        """
        asked = self.recommendation
        assert asked is not None
        datasets = [place.split("@")[0] for place in places_of(self.study, name)]
        source = asked.candidates[name]
        prepared = [run for role, run in source.parents.items() if role.startswith("dataset")]
        return {
            "datasets": places_of(self.study, name),
            "domains": sorted({self.study.datasets[dataset].domain for dataset in datasets}),
            "prepared": [self._folder(run) for run in prepared],
            "real": all(self.study.datasets[each].adapter.name != "miniature" for each in datasets),
            "source": name,
        }

    def transfer_of(self, name: str) -> Run | None:
        """The transfer of a candidate to the target that a study would run; None for a network that is not the
        study's.
        """
        asked = self.recommendation
        assert asked is not None
        if (
            asked.prepared is None
            or asked.candidates[name].settings["backbone"] != self.study.backbone.hashed()
        ):
            return None
        assert self.builder is not None
        baseline = self.builder.transfer("ilsvrc", Task.parse(asked.target), REGIME, 0, PLAIN)
        if name == "ilsvrc":
            return baseline
        return transfer_from(baseline, asked.candidates[name])

    def _domain_backbone(self) -> str | None:
        """The backbone of domain distances; None where nothing is scored."""
        settings = self.study.transferability
        if settings is None:
            return None
        return domain_backbone(settings, {each["backbone"] for each in self.plan.wanted_of("image_features")})

    def _domains(self) -> dict[str, str]:
        return {name: dataset.domain for name, dataset in sorted(self.study.datasets.items())}

    def _multi_sources(self) -> dict[str, list[str]]:
        """Datasets of every multi-source."""
        return {
            name: [Task.parse(task).place for task in self.study.tasks_of_multi_source(name)]
            for name in sorted(self.study.multi_sources)
        }

    def _identified(self, kind: str) -> list[list[Any]]:
        return [[each.identity, self._folder(each.run)] for each in self.plan.wanted_of(kind)]

    def _folder(self, run: Run) -> str:
        return str(run.folder(self.study.store))


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
        raise DatasetError(
            f"{doctor.brief(study, absent)}\nExpected a folder, or beside it a .dvc file that records its version "
            "(`dvc pull` brings the files): put the files there, or correct data_root or the dataset's `path`. "
            "`snakemake plan` works without."
        )
    return _asked(Workflow(study, plan, versions=found), config, versions, origin)


def hand_over(flow: Workflow, folder: Path) -> Path:
    """Write the content versions of a planned study into a folder, for its jobs; returns the file.

    So they are looked up once, where the study is planned, and a job on another machine reads no raw file to plan.
    What a job then reads is checked against its version all the same.
    """
    text = json.dumps(flow.versions, sort_keys=True)
    path = folder / f"versions-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    if not path.exists():
        write_json(path, flow.versions)
    return path


def _handed(path: Path | None) -> tuple[dict[str, str], str | None] | None:
    """What `hand_over` wrote; None where it is not to be had, as on a machine that does not share the folder."""
    if path is None:
        return None
    try:
        versions, origin = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return None
    return versions, origin


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
    flow: Workflow, config: Mapping[str, Any], versions: Mapping[str, str], origin: str | None
) -> Workflow:
    """The workflow with what `snakemake recommend` or `snakemake start` is asked about."""
    target, effort = config.get("target"), config.get("effort") or DEFAULT_EFFORT
    if target is None:
        return flow
    study = flow.study
    models = [name for name in str(config.get("models") or "").split(",") if name]
    check_target(study, str(target))
    check_effort(effort)
    dataset = Task.parse(target).dataset
    known = dict(versions) if effort == "none" else {**versions, dataset: version_of(study, dataset)}
    build = builder(study, known, origin)
    packages = {model: package_version(model) for model in models if model in WEIGHT_PACKAGES}
    found = recommendation_for(
        study, flow.plan, build, target, models, packages, effort=effort, reachable=flow.reachable
    )
    return Workflow(study, flow.plan, found, config.get("budget"), build, flow.versions)


def is_study(config: Mapping[str, Any]) -> bool:
    """Whether a configuration is a study, and not only some settings that go over one."""
    required = {name for name, key in Study.model_fields.items() if key.is_required()}
    return required <= set(config)


def _limits(regime: RegimeSettings) -> str:
    """The limits of a regime as a sentence."""
    images = f"{regime.target_images} training images" if regime.target_images else "all training images"
    if regime.target_shots:
        images = f"{regime.target_shots} images of each class"
    others = [f"{number} of {dataset}" for dataset, number in sorted(regime.target_images_of.items())]
    text = f"{images} of each target" + (f", {', '.join(others)}" if others else "")
    return text + (f"; {regime.source_images} of each source" if regime.source_images else "")


def _in_words(origin: Mapping[str, Any]) -> str:
    """Where the ILSVRC checkpoint comes from: `train, dataset ilsvrc, seed 0`."""
    return ", ".join([str(origin["origin"]), *(f"{k} {v}" for k, v in origin.items() if k != "origin")])


def _job_of(run: Run) -> Any:
    """What runs share that one job carries out: for scores, the pair's samples."""
    if run.described.together:
        return run.kind, run.parents["features"].key
    return run.kind, run.key
