"""Checkpoints: safetensors with a description in the header; nothing is ever unpickled."""

from __future__ import annotations

import errno
import json
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from transfer_atlas.errors import CheckpointError
from transfer_atlas.models.backbone import Backbone
from transfer_atlas.models.expected_input import ExpectedInput


def save_checkpoint(path: Path, tensors: dict[str, Tensor], description: dict[str, Any]) -> None:
    """Write tensors and a JSON description, so that a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    header = {"description": json.dumps(description, sort_keys=True)}
    try:
        save_file(
            {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, part, header
        )
        part.replace(path)
    except SafetensorError as error:
        if "os error 28" in str(error):  # so that a full disk is recognised as one, whoever met it
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error
        raise
    finally:
        part.unlink(missing_ok=True)


def save_no_model(output: Path, status: str, reason: str) -> None:
    """A checkpoint without weights: the declared output of a run that legitimately has none."""
    save_checkpoint(output / "model.safetensors", {}, {"status": status, "reason": reason})


def load_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and description of a checkpoint. Raises CheckpointError if it is missing, truncated or foreign."""
    if not Path(path).is_file():
        raise CheckpointError(f"checkpoint {path} is missing; run snakemake again to compute it, or pull it.")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, ValueError, OSError) as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({error}): truncated or damaged, or not a safetensors file. "
            "Remove its folder and run snakemake again, or pull it again."
        ) from None
    try:
        description = json.loads(header.get("description", "{}"))
    except ValueError:
        description = {}
    # made elsewhere, a description may be free text
    return tensors, description if isinstance(description, dict) else {}


def load_foreign(path: Path) -> dict[str, Tensor]:
    """State dict of a checkpoint made elsewhere: safetensors, or .pt/.pth/.bin read with `weights_only=True`.

    Raises CheckpointError for a truncated file, or one that would run code.
    """
    return load_foreign_described(path)[0]


def load_foreign_described(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """As `load_foreign`, with the description of a safetensors file of this project; empty for others."""
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} is missing; correct ilsvrc.path, or put the file there.")
    if path.suffix == ".safetensors":
        return load_checkpoint(path)
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch wraps the cause in advice to read the file unsafely, which is not passed on
        cause = str(error.__context__ or error).strip().splitlines()[0].split(". Please use")[0]
        if "global" in cause.lower():
            raise CheckpointError(
                f"checkpoint {path} was refused: it is a pickle that holds more than tensors and could run code "
                f"when read ({cause}). Save its state dict as safetensors and name that file."
            ) from None
        raise CheckpointError(
            f"checkpoint {path} was refused ({cause}): it is damaged, or no file of torch.save, or a pickle that "
            "could run code when read. Fetch it again, or save its state dict as safetensors and name that file."
        ) from None
    except Exception as error:  # what a damaged file makes the unpickler stumble on is not limited
        first = str(error).strip().splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"checkpoint {path} cannot be read ({first}): truncated or damaged. Fetch it again."
        ) from None
    for wrapper in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise CheckpointError(
            f"checkpoint {path} holds no state dict (name -> tensor); found {type(found).__name__}."
        )
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}, {}


def load_backbone(backbone: Backbone, path: Path) -> dict[str, Tensor]:
    """Fill a backbone from a checkpoint of the store, with the input that its weights expect.

    Returns all tensors of the checkpoint. Raises CheckpointError for another architecture, or one that does not say
    what its weights expect.
    """
    tensors, description = load_checkpoint(path)
    expects = ExpectedInput.of(description, str(path))
    load_weights(backbone, tensors, prefix="backbone.", origin=str(path))
    backbone.expect(expects)
    return tensors


def load_weights(module: nn.Module, tensors: dict[str, Tensor], *, prefix: str, origin: str) -> None:
    """Copy `tensors` whose names start with `prefix` into `module`, every one and to the exact shape.

    Raises CheckpointError naming the first differences if the checkpoint is of another architecture.
    """
    chosen = {
        name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)
    }
    expected = module.state_dict()
    problems = [
        f"{name} has shape {tuple(chosen[name].shape)}, expected {tuple(expected[name].shape)}"
        for name in expected
        if name in chosen and chosen[name].shape != expected[name].shape
    ]
    problems += [f"{name} is missing" for name in expected if name not in chosen]
    problems += [f"{name} is not part of the network" for name in chosen if name not in expected]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise CheckpointError(
            f"checkpoint {origin} is of another architecture: {'; '.join(problems[:3])}{more}. "
            "Name the backbone it was made with, or another checkpoint."
        )
    module.load_state_dict(chosen)
