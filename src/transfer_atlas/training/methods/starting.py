"""What a transfer is fine-tuned from: the backbone of its source as it is, or what its method makes of it, once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from accelerate import Accelerator

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.errors import CheckpointError, LegitimateFailure
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.models.checkpoints import load_checkpoint, load_weights, save_checkpoint
from transfer_atlas.process.progress import Progress
from transfer_atlas.training.methods.registry import METHODS, PLAIN, Method, called
from transfer_atlas.training.requested import start
from transfer_atlas.training.settings import TrainingSettings

START_FILE = (
    "start.safetensors"  # in the scratch folder: what a method made of the source, for all rates of the grid
)


def method_of(settings: Mapping[str, Any]) -> Method:
    """The method of a transfer's settings; plain where they name none."""
    return METHODS[settings.get("method", PLAIN)]


class StartingPoint:
    """Makes the backbone that each learning rate of a transfer starts from.

    `told` is what is to be known of how it was made; empty for plain fine-tuning.
    """

    def __init__(
        self,
        request: dict[str, Any],
        dataset: PreparedDataset,
        indices: np.ndarray,
        training: TrainingSettings,
        *,
        accelerator: Accelerator,
        scratch: Path,
        progress_to: TextIO,
    ) -> None:
        """Raises LegitimateFailure where the method refuses the source, or fails."""
        settings = request["settings"]
        self.request, self.made, self.told = request, scratch / START_FILE, {}
        method = method_of(settings)
        if method.start is None:
            return
        if settings["task_type"] not in method.task_types:
            raise LegitimateFailure(
                "not_applicable",
                f"{settings['method']} is for {' and '.join(method.task_types)}, not for {settings['task_type']}",
            )
        told = _told(self.made)
        if told is None:
            progress = Progress(
                f"{request['name']}: {settings['method']}", settings["guidance"]["steps"], progress_to
            )
            backbone, told = called(method.start)(
                request,
                start(request, settings["seed"]),
                dataset,
                indices,
                training,
                accelerator=accelerator,
                scratch=scratch,
                watch=lambda done, loss: progress.show(done, f"W_T {loss:.3f}"),
            )
            save_checkpoint(self.made, backbone.state_dict(), {"told": told})
        self.told = {settings["method"]: told}

    def backbone(self) -> Backbone:
        """A fresh copy."""
        backbone = start(self.request, self.request["settings"]["seed"])
        if self.told:
            load_weights(backbone, load_checkpoint(self.made)[0], prefix="", origin=str(self.made))
        return backbone


def _told(path: Path) -> dict[str, Any] | None:
    """What an interrupted attempt left of its starting point, if it is whole."""
    if not path.exists():
        return None
    try:
        return load_checkpoint(path)[1]["told"]
    except (CheckpointError, KeyError):
        path.unlink()
        return None
