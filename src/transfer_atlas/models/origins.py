"""Where ILSVRC weights come from, other than training: timm, a package, a local file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
from torch import Tensor, nn

from transfer_atlas.errors import CheckpointError, ConfigurationError
from transfer_atlas.models.backbone import Backbone, build_backbone
from transfer_atlas.models.checkpoints import load_foreign, load_foreign_described, load_weights
from transfer_atlas.models.expected_input import OF_PACKAGES, ExpectedInput
from transfer_atlas.models.packages import WEIGHT_PACKAGES, package_file

_WRAPPERS = re.compile(r"^((network|model)\.)+")


def classifier_from_package(package: str) -> nn.Module:
    """timm's complete classification network with the package's weights, loaded strictly."""
    model = timm.create_model(WEIGHT_PACKAGES[package][3], pretrained=False)
    load_weights(model, _timm_names(load_foreign(package_file(package)), model), prefix="", origin=package)
    return model


def _timm_names(tensors: dict[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Rename a state dict of the EfficientNet-PyTorch implementation (`_blocks.3._bn1.bias`) as timm names it."""
    first_block = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
    block = {
        "_expand_conv": "conv_pw",
        "_bn0": "bn1",
        "_depthwise_conv": "conv_dw",
        "_bn1": "bn2",
        "_project_conv": "conv_pwl",
        "_bn2": "bn3",
    }
    outer = {
        "_conv_stem": "conv_stem",
        "_bn0": "bn1",
        "_conv_head": "conv_head",
        "_bn1": "bn2",
        "_fc": "classifier",
    }
    places = [
        f"blocks.{stage}.{unit}" for stage, units in enumerate(model.blocks) for unit in range(len(units))
    ]
    renamed = {}
    for name, tensor in tensors.items():
        parts = name.split(".")
        if parts[0] == "_blocks":
            # The first stage's unit has no expansion, so its parts carry other names.
            names = first_block if parts[1] == "0" else block
            renamed[f"{places[int(parts[1])]}.{names[parts[2]]}.{parts[3]}"] = tensor
        else:
            renamed[f"{outer[parts[0]]}.{parts[1]}"] = tensor
    return renamed


def backbone_from_package(name: str, package: str) -> Backbone:
    """Backbone `name` with a package's weights. Raises ConfigurationError if the package is for another network."""
    expected = WEIGHT_PACKAGES[package][3]
    if name != expected:
        raise ConfigurationError(
            f"backbone.name is {name!r}, but the weights of {package} are for {expected!r}; set backbone.name to it."
        )
    backbone = backbone_from_classifier(name, classifier_from_package(package).state_dict(), package)
    backbone.expect(OF_PACKAGES[package])
    return backbone


def backbone_from_timm(name: str, model: str) -> Backbone:
    """Backbone `name` with timm's pretrained weights of `model`; downloads them if they are not cached."""
    if model.split(".")[0] != name:
        raise ConfigurationError(
            f"ilsvrc.model is {model!r}, but backbone.name is {name!r}; they must be the same network."
        )
    try:
        pretrained = timm.create_model(model, pretrained=True)
    except (OSError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"the weights of timm's {model} could not be had ({first}). Check the network and the tag, "
            "or give a local file: ilsvrc: {origin: file, path: ...}"
        ) from None
    backbone = backbone_from_classifier(name, pretrained.state_dict(), f"timm {model}")
    configuration = pretrained.pretrained_cfg
    stated = {"mean": configuration.get("mean"), "std": configuration.get("std"), "statistics": "ilsvrc"}
    backbone.expect(ExpectedInput.of({"expects": stated}, f"timm {model}"))
    return backbone


def backbone_from_file(name: str, path: Path, expects: Mapping[str, Any] | None = None) -> Backbone:
    """Backbone `name` with the weights of a local file: this project's own, timm's, or a bare state dict.

    expects: mean and std of the input that its weights expect, where the user states them; else the file's own
    description says it. Raises CheckpointError where neither does.
    """
    tensors, description = load_foreign_described(path)
    if any(key.startswith("backbone.") for key in tensors):
        backbone = build_backbone(name, seed=0)
        load_weights(backbone, tensors, prefix="backbone.", origin=str(path))
    else:
        backbone = backbone_from_classifier(name, tensors, str(path))
    stated = {"expects": {**expects, "statistics": "ilsvrc"}} if expects is not None else description
    backbone.expect(ExpectedInput.of(stated, str(path)))
    return backbone


def backbone_from_classifier(name: str, tensors: dict[str, Tensor], origin: str) -> Backbone:
    """Backbone `name` from the state dict of the classification network of the same name.

    Every weight of the backbone must be present; the classifier's own weights are left out.
    """
    backbone = build_backbone(name, seed=0)
    expected = backbone.body.state_dict()
    # the names within the network itself: feature networks are wrapped, ours as `network`, timm's as `model`
    places = {_WRAPPERS.sub("", key): key for key in expected}
    chosen = {}
    for key, tensor in tensors.items():
        # timm's feature networks flatten module names: blocks.0.1 becomes blocks.0.1 or blocks_0.1
        for candidate in (key, key.replace(".", "_", 1)):
            if candidate in places:
                chosen[places[candidate]] = tensor
    if not chosen:
        raise CheckpointError(
            f"checkpoint {origin} is of another architecture than {name}: no weight has a name of that network "
            f"(found {', '.join(list(tensors)[:3])}, ...). Name the backbone it was made with."
        )
    load_weights(backbone.body, chosen, prefix="", origin=origin)
    return backbone
