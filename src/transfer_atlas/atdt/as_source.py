"""The run that makes a source of an AT/DT task network: its encoder as a backbone, which targets can be seen by."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

from transfer_atlas.atdt.networks import Encoder, HrnetStage
from transfer_atlas.atdt.requested import networks_of
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import Backbone, backbone_of
from transfer_atlas.models.checkpoints import load_weights, save_checkpoint
from transfer_atlas.models.expected_input import ExpectedInput
from transfer_atlas.store.store import MODEL_FILE, parent_record
from transfer_atlas.training.settings import TrainingSettings


def as_source(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """The encoder of a task network as a checkpoint like a source's, with the input that its weights expect.

    settings: `backbone`, as planned of the network's settings; `encoder`, the domain whose encoder it is, where each
    has one. Its decoder stays behind: it is no head of a task type. Raises LegitimateFailure("source_failed") where
    the network legitimately has no weights.
    """
    settings = request["settings"]
    networks, of_network = networks_of(request, "network")
    backbone = backbone_of(settings["backbone"], seed=0)
    fill(
        backbone, networks.encoder(settings.get("encoder", "")), str(request["parents"]["network"]["folder"])
    )
    statistics = TrainingSettings.from_hashed(dict(of_network["training"])).statistics
    expects = ExpectedInput(statistics=statistics)
    save_checkpoint(
        scratch / "output" / MODEL_FILE,
        {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()},
        {"key": request["key"], "expects": expects.described()},
    )
    images = parent_record(request, "network")["metrics"]["images"]
    return {
        "images": sum(images.values()),
        "parameters": sum(weight.numel() for weight in backbone.parameters()),
    }


def fill(backbone: Backbone, encoder: Encoder, origin: str) -> None:
    """Copy an encoder's weights into a backbone of the same network.

    Raises LegitimateFailure("source_failed") for weights that are not finite.
    """
    first = encoder.stages[0]
    if isinstance(first, HrnetStage):
        weights = first.backbone.state_dict()
    else:
        weights = {f"body.{name}": tensor for name, tensor in encoder.state_dict().items()}
    if not all(bool(tensor.isfinite().all()) for tensor in weights.values()):
        raise LegitimateFailure("source_failed", "the weights of the task network are not finite")
    load_weights(backbone, weights, prefix="", origin=origin)
