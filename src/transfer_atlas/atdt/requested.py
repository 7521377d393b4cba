"""What the request of an AT/DT run says, made into its datasets, its networks and their frozen copies."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from transfer_atlas.atdt.learning import Frozen, TaskNetworks
from transfer_atlas.atdt.networks import Encoder, HrnetStage
from transfer_atlas.atdt.transfer_network import TransferNetwork
from transfer_atlas.atdt.views import View
from transfer_atlas.errors import CheckpointError
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.checkpoints import load_backbone, load_checkpoint, load_weights
from transfer_atlas.models.expected_input import whitening
from transfer_atlas.store.store import MODEL_FILE, parent_record
from transfer_atlas.training.requested import open_dataset
from transfer_atlas.training.settings import TrainingSettings

DATASET = "dataset_"  # role of a dataset among the parents, before its name


def places_of(request: Mapping[str, Any]) -> list[str]:
    """Names of the datasets among the parents, sorted."""
    return sorted(role.removeprefix(DATASET) for role in request["parents"] if role.startswith(DATASET))


def view_of(
    request: dict[str, Any],
    place: str,
    settings: Mapping[str, Any],
    *,
    share: int = 1,
    centre_crop: list[int] | None = None,
) -> View:
    """A dataset as `settings` of a network have it: its classes, and its limit of depth.

    Raises LegitimateFailure("source_failed") where it is a translation that legitimately has none.
    """
    parent_record(request, f"{DATASET}{place}")
    return View(
        open_dataset(request, f"{DATASET}{place}", share=share),
        classes=tuple(settings["classes"]) if settings.get("classes") else None,
        depth_maximum=settings.get("depth_maximum"),
        centre_crop=(centre_crop[0], centre_crop[1]) if centre_crop else None,
    )


def statistics_of(view: View, training: Mapping[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that whiten a dataset's images for a network that was trained so."""
    chosen = TrainingSettings.from_hashed(dict(training)).statistics
    return whitening(chosen, view.description.mean, view.description.std)


def start_from_ilsvrc(request: dict[str, Any], networks: TaskNetworks) -> None:
    """Copy the ILSVRC checkpoint's backbone into the encoders, if it is among the parents.

    Raises CheckpointError where it is of another network.
    """
    if "ilsvrc" not in request["parents"]:
        return
    record = parent_record(request, "ilsvrc")
    path = Path(request["parents"]["ilsvrc"]["folder"]) / MODEL_FILE
    backbone = build_backbone(record["settings"]["backbone"]["name"], seed=0)
    load_backbone(backbone, path)
    for encoder in networks.encoders.values():
        assert isinstance(encoder, Encoder)
        copy_backbone(backbone, encoder, str(path))


def copy_backbone(backbone: Any, encoder: Encoder, origin: str) -> None:
    """Copy a backbone's weights into an encoder of the same architecture, whatever its strides."""
    stage = encoder.stages[0]
    if isinstance(stage, HrnetStage):
        load_weights(stage.backbone, backbone.state_dict(), prefix="", origin=origin)
        return
    body = getattr(backbone.body, "network", backbone.body)
    targets: dict[str, nn.Module] = {f"layer{n}": s for n, s in enumerate(encoder.stages[1:], start=2)}
    first = encoder.stages[0]
    targets |= {"conv1": first[0][0], "bn1": first[0][1], "layer1": first[1]}
    try:
        for name, module in targets.items():
            module.load_state_dict(body.get_submodule(name).state_dict())
    except (AttributeError, RuntimeError) as error:
        raise CheckpointError(
            f"checkpoint {origin} is no start for the encoder ({str(error).splitlines()[0]}): `start: ilsvrc` needs "
            "`backbone` and `ilsvrc` of the study to be of `atdt.network.encoder`."
        ) from None


def networks_of(request: dict[str, Any], role: str) -> tuple[TaskNetworks, dict[str, Any]]:
    """The trained networks of a parent, and that run's settings.

    Raises LegitimateFailure("source_failed") where the parent legitimately has none.
    """
    record = parent_record(request, role)
    settings = record["settings"]
    places = [r.removeprefix(DATASET) for r in record["parents"] if r.startswith(DATASET)]
    networks = TaskNetworks.of(settings, places)
    path = Path(request["parents"][role]["folder"]) / MODEL_FILE
    load_weights(networks, load_checkpoint(path)[0], prefix="", origin=str(path))
    return networks, settings


def frozen(request: dict[str, Any], role: str, task_type: str, place: str, view: View, level: int) -> Frozen:
    """A parent's network for a task, frozen and split; place: the domain whose encoder is taken, if each has one.

    view: the dataset whose images it will see.
    """
    networks, settings = networks_of(request, role)
    encoder, decoder = networks.encoder(place), networks.decoders[task_type]
    return Frozen(encoder, decoder, statistics_of(view, settings["training"]), level)


def transfer_network_of(request: dict[str, Any], role: str = "transfer_network") -> TransferNetwork:
    """The trained G of a parent."""
    parent_record(request, role)
    path = Path(request["parents"][role]["folder"]) / MODEL_FILE
    tensors, description = load_checkpoint(path)
    network = TransferNetwork(*description["channels"], seed=0)
    load_weights(network, tensors, prefix="", origin=str(path))
    return network
