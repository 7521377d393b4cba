"""The runs of transfers: prepared datasets, ILSVRC checkpoint, sources, transfers, kept target models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transfer_atlas.datasets.registry import root_of
from transfer_atlas.datasets.versions import ABSENT
from transfer_atlas.models.architectures.registry import stages_of
from transfer_atlas.models.packages import package_version
from transfer_atlas.planning.identity import PLAIN
from transfer_atlas.planning.kinds import KINDS
from transfer_atlas.planning.run import Run
from transfer_atlas.study.settings import (
    FileOrigin,
    PackageOrigin,
    ScratchOrigin,
    TimmOrigin,
    TrainOrigin,
)
from transfer_atlas.study.study import Study
from transfer_atlas.study.task import (
    ILSVRC,
    PLUS,
    Task,
    backbone_name,
    is_multi,
    start_name,
    task_of,
    type_of_source,
)
from transfer_atlas.training.methods.registry import METHODS

# Where the files are and whose they are changes no picture.
PLACES = ("path", "source", "licence", "data_root")
OWN_OF_EACH = {"resolution", "crop", "scale", "batch_size"}  # of a multi-source's datasets


@dataclass
class Builder:
    """Builds the runs of a study, each once.

    dataset_versions: content version of every dataset that is asked for, by name. origin_version: that of the ILSVRC
    checkpoint if it is a file or a package. declared: version numbers of the stages of code.
    """

    study: Study
    dataset_versions: Mapping[str, str]
    origin_version: str | None
    declared: Mapping[str, int]
    _made: dict[tuple[Any, ...], Run] = field(default_factory=dict)
    _of_targets: dict[tuple[Task, str], dict[str, Any]] = field(default_factory=dict)

    def code(self, kind: str, **places: str) -> dict[str, int]:
        """Versions of the stages in the key of a run."""
        return {stage: self.declared[stage] for stage in KINDS[kind].stages(**places)}

    def prepared(self, name: str, part: str | None = None) -> Run:
        """A dataset, or a part of it: of some of its images as of any, of classes made of the prepared whole."""
        if ("prepared", name, part) not in self._made:
            dataset = self.study.datasets[name]
            if part is not None and "images" not in dataset.part(part):
                self._made["prepared", name, part] = Run(
                    kind="part",
                    name=f"{name}.{part}",
                    settings={"name": f"{name}.{part}", "part": dataset.part(part)},
                    code=self.code("part"),
                    parents={"whole": self._whole(name, part)},
                )
                return self._made["prepared", name, part]
            chosen = {} if part is None else {"part": dataset.parts[part].hashed()}
            readable = name if part is None else f"{name}.{part}"
            version = self.dataset_versions.get(f"{name}@{part}", self.dataset_versions[name])
            self._made["prepared", name, part] = self._read(readable, dataset.adapter, version, chosen)
        return self._made["prepared", name, part]

    def _read(self, readable: str, adapter: Any, version: str, chosen: dict[str, Any]) -> Run:
        """The run that reads raw files of a version by an adapter; chosen: of a part, which of its images."""
        settings = adapter.hashed()
        location = {place: settings.pop(place) for place in PLACES if place in settings}
        location = {place: str(value) for place, value in location.items() if value is not None}
        location["data_root"] = str(root_of(adapter, self.study.data_root))
        return Run(
            kind="prepared",
            name=readable,
            settings={"name": readable, "adapter": settings, **chosen},
            code=self.code("prepared", adapter=adapter.name),
            versions={"dataset": version},
            location=location,
        )

    def _whole(self, name: str, part: str) -> Run:
        """The prepared dataset that a part is made of: of a binary task, the one that shows its channels."""
        dataset = self.study.datasets[name]
        task = dataset.binary_tasks.get(part)
        if task is None or task.modality is None:
            return self.prepared(name)
        asked = ("modality", name, task.modality)
        if asked not in self._made:
            adapter = dataset.adapter.model_copy(update={"modalities": list(task.channels)})
            readable = f"{name}.{task.modality}"
            self._made[asked] = self._read(readable, adapter, self.dataset_versions[name], {})
        return self._made[asked]

    def ilsvrc(self, source: str = ILSVRC) -> Run:
        """The ILSVRC checkpoint of the backbone of a source: the study's own unless its name has another."""
        chosen = backbone_name(source)
        if ("ilsvrc", chosen) not in self._made:
            origin, backbone = self.study.origin(source), self.study.network(source)
            readable = backbone["name"].lower()
            architecture = self._architecture(backbone)
            if isinstance(origin, TrainOrigin):
                task = Task("classification", origin.dataset)
                training = self.study.training(task, None).hashed()
                settings = {
                    "backbone": backbone,
                    "origin": "train",
                    "training": training,
                    "seed": origin.seed,
                }
                code = self.code("ilsvrc") | self.code("source", task_type="classification")
                parents = {"dataset": self.prepared(origin.dataset)}
                made = Run("ilsvrc", readable, settings, code | architecture, parents=parents)
            elif isinstance(origin, ScratchOrigin):
                settings = {"backbone": backbone, "origin": "scratch", "seed": origin.seed}
                made = Run("ilsvrc", readable, settings, self.code("ilsvrc") | architecture)
            elif isinstance(origin, TimmOrigin):
                made = self.pretrained(origin.model, None)
            elif isinstance(origin, PackageOrigin):
                version = self.origin_version if chosen is None else package_version(origin.package)
                made = self.pretrained(origin.package, version)
            else:
                made = Run(
                    kind="ilsvrc",
                    name=readable,
                    settings={"backbone": backbone, "origin": "file", **_expected(origin)},
                    code=self.code("ilsvrc") | architecture,
                    versions={"file": str(self.origin_version)},
                    location={"path": str(origin.path)},
                )
            self._made["ilsvrc", chosen] = made
        return self._made["ilsvrc", chosen]

    def _architecture(self, backbone: Mapping[str, Any]) -> dict[str, int]:
        """Versions of the stages that a backbone of our own adds."""
        return {stage: self.declared[stage] for stage in stages_of(backbone["name"])}

    def pretrained(self, model: str, version: str | None) -> Run:
        """Weights of timm, or of a weight package, whose content has a version."""
        return pretrained(model, version, self.code("ilsvrc"))

    def left_out(self, source: str, to_own_targets: bool) -> list[str]:
        """The targets a source is not transferred to: those it was trained on; to_own_targets: of the experiment."""
        source = start_name(source)
        if not is_multi(source):
            return [source]
        return [] if to_own_targets else self.study.tasks_of_multi_source(source)

    def source(self, name: str, images: int | None, selection_seed: int, method: str = PLAIN) -> Run:
        """A source trained on a task, or on several datasets; a limit on images holds for each dataset.

        method: of a transfer; some have a way of their own to train what they start from.
        """
        if METHODS[method].source is None:
            method = PLAIN
        asked = ("source", name, images, selection_seed if images else None, method)
        if asked not in self._made:
            make = self._multi_source if is_multi(name) else self._single_source
            readable, settings, parents = make(start_name(name))
            backbone = backbone_name(name)
            task_type = type_of_source(name)
            assert task_type is not None  # names of sources were checked when the study was read
            self._made[asked] = Run(
                kind="source",
                name=readable
                + (f"-{backbone}" if backbone else "")
                + (f"-{images}-images" if images else "")
                + ("" if method == PLAIN else f"-{method}"),
                settings={
                    "backbone": self.study.network(name),
                    "task_type": task_type,
                    "images": images,
                    "selection_seed": selection_seed if images else None,
                    "seed": self.study.source_seed,
                    **settings,
                    **self._of_method(method),
                },
                code=self.code("source", task_type=task_type)
                | self._method_code(method)
                | self._architecture(self.study.network(name)),
                parents={"ilsvrc": self.ilsvrc(name), **parents},
            )
        return self._made[asked]

    def _single_source(self, name: str) -> tuple[str, dict[str, Any], dict[str, Run]]:
        task = Task.parse(name)
        settings = {
            "training": self.study.training(task, None).hashed(),
            **self.study.evaluation(task),
        }
        return task.slug, settings, {"dataset": self.prepared(task.dataset, task.part)}

    def _multi_source(self, name: str) -> tuple[str, dict[str, Any], dict[str, Run]]:
        shared, each = self.study.multi_source_training(name)
        datasets, parents = {}, {}
        for task, training in each.items():
            own = training.hashed()
            datasets[task.place] = {
                "training": {setting: own[setting] for setting in OWN_OF_EACH},
                **self.study.evaluation(task),
            }
            parents[f"dataset_{task.place}"] = self.prepared(task.dataset, task.part)
        return name.replace("_", "-"), {"training": shared.hashed(), "datasets": datasets}, parents

    def _training_of_target(self, target: Task, regime: str) -> dict[str, Any]:
        """Settings that all transfers to a target share, worked out once."""
        if (target, regime) not in self._of_targets:
            training = self.study.training(target, regime).hashed(leave_out=frozenset({"learning_rate"}))
            rates = self.study.learning_rates(target, regime)
            self._of_targets[target, regime] = {"training": training, "learning_rates": rates}
        return self._of_targets[target, regime]

    def transfer(self, source: str, target: Task, regime: str, seed: int, method: str) -> Run:
        """A source, or a baseline, fine-tuned on a target."""
        chosen = self.study.regimes[regime]
        parents = {"dataset": self.prepared(target.dataset, target.part)}
        start = source
        if start_name(source) == ILSVRC:
            parents["ilsvrc"] = self.ilsvrc(source)
            start = source.replace(PLUS, "-")
        elif source != "scratch":
            parents["source"] = self.source(source, chosen.source_images, chosen.selection_seed, method)
            start = parents["source"].name
        held_out = self.study.held_out_fraction if self.study.select_on == "held_out" else None
        limits = chosen.limits_of_target(target.dataset)
        settings = {
            "backbone": self.study.network(source),
            "task_type": target.type,
            **self._training_of_target(target, regime),
            **limits,
            "selection_seed": chosen.selection_seed if any(limits.values()) else None,
            "select_on": self.study.select_on,
            "held_out_fraction": held_out,
            "seed": seed,
            **self.study.evaluation(target),
            **self._of_method(method),
        }
        if METHODS[method].source_data:
            told, data = self._source_data(source, parents.get("source"))
            settings, parents = settings | told, parents | data
        words = [
            start,
            target.slug,
            named_limits(limits),
            f"seed{seed}",
            *([] if method == PLAIN else [method]),
        ]
        return Run(
            kind="transfer",
            name="--".join(words),
            settings=settings,
            code=self.code("transfer", task_type=target.type)
            | self._method_code(method)
            | self._architecture(settings["backbone"]),
            parents=parents,
        )

    def _of_method(self, method: str) -> dict[str, Any]:
        """What a method adds to the settings of its transfers, and of sources of its own; plain fine-tuning nothing."""
        if method == PLAIN:
            return {}
        section = METHODS[method].settings
        own = {} if section is None else {"guidance": getattr(self.study.methods, section).hashed()}
        return {"method": method, **own}

    def _method_code(self, method: str) -> dict[str, int]:
        return {stage: self.declared[stage] for stage in METHODS[method].stages}

    def _source_data(self, source: str, run: Run | None) -> tuple[dict[str, Any], dict[str, Run]]:
        """Settings and parents by which a transfer reads what its source was trained on; or why it cannot."""
        task = task_of(source)
        if run is None or task is None or "dataset" not in run.parents:
            return {"no_guidance": f"{source} is no source of one labelled dataset at hand"}, {}
        if task.type not in ("segmentation", "classification"):
            return {"no_guidance": f"{source} has no classes, which a coupling of labels needs"}, {}
        data = run.parents["dataset"]
        if ABSENT in (
            data.versions.get("dataset"),
            *(p.versions.get("dataset") for p in data.parents.values()),
        ):
            return {"no_guidance": f"the raw dataset of {source} is neither here nor recorded"}, {}
        limits = {name: run.settings[name] for name in ("images", "selection_seed")}
        return {"source_task_type": task.type, "source_limits": limits}, {"source_dataset": data}

    def target_model(self, transfer: Run) -> Run:
        """The model of a transfer, trained once more at the rate that the transfer found best."""
        return Run(
            kind="target_model",
            name=transfer.name,
            settings=transfer.settings,
            code=transfer.code,
            parents=transfer.parents | {"transfer": transfer},
        )


def transfer_from(baseline: Run, source: Run) -> Run:
    """The transfer of a source that no experiment need name: as that of ILSVRC to the same target, but for its start.

    A pretrained network is a start like ILSVRC, with its own backbone.
    """
    rest = baseline.name.partition("--")[2]
    role = "ilsvrc" if source.kind == "ilsvrc" else "source"
    parents = {each: run for each, run in baseline.parents.items() if each != "ilsvrc"} | {role: source}
    settings = baseline.settings | {"backbone": source.settings["backbone"]}
    return Run("transfer", f"{source.name}--{rest}", settings, baseline.code, parents=parents)


def pretrained(model: str, version: str | None, code: dict[str, int]) -> Run:
    """A checkpoint taken from timm, or from a weight package. version: of the package's content."""
    from transfer_atlas.models.packages import WEIGHT_PACKAGES

    package = model in WEIGHT_PACKAGES
    backbone = WEIGHT_PACKAGES[model][3] if package else model.split(".")[0]
    return Run(
        kind="ilsvrc",
        name=model.lower(),
        settings={
            "backbone": {"name": backbone},
            "origin": "package" if package else "timm",
            "package" if package else "model": model,
        },
        code=code,
        versions={"package": str(version)} if package else {},
    )


def _expected(origin: FileOrigin) -> dict[str, Any]:
    """The input that a file's weights expect, where the study states it: of the key like every setting."""
    if origin.mean is None or origin.std is None:
        return {}
    return {"expects": {"mean": list(origin.mean), "std": list(origin.std)}}


def named_limits(limits: Mapping[str, int | None]) -> str:
    """A target's limits in a readable name: `150-images`, `5-shots`, `all-images`."""
    named = [f"{limit}-{what}" for what, limit in limits.items() if limit]
    return "-".join(named) or "all-images"
