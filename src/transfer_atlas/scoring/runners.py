"""The runs that extract: image features of a dataset, and samples of a task as a source sees them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TextIO

import torch

from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.models.backbone import Backbone, backbone_of
from transfer_atlas.models.checkpoints import load_backbone
from transfer_atlas.process.progress import Progress
from transfer_atlas.scoring.features import Sampling, extract_samples, pooled_features
from transfer_atlas.scoring.sample_files import save_samples
from transfer_atlas.scoring.source_heads import source_head
from transfer_atlas.store.store import MODEL_FILE, parent_record
from transfer_atlas.training.device import make_accelerator
from transfer_atlas.training.selection import selected_images

CACHE_BYTES = 2 * 1024**3  # decoded images are read twice: for their annotations, and for the network


def features(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Samples of a task's training images as a source sees them. Returns how many, of how many classes."""
    settings = request["settings"]
    backbone, tensors, origin = _trained(request, "source")
    head = source_head(backbone, tensors, settings["source_task_type"], origin)
    dataset = _dataset(request)
    indices = selected_images(dataset, settings)
    progress = Progress(request["name"], len(indices), progress_to)
    arrays = extract_samples(
        backbone,
        head,
        dataset,
        indices,
        settings["task_type"],
        tuple(settings["resolution"]),
        Sampling(
            tuple(settings["sampling"].split("+")),
            settings["pixels"],
            settings["depth_bins"],
            settings["seed"],
            tuple(settings.get("kept", ())),
        ),
        device=make_accelerator("float32").device,
        watch=lambda done: progress.show(done, "images"),
    )
    save_samples(scratch / "output", arrays, {"key": request["key"]})
    return {
        "images": len(indices),
        "samples": len(arrays["labels"]),
        "dimensions": arrays["features"].shape[1],
        "classes": len(set(arrays["labels"].tolist())),
        "source_classes": arrays["probabilities"].shape[1] if "probabilities" in arrays else None,
    }


def image_features(request: dict[str, Any], scratch: Path, progress_to: TextIO) -> dict[str, Any]:
    """Pooled features of a dataset's training images, for domain distances."""
    settings = request["settings"]
    backbone, _, _ = _trained(request, "model")
    dataset = _dataset(request)
    indices = selected_images(dataset, settings)
    pooled = pooled_features(
        backbone,
        dataset,
        indices,
        settings["task_type"],
        tuple(settings["resolution"]),
        device=make_accelerator("float32").device,
    )
    save_samples(scratch / "output", {"features": pooled}, {"key": request["key"]})
    return {"images": len(indices), "dimensions": pooled.shape[1]}


def _dataset(request: dict[str, Any]) -> PreparedDataset:
    folder = request["parents"]["dataset"]["folder"]
    return PreparedDataset.open(folder, cache_bytes=CACHE_BYTES, threads=torch.get_num_threads())


def _trained(request: dict[str, Any], role: str) -> tuple[Backbone, dict[str, torch.Tensor], str]:
    """Backbone with the weights of a parent, all its tensors, and where they come from.

    Raises LegitimateFailure("source_failed") if the parent legitimately has no weights.
    """
    parent_record(request, role)
    path = Path(request["parents"][role]["folder"]) / MODEL_FILE
    backbone = backbone_of(request["settings"]["backbone"], seed=0)
    return backbone, load_backbone(backbone, path), str(path)
