"""Extracts, once for a source model and a dataset, the samples that all metrics score."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from transfer_atlas.datasets.reading import PreparedDataset, Sample
from transfer_atlas.errors import LegitimateFailure
from transfer_atlas.models.backbone import STRIDE, Backbone, join_branches
from transfer_atlas.models.expected_input import whitening
from transfer_atlas.process.stopping import stop_if_asked
from transfer_atlas.scoring.annotations import Annotation, annotation_of
from transfer_atlas.scoring.sampling import (
    NOT_SAMPLED,
    SCHEMES,
    Scheme,
    class_frequencies,
    places_of,
    quantise,
    sample_cells,
)
from transfer_atlas.scoring.source_heads import predictions
from transfer_atlas.training.geometry import complete_images, fitting_scale

BATCH = 8  # images in the network at a time


@dataclass(frozen=True)
class Sampling:
    """How samples are drawn: `schemes`, at most `pixels` of an image by each, `depth_bins` classes of depth, `seed`.

    kept: what is kept beside the usual arrays: `boxes` of objects, `logits` of the source's head, `places` of pixels.
    """

    schemes: tuple[Scheme, ...]
    pixels: int
    depth_bins: int
    seed: int
    kept: tuple[str, ...] = ()


def extract_samples(
    backbone: Backbone,
    head: nn.Module | None,
    dataset: PreparedDataset,
    indices: np.ndarray,
    task_type: str,
    resolution: tuple[int, int],
    sampling: Sampling,
    *,
    device: torch.device,
    watch: Callable[[int], None] = lambda done: None,
) -> dict[str, np.ndarray]:
    """Samples of the training images `indices`: which they are depends on annotation and seed, not on the source.

    Segmentation, depth and normals are sampled by cells of the feature map at stride 4, detection and keypoints at
    object centres and keypoints, classification by image (features averaged over the image). Depth is quantised into
    classes of equal numbers and kept as it is beside them.

    Returns features (n, d) float32; labels (n,) int64; images (n,) int64, the position in `indices`; targets (n,)
    float64 for depth; probabilities (n, S) float32 if there is a head: at the sample's cell, averaged over the image
    where the sample is an image, or the image's where the head has no map. Where pixels are drawn by two schemes,
    scheme (n,) int64 is the number of each sample's in SCHEMES. As asked, logits (n, S) float32, and boxes (n, 4)
    float32
    of objects: centre x, centre y, width, height, relative to the image; places (n, 2) float32 of pixels: row and
    column of the middle of the sample's cell, relative to the image's height and width.

    Raises LegitimateFailure("no_samples") where nothing is annotated.
    """
    annotations = [
        annotation_of(sample, _extent(sample, resolution), task_type, dataset.description)
        for _, batch in _batches(dataset, indices, task_type)
        for sample in batch
    ]
    chosen, schemes = _choose(annotations, sampling)
    if not sum(len(labels) for _, labels in chosen):
        raise LegitimateFailure("no_samples", f"none of {len(indices)} images has an annotation to score")
    names = ["features"] if head is None else ["features", "probabilities"]
    if head is not None and "logits" in sampling.kept:
        names.append("logits")
    parts: dict[str, list[np.ndarray]] = {name: [np.empty(0)] * len(indices) for name in names}
    backbone.to(device).eval()
    if head is not None:
        head.to(device)
    for start, batch in _batches(dataset, indices, task_type):
        for place, maps, extent in _forward(backbone, head, batch, dataset, resolution, device):
            for name, values in zip(names, maps, strict=False):  # logits last, if they are asked for
                parts[name][start + place] = _at(values, chosen[start + place][0], extent)
        watch(min(start + BATCH, len(indices)))
    values = np.concatenate([labels for _, labels in chosen])
    arrays = {
        "features": np.concatenate(parts["features"]).astype(np.float32),
        "labels": values.astype(np.int64),
        "images": np.repeat(np.arange(len(chosen)), [len(labels) for _, labels in chosen]),
    }
    if annotations[0].kind == "values":
        arrays |= {"targets": values.astype(np.float64), "labels": quantise(values, sampling.depth_bins)}
    for name in names[1:]:
        arrays[name] = np.concatenate(parts[name]).astype(np.float32)
    if "boxes" in sampling.kept and annotations[0].boxes is not None:
        arrays["boxes"] = np.concatenate([each.boxes for each in annotations]).astype(np.float32)
        arrays["boxes"] = arrays["boxes"][_kept_points(annotations, sampling)]
    if "places" in sampling.kept and annotations[0].extent is not None:
        relative = [
            places_of(at, each.extent, STRIDE) for (at, _), each in zip(chosen, annotations, strict=True)
        ]
        arrays["places"] = np.concatenate(relative).astype(np.float32)
    if len(sampling.schemes) > 1 and annotations[0].kind == "cells":
        arrays["scheme"] = np.concatenate(schemes)
    return arrays


@torch.inference_mode()
def pooled_features(
    backbone: Backbone,
    dataset: PreparedDataset,
    indices: np.ndarray,
    task_type: str,
    resolution: tuple[int, int],
    *,
    device: torch.device,
) -> np.ndarray:
    """One feature vector per image, averaged over the part of the map it fills: (n, d) float32 (section 3.2)."""
    backbone.to(device).eval()
    rows = [np.empty(0)] * len(indices)
    for start, batch in _batches(dataset, indices, task_type):
        for place, (features, *_), extent in _forward(backbone, None, batch, dataset, resolution, device):
            rows[start + place] = _at(features, None, extent)
    return np.concatenate(rows).astype(np.float32)


def _extent(sample: Sample, resolution: tuple[int, int]) -> tuple[int, int]:
    """The (height, width) that an image fills of the network's input, as `complete_image` says."""
    height, width = sample.image.shape[1:]
    factor = fitting_scale(height, width, resolution)
    return max(1, round(height * factor)), max(1, round(width * factor))


def _batches(
    dataset: PreparedDataset, indices: np.ndarray, task_type: str
) -> Iterator[tuple[int, list[Sample]]]:
    for start in range(0, len(indices), BATCH):
        stop_if_asked(f"after image {start} of {len(indices)}")
        yield start, dataset.read("train", indices[start : start + BATCH].tolist(), task_type)


def _choose(
    annotations: list[Annotation], sampling: Sampling
) -> tuple[list[tuple[np.ndarray | None, np.ndarray]], list[np.ndarray]]:
    """For each image the positions (m, 2) row and column of its samples, None for the image as a whole; labels (m,);
    and the number of each sample's scheme (m,).
    """
    frequencies = None
    if annotations and annotations[0].kind == "cells":
        classes = 1 + max(int(annotation.cells.max(initial=0)) for annotation in annotations)
        frequencies = class_frequencies([annotation.cells for annotation in annotations], classes)
    chosen, schemes = [], []
    for number, found in enumerate(annotations):
        if found.kind == "image":
            chosen.append((None, found.labels))
        elif found.kind == "points":
            picked = _picked_points(found, number, sampling)
            chosen.append((np.column_stack([found.rows, found.columns])[picked], found.labels[picked]))
        else:
            known = found.cells if found.kind == "cells" else np.where(np.isnan(found.cells), NOT_SAMPLED, 0)
            drawn, of_scheme = [], []
            for scheme in sampling.schemes if found.kind == "cells" else ("uniform",):
                generator = np.random.default_rng([sampling.seed, number])  # the same as if drawn alone
                drawn.append(
                    sample_cells(known.astype(np.int64), sampling.pixels, scheme, frequencies, generator)
                )
                index = SCHEMES.index(scheme) if scheme in SCHEMES else 0
                of_scheme.append(np.full(len(drawn[-1]), index, dtype=np.int64))
            flat = np.concatenate(drawn)
            places = np.column_stack(np.unravel_index(flat, found.cells.shape))
            chosen.append((places, found.cells.ravel()[flat]))
            schemes.append(np.concatenate(of_scheme))
    return chosen, schemes


def _picked_points(found: Annotation, number: int, sampling: Sampling) -> np.ndarray:
    """Which points of an image are sampled: all, or as many as asked for."""
    picked = np.arange(len(found.labels))
    if len(picked) > sampling.pixels:
        generator = np.random.default_rng([sampling.seed, number])
        picked = np.sort(generator.choice(picked, sampling.pixels, replace=False))
    return picked


def _kept_points(annotations: list[Annotation], sampling: Sampling) -> np.ndarray:
    """Positions of the sampled points among those of all images."""
    starts = np.cumsum([0, *(len(each.labels) for each in annotations)])
    return np.concatenate(
        [starts[number] + _picked_points(each, number, sampling) for number, each in enumerate(annotations)]
    )


@torch.inference_mode()
def _forward(
    backbone: Backbone,
    head: nn.Module | None,
    samples: list[Sample],
    dataset: PreparedDataset,
    resolution: tuple[int, int],
    device: torch.device,
) -> Iterator[tuple[int, list[Tensor], tuple[int, int]]]:
    """For each image its place in `samples`, the joined representation (d, H/4, W/4) and, if there is a head, its
    probabilities and logits, and the part that the image fills.
    """
    description = dataset.description
    # weights that are used as they are see images as in their training: each dataset whitened by its own statistics,
    # or all by ILSVRC's
    statistics = whitening(backbone.expects.statistics, description.mean, description.std)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in statistics)
    std = std.clamp(min=1.0)
    for places, inputs, extents in complete_images(samples, resolution, description.mean):
        branches = backbone.branches((inputs.to(device).float() - mean) / std)
        size = (inputs.shape[2] // STRIDE, inputs.shape[3] // STRIDE)
        maps = [join_branches(branches, size)]
        if head is not None:
            maps += predictions(head, branches)
        for row, (place, extent) in enumerate(zip(places, extents, strict=True)):
            yield place, [values[row] for values in maps], extent


def _at(maps: Tensor, positions: np.ndarray | None, extent: tuple[int, int]) -> np.ndarray:
    """Values (m, C) of maps (C, h, w) at positions (m, 2); the mean over the image's part for None."""
    if maps.shape[1:] == (1, 1):
        row = maps[:, 0, 0].cpu().numpy()[None]
        return np.repeat(row, 1 if positions is None else len(positions), axis=0)
    if positions is None:
        height, width = (max(1, side // STRIDE) for side in extent)
        return maps[:, :height, :width].mean(dim=(1, 2)).cpu().numpy()[None]
    rows, columns = torch.from_numpy(positions.astype(np.int64)).to(maps.device).T
    return maps[:, rows, columns].T.cpu().numpy()
