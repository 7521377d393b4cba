"""Exports a trained model as one network for other programs, and checks that it answers alike: `transfer-atlas export`.

The network takes pixels (B, 3, H, W) float32 in 0..255 and returns the head's maps: logits of classes or depth at a
quarter of the resolution, or the maps of Objects as Points. It whitens them itself, for what its weights expect.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from torch import Tensor, nn

from transfer_atlas.errors import AtlasError, ConfigurationError
from transfer_atlas.models.model import Model
from transfer_atlas.prediction.trained import load_trained

TOLERANCE = 1e-3  # of the largest output: other programs order their sums otherwise


class Exported(nn.Module):
    """A model whose outputs are a tuple of tensors in a fixed order."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The head's outputs, maps by the order of their names."""
        outputs = self.model(pixels)
        if isinstance(outputs, Tensor):
            return (outputs,)
        return tuple(outputs[name] for name in sorted(outputs))


def main(arguments: Sequence[str] | None = None, progress_to: TextIO = sys.stderr) -> int:
    """`transfer-atlas export MODEL FILE.pt|FILE.onnx --size HEIGHT WIDTH`."""
    parser = argparse.ArgumentParser("transfer-atlas export", description=__doc__)
    parser.add_argument("model", type=Path, help="folder of a run, or its checkpoint")
    parser.add_argument("file", type=Path, help="what to write: .pt for TorchScript, .onnx for ONNX")
    parser.add_argument(
        "--size", type=int, nargs=2, metavar=("HEIGHT", "WIDTH"), help="of the input, multiples of 32"
    )
    parser.add_argument("--dataset", help="whose head to use, of a model trained on several datasets")
    chosen = parser.parse_args(arguments)
    try:
        trained = load_trained(chosen.model, chosen.dataset)
        size = (
            tuple(chosen.size) if chosen.size else tuple(-(-side // 32) * 32 for side in trained.resolution)
        )
        difference = export(trained.model, chosen.file, size)
    except AtlasError as error:
        print(f"transfer-atlas export: {error}", file=progress_to)
        return 1
    print(f"{chosen.file}: outputs agree to {difference:.1e} of the largest", file=progress_to)
    return 0


def export(model: Model, file: Path, size: tuple[int, int]) -> float:
    """Write the network and run it again from the file. Returns the largest difference, relative to the largest output.

    Raises ConfigurationError for an ending or size that is not known, where a package is missing, or where the outputs
    do not agree.
    """
    if any(side % 32 or side <= 0 for side in size):
        raise ConfigurationError(f"the size is {size[0]} x {size[1]}; the network takes multiples of 32.")
    runs = {".pt": _torchscript, ".onnx": _onnx}
    if file.suffix not in runs:
        raise ConfigurationError(
            f"{file} ends in {file.suffix!r}; expected .pt (TorchScript) or .onnx (ONNX)."
        )
    exported = Exported(model.cpu()).eval()
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, *size)).astype(np.float32))
    file.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        wanted = exported(pixels)
        found = runs[file.suffix](exported, pixels, file)
    difference = max(
        ((one - other).abs().max() / one.abs().max().clamp(min=1e-6)).item()
        for one, other in zip(wanted, found, strict=True)
    )
    if not difference <= TOLERANCE:
        file.unlink()
        raise ConfigurationError(
            f"{file} answered otherwise than the model, by {difference:.1e} of the largest output, and was removed; "
            "export to the other format, or use `transfer-atlas predict`."
        )
    return difference


def _torchscript(exported: Exported, pixels: Tensor, file: Path) -> list[Tensor]:
    torch.jit.trace(exported, pixels, check_trace=False).save(str(file))
    return list(torch.jit.load(str(file))(pixels))


def _onnx(exported: Exported, pixels: Tensor, file: Path) -> list[Tensor]:
    try:
        import onnx  # noqa: F401 (the exporter needs it, and says so less clearly)
        import onnxruntime
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            f"ONNX needs the package {error.name}; install them: pip install 'transfer-atlas[onnx]'"
        ) from None
    torch.onnx.export(
        exported, (pixels,), str(file), input_names=["pixels"], dynamo=True, external_data=False
    )
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return [
        torch.from_numpy(np.asarray(values)) for values in session.run(None, {given.name: pixels.numpy()})
    ]


if __name__ == "__main__":
    sys.exit(main())
