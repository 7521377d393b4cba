"""Files of extracted samples: safetensors with a description in the header, as checkpoints are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from transfer_atlas.errors import CheckpointError, LegitimateFailure

SAMPLES_FILE = "samples.safetensors"


def save_samples(folder: Path, arrays: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """Write named arrays and a JSON description into `folder`."""
    header = {"description": json.dumps(description, sort_keys=True)}
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    save_file(contiguous, folder / SAMPLES_FILE, header)


def save_no_samples(folder: Path, status: str, reason: str) -> None:
    """Samples of a run that legitimately has none."""
    save_samples(folder, {}, {"status": status, "reason": reason})


def load_samples(folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a features run. Raises CheckpointError for a missing or damaged file, LegitimateFailure with the
    run's own status where it has no samples.
    """
    path = Path(folder) / SAMPLES_FILE
    try:
        with safe_open(path, framework="np") as file:
            description = json.loads((file.metadata() or {}).get("description", "{}"))
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"samples {path} cannot be read ({error}). Remove their folder and run snakemake again, or pull it again."
        ) from None
    if not arrays:
        raise LegitimateFailure(
            description.get("status", "no_samples"), description.get("reason", "no samples")
        )
    return arrays
