"""Settings of AT/DT, with every default and whether it is the paper's or ours.

"The paper" is Zama Ramirez et al., Learning Across Tasks and Domains, ICCV 2019; "supplement" is its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveFloat, field_validator, model_validator

from transfer_atlas.strict import Strict
from transfer_atlas.training.settings import (
    Optimizer,
    PolySchedule,
    Schedule,
    Size,
    TrainingSettings,
)

if TYPE_CHECKING:
    AnnotatedTask = str  # names of tasks are text, which pydantic checks where it is read
else:
    AnnotatedTask = Literal["segmentation", "depth", "normals"]  # what AT/DT maps between
Direction = Literal[
    "depth_to_segmentation",
    "segmentation_to_depth",
    "segmentation_to_normals",
    "normals_to_segmentation",
    "depth_to_normals",
    "normals_to_depth",
]
Method = Literal["baseline", "atdt", "oracle", "no_transfer", "cyclegan", "atdt_cyclegan"]
Sharing = Literal["shared", "separate", "shared_decoder"]
LEVELS = 4  # residual stages after which a network can be split
DEEPEST = LEVELS
_LINEAR = PolySchedule(policy="poly", power=1.0)  # supplement, section 2: a linearly decaying rate


class NetworkSettings(Strict):
    """A task network: encoder and decoder (paper, section 4; supplement, section 2)."""

    encoder: str = Field(
        "resnet50",
        description="A ResNet of timm (`resnet50` is the paper's), `resnet_tiny`, or an HRNet (`hrnet_w48`, "
        "`hrnet_tiny`), whose only split is the deepest.",
    )
    output_stride: Literal[8, 16, 32] = Field(
        16, description="What a ResNet compresses an image by (paper: 16)."
    )
    dilations: tuple[Annotated[int, Field(ge=1)], Annotated[int, Field(ge=1)]] = Field(
        (2, 4), description="Rates of dilation in a ResNet's last two stages (supplement: 2 and 4)."
    )
    decoder_channels: int = Field(
        256,
        ge=4,
        description="Channels of the decoder's first convolution, halved by each further one (ours).",
    )
    batch_norm: bool = Field(
        True, description="Whether all layers have batch normalisation (paper, section 4; Table 6)."
    )
    start: Literal["random", "ilsvrc"] = Field(
        "random",
        description="What the encoder starts from: random weights, or the study's ILSVRC checkpoint, which must be of "
        "this encoder. The paper does not say.",
    )

    @property
    def is_hrnet(self) -> bool:
        """Whether the encoder is an HRNet."""
        return self.encoder.startswith("hrnet")

    def stride_at(self, level: int) -> int:
        """What the features after `level` of four stages are smaller than the image by."""
        return 4 if self.is_hrnet else min(2 ** (level + 1), self.output_stride)

    def unused(self) -> set[str]:
        """Stride and rates are a ResNet's."""
        return {"output_stride", "dilations"} if self.is_hrnet else set()

    @model_validator(mode="after")
    def _check(self) -> NetworkSettings:
        if self.is_hrnet and not self.batch_norm:
            raise ValueError("an HRNet is not made without batch normalisation; choose a ResNet")
        return self


class StepTraining(Strict):
    """How one of the steps is trained."""

    resolution: Size = Field(
        (512, 512), description="Complete images are scaled to fit inside this size for evaluation."
    )
    crop: Size = Field(
        (512, 512), description="Random crops in training, multiples of 32 (supplement: 512 x 512)."
    )
    scale: tuple[float, float] = Field(
        (1.0, 1.0), description="Range of random rescaling, relative to the evaluated size (ours: none)."
    )
    batch_size: int = Field(8, ge=1, description="Images of a step, of all domains together (supplement: 8).")
    optimizer: Optimizer = Field(
        Optimizer(name="adam", weight_decay=0.0), description="Supplement: Adam with beta_1 of 0.9."
    )
    learning_rate: float = Field(1e-4, gt=0, description="Supplement: 0.0001.")
    schedule: Schedule = Field(_LINEAR, description="Supplement: linear decay, which is `poly` of power 1.")
    steps: int = Field(
        100_000, ge=1, description='Supplement: "until the loss stabilizes"; the number is ours.'
    )
    clip_gradients: PositiveFloat | None = Field(
        None, description="Largest norm of all gradients together; larger ones are scaled down to it."
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Precision of the arithmetic.")
    statistics: Literal["dataset", "ilsvrc"] = Field(
        "ilsvrc",
        description="Whose mean and deviation whiten the images: ILSVRC's for all domains, or each dataset's own, "
        "which is a first step of adaptation (ours; the paper does not say).",
    )

    def training(self) -> TrainingSettings:
        """The same as the settings that batches and optimizers know."""
        return TrainingSettings.model_validate(self.model_dump())

    @model_validator(mode="after")
    def _check(self) -> StepTraining:
        self.training()
        return self


class TransferNetworkSettings(Strict):
    """The transfer network G (paper, section 3.5; supplement, section 2), trained on A with both networks frozen."""

    channels: int = Field(512, ge=1, description="Channels between its six convolutions (ours).")
    crop: Size = Field((512, 512), description="Random crops, multiples of 32 (supplement: 512 x 512).")
    batch_size: int = Field(1, ge=1, description="Images of a step (supplement: 1).")
    learning_rate: float = Field(1e-5, gt=0, description="Of Adam (supplement: 0.00001).")
    schedule: Schedule = Field(
        _LINEAR,
        description="Ours: linear decay, as of the task networks; the supplement gives none.",
    )
    steps: int = Field(100_000, ge=1, description="Supplement: 100,000.")


class TranslationSettings(Strict):
    """CycleGAN, which makes B's images look like A's (paper, section 5.3; supplement, 1.4).

    Its own paper is Zhu et al., Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial Networks (2017),
    whose settings the supplement takes; the names in brackets are that paper's sections.
    """

    width: int = Field(64, ge=1, description="Channels of the generators' first layer (7.1).")
    blocks: int = Field(
        9, ge=1, description="Residual blocks of a generator (7.1: nine for 256 x 256 pixels)."
    )
    discriminator_width: int = Field(
        64, ge=1, description="Channels of the discriminators' first layer (7.1)."
    )
    discriminator_layers: int = Field(
        3,
        ge=1,
        le=6,
        description="Layers of a discriminator after its first (7.1: three, of 70 x 70 patches).",
    )
    crop: Size = Field(
        (400, 400),
        description="Random crops, multiples of 4 (supplement: 400 x 400); smaller images are enlarged.",
    )
    batch_size: int = Field(1, ge=1, description="Images of each domain in a step (7.1).")
    learning_rate: float = Field(2e-4, gt=0, description="Of Adam with beta_1 of 0.5 (7.1).")
    decay_from: float = Field(
        0.5, ge=0, le=1, description="Share of the steps after which the rate falls to 0 (7.1)."
    )
    steps: int = Field(200_000, ge=1, description="Supplement: 200,000.")
    cycle_weight: float = Field(10.0, ge=0, description="Weight of the cycle (7.1: lambda of 10).")
    identity_weight: float = Field(
        0.5, ge=0, description="Weight of the identity, relative to the cycle's (5.2)."
    )
    pool: int = Field(50, ge=0, description="Earlier images kept for the discriminators (7.1).")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="Precision of the arithmetic.")
    seed: int = Field(
        0, ge=0, description="Of all networks: one translation serves all seeds of an experiment (ours)."
    )

    @model_validator(mode="after")
    def _check(self) -> TranslationSettings:
        if any(side % 4 for side in self.crop):
            raise ValueError(f"crop is {list(self.crop)}; CycleGAN's generator needs multiples of 4")
        least = 4 << self.discriminator_layers
        if min(self.crop) < least:
            raise ValueError(
                f"crop is {list(self.crop)}; a discriminator with discriminator_layers of {self.discriminator_layers} "
                f"needs at least {least} pixels"
            )
        return self


class DomainSettings(Strict):
    """Where a domain's annotations come from, where no single dataset has them all."""

    segmentation: str | None = Field(None, description="Dataset with the masks.")
    depth: str | None = Field(None, description="Dataset with the depth maps.")
    normals: str | None = Field(None, description="Dataset with the surface normals.")


class AtdtExperiment(Strict):
    """A block of AT/DT: a pair of domains, directions, methods and their variants."""

    a: str = Field(description="Domain with annotations for both tasks: a dataset, or one of `atdt.domains`.")
    b: str = Field(description="Domain with annotations for task 1; those for task 2 are used to evaluate.")
    directions: list[Direction] = Field(
        ["depth_to_segmentation", "segmentation_to_depth"],
        min_length=1,
        description="Task 1 to task 2 (supplement, 1.5 has `segmentation_to_normals` as well).",
    )
    methods: list[Method] = Field(
        ["baseline", "atdt", "oracle"],
        min_length=1,
        description="`baseline`: N2 trained on A; `oracle`: N2 trained on B; `no_transfer`: one encoder with two "
        "decoders (supplement, Tables 3 and 4); `cyclegan`: N2 on B's images in A's style; `atdt_cyclegan`: AT/DT "
        "with these in place of B's (Tables 3 and 4).",
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)
    levels: list[Annotated[int, Field(ge=1, le=LEVELS)]] = Field(
        [DEEPEST],
        min_length=1,
        description="Residual stages after which networks are split; 4 is the deepest, the paper's choice (Fig. 4).",
    )
    n1: list[Sharing] = Field(
        ["shared"],
        min_length=1,
        description="N1 as one network for both domains, as two (Table 5), or as two encoders with one decoder "
        "(supplement, Table 5).",
    )
    batch_norm: list[bool] = Field(
        [], description="Networks with and without batch normalisation (Table 6); that of `network` if empty."
    )
    classes: list[str] | None = Field(
        None,
        min_length=2,
        description="Classes of segmentation, by names that both domains have; all that both have if absent.",
    )

    @model_validator(mode="after")
    def _check(self) -> AtdtExperiment:
        if self.a == self.b:
            raise ValueError(f"a and b are both {self.a!r}; AT/DT needs two domains")
        if self.classes is not None and len(set(self.classes)) < len(self.classes):
            raise ValueError("classes: a name stands twice")
        return self


class AtdtSettings(Strict):
    """Learning across tasks and domains: what is learned from what, and how."""

    network: NetworkSettings = NetworkSettings()
    networks: dict[AnnotatedTask, NetworkSettings] = Field(
        {}, description="Another network for one task type; at the split, both must have the same stride."
    )
    training: dict[AnnotatedTask, StepTraining] = Field(
        {"segmentation": StepTraining(), "depth": StepTraining(), "normals": StepTraining()},
        description="Training of the task networks by task type.",
    )
    transfer_network: TransferNetworkSettings = TransferNetworkSettings()
    translation: TranslationSettings = TranslationSettings()
    depth_maximum: float = Field(
        100.0,
        gt=0,
        description="Depth is clipped to this, in metres, and divided by it (supplement, section 3).",
    )
    centre_crop: dict[str, Size] = Field(
        {},
        description="Height and width of the middle of the images that alone is evaluated, by dataset (supplement: "
        "320 x 1216 for KITTI).",
    )
    domains: dict[str, DomainSettings] = Field(
        {}, description="Domains whose annotations come from several datasets, by name."
    )
    experiments: list[AtdtExperiment] = Field(min_length=1)

    @field_validator("training", mode="after")
    @classmethod
    def _all_tasks(cls, value: dict[AnnotatedTask, StepTraining]) -> dict[AnnotatedTask, StepTraining]:
        return {
            "segmentation": StepTraining(),
            "depth": StepTraining(),
            "normals": StepTraining(),
            **value,
        }
