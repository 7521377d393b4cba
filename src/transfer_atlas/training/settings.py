"""Settings of training, with every default and its reason."""

from __future__ import annotations

from typing import Annotated, Literal, get_type_hints

from pydantic import BeforeValidator, Field, PositiveFloat, create_model, field_validator, model_validator

from transfer_atlas.strict import Introduced, Strict

Side = Annotated[int, Field(ge=1)]
Size = Annotated[tuple[Side, Side], Field(description="height, width in pixels")]


class StepSchedule(Strict):
    """Stepwise learning-rate decay (paper, section 4.3): lowered by `factor` at each fraction of the steps."""

    policy: Literal["step"] = "step"
    drop_at: list[Annotated[float, Field(gt=0, lt=1)]] = Field(
        [0.6, 0.85], description="Fractions of the steps after which the rate is lowered."
    )
    factor: float = Field(0.1, gt=0, lt=1, description="What the rate is multiplied by at each drop.")

    @field_validator("drop_at")
    @classmethod
    def _sorted(cls, fractions: list[float]) -> list[float]:
        return sorted(set(fractions))


class PolySchedule(Strict):
    """`rate * (1 - step / steps) ** power` (paper, section 4.3: used where steps were unstable, SUIM and KITTI)."""

    policy: Literal["poly"]
    power: float = Field(0.9, gt=0, description="Exponent p of the policy.")


class CosineSchedule(Strict):
    """From the rate down to a share of it along half a cosine (Loshchilov and Hutter 2017, without restarts)."""

    policy: Literal["cosine"]
    final: float = Field(0.0, ge=0, lt=1, description="Share of the rate that is left at the end.")


def _step_unless_told(value: object) -> object:
    """A schedule without `policy` is stepwise, as the default is."""
    return {"policy": "step", **value} if isinstance(value, dict) and "policy" not in value else value


Schedule = Annotated[
    StepSchedule | PolySchedule | CosineSchedule,
    Field(discriminator="policy"),
    BeforeValidator(_step_unless_told),
]


class Optimizer(Strict):
    """The optimizer and its constants."""

    name: Literal["sgd", "adam"] = "sgd"
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD; not used by Adam.")
    weight_decay: float = Field(1e-4, ge=0, description="L2 penalty on the weights.")

    def unused(self) -> set[str]:
        """Adam has no momentum of this kind."""
        return {"momentum"} if self.name == "adam" else set()


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
    statistics: Annotated[Literal["dataset", "ilsvrc"], Introduced("dataset")] = Field(
        "dataset",
        description="Whose mean and deviation whiten the images: each dataset's own (paper, section 4.1), or ILSVRC's, "
        "which leaves pictures as pretrained weights know them.",
    )
    depth_follows_zoom: Annotated[bool, Introduced(False)] = Field(
        False,
        description="Depth: whether random rescaling divides it by the zoom, as of a camera that comes nearer (Eigen "
        "et al. 2014); else it keeps its values, as of another lens.",
    )
    accumulation: Annotated[int, Introduced(1)] = Field(
        1,
        ge=1,
        description="Parts of a batch that are computed one after another, for memory's sake; their number must divide "
        "the batch. The same result as all at once, but where batch normalisation sees a part only (see "
        "`frozen_statistics`).",
    )
    checkpoint_activations: Annotated[bool, Introduced(False)] = Field(
        False,
        description="Compute activations of the backbone's blocks again in the backward pass in place of keeping them: "
        "a third more time, a fraction of the memory, the same result.",
    )
    warm_up: Annotated[int, Introduced(0)] = Field(
        0, ge=0, description="First steps over which the rate rises linearly to that of the schedule."
    )
    clip_gradients: Annotated[PositiveFloat | None, Introduced(None)] = Field(
        None, description="Largest norm of all gradients together; larger ones are scaled down to it."
    )
    head_rate_factor: Annotated[PositiveFloat, Introduced(1.0)] = Field(
        1.0, description="The head's learning rate relative to the backbone's."
    )
    decay_norms_and_biases: Annotated[bool, Introduced(True)] = Field(
        True,
        description="Whether weight decay acts on biases and on the weights of normalisation layers, too.",
    )
    frozen_statistics: Annotated[bool, Introduced(False)] = Field(
        False,
        description="Whether the backbone's batch normalisation keeps the statistics it starts with, for batches too "
        "small to estimate them; its weights are trained all the same.",
    )
    tf32: Annotated[bool, Introduced(False)] = Field(
        False, description="On a GPU: matrix products and convolutions of float32 with 10 bits of fraction."
    )
    compile: bool = Field(
        False,
        description="Whether `torch.compile` compiles the training step: minutes at the start; try on a GPU whether "
        "long runs are worth them (HRNetV2-W48 on an H100 was no faster).",
    )

    @model_validator(mode="after")
    def _check(self) -> TrainingSettings:
        if any(side % 32 for side in self.crop):
            raise ValueError(f"crop is {list(self.crop)}; the backbone needs multiples of 32")
        if self.batch_size % self.accumulation:
            fitting = [n for n in range(1, self.batch_size + 1) if self.batch_size % n == 0]
            raise ValueError(
                f"accumulation is {self.accumulation}, which does not divide the batch_size of {self.batch_size}; "
                f"expected one of {fitting}"
            )
        if self.compile and self.checkpoint_activations:
            raise ValueError("compile and checkpoint_activations exclude each other; choose one")
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
