"""Reads a trained model of the store, or a copy of its checkpoint, with all that is needed to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.errors import CheckpointError
from transfer_atlas.models.backbone import backbone_of
from transfer_atlas.models.checkpoints import load_checkpoint, load_weights
from transfer_atlas.models.expected_input import ExpectedInput, whitening
from transfer_atlas.models.model import Model
from transfer_atlas.store.store import MODEL_FILE
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.tasks.settings import EvaluationSettings

NEEDED = ("backbone", "task_type", "expects", "datasets")


@dataclass(frozen=True)
class Trained:
    """A model in evaluation mode, its task type, and what its checkpoint says of the dataset it was trained on."""

    model: Model
    task_type: str
    description: DatasetDescription
    resolution: tuple[int, int]
    scoring: EvaluationSettings | None


def load_trained(path: Path, dataset: str | None = None) -> Trained:
    """The model of a run's folder, or of a checkpoint file; dataset: whose head, of a multi-source.

    Raises CheckpointError where there is none, where it cannot be used, or where `dataset` must be said.
    """
    path = Path(path) / MODEL_FILE if Path(path).is_dir() else Path(path)
    tensors, described = load_checkpoint(path)
    if not tensors:
        raise CheckpointError(
            f"{path} holds no model: its run {described.get('status', 'failed')} "
            f"({described.get('reason', 'no reason given')}). Choose another."
        )
    missing = [name for name in NEEDED if name not in described]
    if missing:
        raise CheckpointError(
            f"{path} does not say its {', '.join(missing)}: it is no model that was trained here on a task, or one of "
            "an earlier version. Name a source or a kept target model (`keep_target_models: true`) of this version."
        )
    kept = _chosen(described["datasets"], dataset, path)
    try:
        description = DatasetDescription.model_validate(kept["description"])
    except ValidationError as error:
        raise CheckpointError(
            f"{path} describes its dataset in a form that this version does not read ({error.error_count()} "
            "differences). Use the version that made it, or train it again."
        ) from None
    task = TASK_TYPES[described["task_type"]]
    backbone = backbone_of(described["backbone"], seed=0)
    load_weights(backbone, tensors, prefix="backbone.", origin=str(path))
    expects = ExpectedInput.of(described, str(path))
    backbone.expect(expects)
    head = task.head(backbone, description)
    prefix = "head." if any(name.startswith("head.") for name in tensors) else f"heads.{kept['name']}."
    load_weights(head, tensors, prefix=prefix, origin=str(path))
    statistics = whitening(expects.statistics, description.mean, description.std)
    scoring = kept.get("evaluation")
    return Trained(
        Model(backbone, head, *statistics).eval(),
        task.name,
        description,
        tuple(kept["resolution"]),
        None if scoring is None else EvaluationSettings.from_hashed(scoring),
    )


def _chosen(datasets: dict[str, Any], wanted: str | None, path: Path) -> dict[str, Any]:
    names = ", ".join(sorted(datasets))
    if wanted is None and len(datasets) > 1:
        raise CheckpointError(f"{path} was trained on {names}; say whose head is meant (--dataset).")
    name = next(iter(datasets)) if wanted is None else wanted
    if name not in datasets:
        raise CheckpointError(f"{path} was not trained on {name}; it was trained on {names}.")
    return datasets[name] | {"name": name}
