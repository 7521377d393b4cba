"""The part of the plan that learns across tasks and domains: N1, N2, G, their evaluations, and B in A's style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from transfer_atlas.atdt.settings import DEEPEST, AtdtExperiment, AtdtSettings, StepTraining
from transfer_atlas.datasets.registry import ADAPTERS, root_of
from transfer_atlas.errors import AtlasError, ConfigurationError
from transfer_atlas.planning.identity import Wanted, wanted
from transfer_atlas.planning.run import Run
from transfer_atlas.planning.transfers import Builder
from transfer_atlas.study.domains import dataset_of, network_of, tasks_of_direction
from transfer_atlas.study.study import Study

DATASET = "dataset_"  # role of a dataset among a run's parents, before its name
# The factors of an evaluation, in the order in which tables name them.
ATDT_FACTORS = ("a", "b", "direction", "method", "evaluated_on", "level", "n1", "batch_norm", "seed")
KINDS_OF_ATDT = (
    "atdt_translator",
    "atdt_translated",
    "atdt_network",
    "atdt_transfer_network",
    "atdt_evaluation",
)
# Of an experiment: domain A, domain B, and B in A's style, which CycleGAN makes of it.
A, B, B_LIKE_A = "a", "b", "b_like_a"


def atdt_datasets(study: Study) -> set[str]:
    """Names of the datasets that AT/DT reads."""
    if study.atdt is None:
        return set()
    return {
        dataset_of(study, domain, task_type)
        for experiment in study.atdt.experiments
        for domain in (experiment.a, experiment.b)
        for direction in experiment.directions
        for task_type in tasks_of_direction(direction)
    }


def wanted_atdt(study: Study, build: Builder) -> list[Wanted]:
    """Evaluations of every method, variant and seed; none unless the study asks for any.

    Raises ConfigurationError for class maps that do not overlap, and for depth that is not comparable.
    """
    if study.atdt is None:
        return []
    found: dict[tuple[Any, ...], Wanted] = {}
    for index, experiment in enumerate(study.atdt.experiments):
        where = f"atdt.experiments[{index}]"
        classes = shared_classes(study, experiment, where)
        _check_depth(study, experiment, where)
        pair = Pair(study, study.atdt, build, experiment, classes)
        for each in pair.wanted():
            found.setdefault(each.names, each)
    return list(found.values())


@dataclass(frozen=True)
class Pair:
    """Builds the runs of one experiment. classes: of segmentation, common to both domains."""

    study: Study
    settings: AtdtSettings
    build: Builder
    experiment: AtdtExperiment
    classes: Sequence[str]

    def wanted(self) -> Iterator[Wanted]:
        """What the experiment asks for."""
        norms: list[bool | None] = [*sorted(set(self.experiment.batch_norm))] or [None]
        for direction in dict.fromkeys(self.experiment.directions):
            for batch_norm in norms:
                for seed in sorted(set(self.experiment.seeds)):
                    yield from self._of_direction(direction, batch_norm, seed)

    def _of_direction(self, direction: str, batch_norm: bool | None, seed: int) -> Iterator[Wanted]:
        first, second = tasks_of_direction(direction)
        shared = network_of(self.settings, second, batch_norm).batch_norm

        def identity(method: str, on: str, level: int | None = None, n1: str | None = None) -> dict[str, Any]:
            values = (self.experiment.a, self.experiment.b, direction, method, on, level, n1, shared, seed)
            return dict(zip(ATDT_FACTORS, values, strict=True))

        second_on_a = self.network({second: [A]}, batch_norm, seed)
        for method in sorted(set(self.experiment.methods)):
            if method == "baseline":
                for on in ("a", "b"):
                    yield wanted(self.evaluation(second, on, second_on_a, seed), **identity(method, on))
            elif method == "cyclegan":
                yield wanted(self.evaluation(second, B_LIKE_A, second_on_a, seed), **identity(method, "b"))
            elif method == "oracle":
                own = self.network({second: [B]}, batch_norm, seed)
                yield wanted(self.evaluation(second, "b", own, seed), **identity(method, "b"))
            elif method == "no_transfer":
                both = self.network({first: [A, B], second: [A]}, batch_norm, seed)
                for on in ("a", "b"):
                    yield wanted(self.evaluation(second, on, both, seed), **identity(method, on))
            else:
                other = B if method == "atdt" else B_LIKE_A
                for n1 in sorted(set(self.experiment.n1)):
                    for level in sorted(set(self.experiment.levels)):
                        for on, side in (("a", A), ("b", other)) if method == "atdt" else (("b", other),):
                            chosen = (batch_norm, seed, n1, level)
                            run = self._atdt(first, second, second_on_a, *chosen, side, other)
                            yield wanted(run, **identity(method, on, level, n1))

    def _atdt(
        self,
        first: str,
        second: str,
        second_on_a: Run,
        batch_norm: bool | None,
        seed: int,
        n1: str,
        level: int,
        on: str,
        other: str,
    ) -> Run:
        """D2(G(E1(x))) on a domain; with two networks N1, G is trained with A's, and B's images go through B's.

        on: what it is evaluated on. other: what N1 learns beside A, B or B in A's style (supplement, 1.4).
        """
        if n1 == "separate":
            of_a, of_b = (self.network({first: [side]}, batch_norm, seed) for side in (A, other))
        else:
            encoders = "shared" if n1 == "shared" else "separate"
            of_a = of_b = self.network({first: [A, other]}, batch_norm, seed, encoders)
        mapping = self.transfer_network(first, second, of_a, second_on_a, level, seed)
        return self.evaluation(
            second,
            on,
            second_on_a,
            seed,
            encoder=of_a if on == A else of_b,
            mapping=mapping,
            first=first,
            level=level,
        )

    def _dataset(self, side: str, task_type: str) -> str:
        """Name of the dataset of a domain of the study."""
        return dataset_of(self.study, getattr(self.experiment, side), task_type)

    def _images(self, side: str, task_type: str) -> Run:
        """The dataset of a side: as prepared, or B's in A's style."""
        if side != B_LIKE_A:
            return self.build.prepared(self._dataset(side, task_type))
        return self.translated(self._dataset(A, task_type), self._dataset(B, task_type))

    def translator(self, a: str, b: str) -> Run:
        """CycleGAN between two datasets."""
        settings = self.settings.translation
        return Run(
            kind="atdt_translator",
            name=f"{a}-and-{b}--seed{settings.seed}",
            settings={"training": settings.hashed()},
            code=self.build.code("atdt_translator"),
            parents={"a": self.build.prepared(a), "b": self.build.prepared(b)},
        )

    def translated(self, a: str, b: str) -> Run:
        """The dataset b in the style of a."""
        return Run(
            kind="atdt_translated",
            name=f"{b}-like-{a}",
            settings={"name": f"{b}-like-{a}"},
            code=self.build.code("atdt_translated"),
            parents={"whole": self.build.prepared(b), "translator": self.translator(a, b)},
        )

    def network(
        self,
        tasks: Mapping[str, Sequence[str]],
        batch_norm: bool | None,
        seed: int,
        encoders: str = "shared",
    ) -> Run:
        """A task network. tasks: task types with the sides that they are learned on, such as {"depth": ["a", "b"]}.

        The first task's training settings count.
        """
        images = {task: [self._images(side, task) for side in sides] for task, sides in tasks.items()}
        places = {task: sorted({run.name for run in runs}) for task, runs in images.items()}
        leading = next(iter(tasks))
        network = network_of(self.settings, leading, batch_norm)
        parents = {f"{DATASET}{run.name}": run for runs in images.values() for run in runs}
        if network.start == "ilsvrc":
            parents["ilsvrc"] = self.build.ilsvrc()
        what = "-and-".join(f"{task}-{'-'.join(its)}" for task, its in places.items())
        variant = "" if network.batch_norm else "-no-norm"
        return Run(
            kind="atdt_network",
            name=f"{what}{'' if encoders == 'shared' else '-two-encoders'}{variant}--seed{seed}",
            settings={
                "network": network.hashed(),
                "training": self._training(leading),
                "tasks": places,
                "encoders": encoders,
                "seed": seed,
                **({"classes": list(self.classes)} if "segmentation" in tasks else {}),
                **({"depth_maximum": self.settings.depth_maximum} if "depth" in tasks else {}),
            },
            code=self._code("atdt_network", *tasks),
            parents=parents,
        )

    def transfer_network(self, first: str, second: str, n1: Run, n2: Run, level: int, seed: int) -> Run:
        """G between two networks, trained on A."""
        own = self.settings.transfer_network
        training = StepTraining(
            **self.settings.training[second].model_dump(include={"resolution", "scale", "precision"}),
            crop=own.crop,
            batch_size=own.batch_size,
            learning_rate=own.learning_rate,
            schedule=own.schedule,
            steps=own.steps,
        )
        place = self._dataset("a", second)
        return Run(
            kind="atdt_transfer_network",
            name=f"{first}-to-{second}-{place}-level{level}--{n1.name}",
            settings={
                "from_task": first,
                "to_task": second,
                "level": level,
                "channels": own.channels,
                "training": training.training().hashed(leave_out=frozenset({"statistics"})),
                "network": n1.settings["network"],
                "seed": seed,
            },
            code=self._code("atdt_transfer_network", first, second),
            parents={"n1": n1, "n2": n2, f"{DATASET}{place}": self.build.prepared(place)},
        )

    def evaluation(
        self,
        task_type: str,
        on: str,
        decoder: Run,
        seed: int,
        *,
        encoder: Run | None = None,
        mapping: Run | None = None,
        first: str | None = None,
        level: int = DEEPEST,
    ) -> Run:
        """What a network, or an encoder, G and a decoder, say of a domain's evaluation set."""
        images = self._images(on, task_type)
        place = images.name
        training = self.settings.training[task_type]
        parents = {"decoder": decoder, f"{DATASET}{place}": images}
        through: dict[str, Any] = {}
        name = f"{decoder.name}--on-{place}"
        if encoder is not None and mapping is not None:
            parents |= {"encoder": encoder, "transfer_network": mapping}
            through = {"from_task": first, "level": level}
            name = f"{mapping.name}--on-{place}"
        crop = self.settings.centre_crop.get(self._dataset(A if on == A else B, task_type))
        return Run(
            kind="atdt_evaluation",
            name=name,
            settings={
                "task_type": task_type,
                "resolution": list(training.resolution),
                "batch_size": training.batch_size,
                "precision": training.precision,
                "network": decoder.settings["network"],
                "seed": seed,
                **through,
                **({"centre_crop": list(crop)} if crop else {}),
            },
            code=self._code("atdt_evaluation", task_type, *([first] if first else [])),
            parents=parents,
        )

    def _training(self, task_type: str) -> dict[str, Any]:
        return self.settings.training[task_type].training().hashed()

    def _code(self, kind: str, *task_types: str) -> dict[str, int]:
        found: dict[str, int] = {}
        for task_type in task_types:
            found |= self.build.code(kind, task_type=task_type)
        return found


def shared_classes(study: Study, experiment: AtdtExperiment, where: str) -> list[str]:
    """The classes of segmentation that both domains have, in A's order, or those that the experiment names.

    None where no direction has segmentation. Raises ConfigurationError if there are fewer than two, or if a named one
    is known to be absent.
    """
    if "segmentation" not in _tasks(experiment):
        return []
    described = {
        side: _described(study, dataset_of(study, getattr(experiment, side), "segmentation"))
        for side in ("a", "b")
    }
    names = {
        side: found["segmentation"]["classes"] if found and found.get("segmentation") else None
        for side, found in described.items()
    }
    if experiment.classes is not None:
        for side, own in names.items():
            lacking = [] if own is None else [name for name in experiment.classes if name not in own]
            if lacking:
                raise ConfigurationError(
                    f"{where}.classes: {getattr(experiment, side)} has no class {', '.join(lacking)} (it has "
                    f"{', '.join(own or [])})."
                )
        return list(experiment.classes)
    for side, own in names.items():
        if own is None:
            raise ConfigurationError(
                f"{where}: the classes of {getattr(experiment, side)} are known only from its files, which are not "
                "here; name the classes that both domains have under `classes`."
            )
    common = [name for name in names["a"] or [] if name in (names["b"] or [])]
    if len(common) < 2:
        raise ConfigurationError(
            f"{where}: the class maps of {experiment.a} ({', '.join(names['a'] or [])}) and {experiment.b} "
            f"({', '.join(names['b'] or [])}) do not overlap by two classes; bring one to the names of the other by "
            "the label map of its adapter."
        )
    return common


def _tasks(experiment: AtdtExperiment) -> set[str]:
    """Task types of an experiment's directions."""
    return {task_type for direction in experiment.directions for task_type in tasks_of_direction(direction)}


def _check_depth(study: Study, experiment: AtdtExperiment, where: str) -> None:
    """Depth must be in metres in both domains, and some of it within the limit."""
    assert study.atdt is not None
    for side in ("a", "b") if "depth" in _tasks(experiment) else ():
        name = dataset_of(study, getattr(experiment, side), "depth")
        found = _described(study, name)
        depth = (found or {}).get("depth")
        if depth is None:
            continue
        depth = depth if isinstance(depth, Mapping) else depth.model_dump()
        if depth["unit"] != "metre":
            raise ConfigurationError(
                f"{where}.{side}: depth of {name} is {depth['unit']}; AT/DT compares metres between domains."
            )
        if depth["minimum"] >= study.atdt.depth_maximum:
            raise ConfigurationError(
                f"{where}.{side}: {name} has no valid depth: it begins at {depth['minimum']:g} m, and "
                f"atdt.depth_maximum is {study.atdt.depth_maximum:g} m."
            )


def _described(study: Study, name: str) -> dict[str, Any] | None:
    """What a dataset's adapter says of it without its files; None where it needs them and they are not here."""
    adapter = study.datasets[name].adapter
    try:
        return ADAPTERS[adapter.name].describe(adapter, root_of(adapter, study.data_root), name)
    except (AtlasError, OSError, ValueError):
        return None
