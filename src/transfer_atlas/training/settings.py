"""Settings of training, with every default and its reason."""

from __future__ import annotations

from typing import Annotated, Literal, get_type_hints

from pydantic import BeforeValidator, Field, create_model, field_validator, model_validator

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


def _step_unless_told(value: object) -> object:
    """A schedule without `policy` is stepwise, as the default is."""
    return {"policy": "step", **value} if isinstance(value, dict) and "policy" not in value else value


Schedule = Annotated[
    StepSchedule | PolySchedule, Field(discriminator="policy"), BeforeValidator(_step_unless_told)
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
