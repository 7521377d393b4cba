"""The facts of a dataset card: counts against Table 1, classes and sizes, annotated pixels, licence, source."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from transfer_atlas.datasets.official.card import Card
from transfer_atlas.datasets.prepared import DatasetDescription
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.registry import ADAPTERS

SAMPLE = (
    64  # images of a split, evenly spread, whose masks are looked into: a card costs the same for any size
)
TASK_TYPES = ("segmentation", "detection", "keypoints", "depth", "normals", "classification")
BINS = 8  # of the histogram of image sizes


def dataset_card(
    name: str,
    domain: str,
    adapter: str,
    dataset: PreparedDataset | None,
    told: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The facts of a dataset or part of one, as built-ins.

    adapter: name of what read it; an official one knows source, licence, citation and the counts of Table 1.
    dataset: the prepared dataset; None where it is not here, and then only what `told` (the metrics of its run) and
    the adapter know is in the card. Shares of pixels and counts of classes in masks are of `SAMPLE` images a split.
    """
    known: Card | None = getattr(ADAPTERS.get(adapter), "CARD", None)
    card: dict[str, Any] = {"name": name, "domain": domain, "adapter": adapter, "here": dataset is not None}
    card |= {"title": known.title if known else name, "official": None if known is None else _official(known)}
    card["counts"] = dict(dataset.description.counts if dataset else (told or {}).get("counts", {}))
    card |= {"source": known.obtain if known else "", "licence": known.licence if known else ""}
    card |= {"tasks": {}, "sizes": None, "notes": []}
    if dataset is None:
        return card
    about = dataset.description
    card |= {"source": about.source or card["source"], "licence": about.licence or card["licence"]}
    shards = list(_columns(dataset, ["split", "width", "height"]))
    card["sizes"] = image_sizes(
        np.concatenate([part["width"].to_numpy() for part in shards]),
        np.concatenate([part["height"].to_numpy() for part in shards]),
    )
    card["tasks"] = {kind: _task(dataset, kind) for kind in TASK_TYPES if getattr(about, kind) is not None}
    card["notes"] = list(_notes(about, known, card["counts"]))
    return card


def image_sizes(widths: np.ndarray, heights: np.ndarray) -> dict[str, Any]:
    """Sizes of the images in pixels: extremes, the commonest, and a histogram of the longer side.

    widths, heights (n,) integers. The histogram's edges are equally wide, one bin where all are of one size.
    """
    longer = np.maximum(widths, heights)
    bins = 1 if longer.min() == longer.max() else BINS
    numbers, edges = np.histogram(longer, bins=bins)
    (width, height), number = Counter(zip(widths.tolist(), heights.tolist(), strict=True)).most_common(1)[0]
    return {
        "smallest": [int(widths.min()), int(heights.min())],
        "largest": [int(widths.max()), int(heights.max())],
        "commonest": [width, height],
        "commonest_share": number / len(widths),
        "edges": [float(edge) for edge in edges],
        "numbers": numbers.tolist(),
    }


def _official(card: Card) -> dict[str, Any]:
    return {
        "citation": card.citation,
        "archives": list(card.archives),
        "gigabytes": card.gigabytes,
        "expected": {kind: dict(counts) for kind, counts in card.expected.items()},
        "table1": dict(card.table1),
        "differences": list(card.differences),
        "unverified": list(card.unverified),
    }


def _task(dataset: PreparedDataset, kind: str) -> dict[str, Any]:
    """What is annotated for one task type: classes with their counts by split, shares of pixels."""
    about = getattr(dataset.description, kind)
    if kind == "depth":
        told = {name: getattr(about, name) for name in ("unit", "minimum", "maximum")}
        return told | {
            "valid": {**about.known},
            "in_range": {**about.in_range},
            "maps_without": {**about.maps_without},
        }
    if kind == "normals":
        return {"valid": {**about.known}, "derived": about.intrinsics is not None}
    if kind == "keypoints":
        numbers = {split: _objects(dataset, split) for split in dataset.description.counts}
        return {"names": list(about.names), "objects": numbers}
    counted = {"segmentation": _in_masks, "detection": _of_boxes, "classification": _of_images}[kind]
    found = {split: counted(dataset, split) for split in dataset.description.counts if dataset.count(split)}
    rows = [
        {"name": name, **{split: int(numbers[label]) for split, (numbers, _) in found.items()}}
        for label, name in enumerate(about.classes)
    ]
    unit = {"segmentation": "images", "detection": "boxes", "classification": "images"}[kind]
    told = {"classes": rows, "unit": unit, "absent": {**about.absent_classes}}
    if kind == "segmentation":
        told |= {"sampled": {split: min(SAMPLE, dataset.count(split)) for split in found}}
        told |= {"valid": {split: share for split, (_, share) in found.items()}}
        told |= {"colours": [list(colour) for colour in about.colours]}
    return told


def sampled(count: int, number: int = SAMPLE) -> list[int]:
    """Places evenly spread over `count` images, the same whenever asked."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(number, count)).tolist()})


def _in_masks(dataset: PreparedDataset, split: str) -> tuple[np.ndarray, float]:
    """Images by class of a sample of masks, and the share of its pixels that have a class."""
    classes = len(dataset.description.segmentation.classes)
    numbers, labelled, pixels = np.zeros(classes, dtype=np.int64), 0, 0
    for place in sampled(dataset.count(split)):
        mask = dataset.read(split, [place], "segmentation")[0].mask.numpy()
        counted = np.bincount(mask.ravel(), minlength=classes)[:classes]
        numbers += counted > 0
        labelled, pixels = labelled + int(counted.sum()), pixels + mask.size
    return numbers, labelled / pixels


def _of_boxes(dataset: PreparedDataset, split: str) -> tuple[np.ndarray, None]:
    numbers = np.zeros(len(dataset.description.detection.classes), dtype=np.int64)
    for part in _columns(dataset, ["labels"], split):
        labels = part["labels"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        numbers += np.bincount(labels.astype(np.int64), minlength=len(numbers))[: len(numbers)]
    return numbers, None


def _of_images(dataset: PreparedDataset, split: str) -> tuple[np.ndarray, None]:
    classes = len(dataset.description.classification.classes)
    return np.bincount(dataset.labels(split), minlength=classes)[:classes], None


def _objects(dataset: PreparedDataset, split: str) -> int:
    """Objects of the classes that have keypoints, with one annotated at least."""
    about = dataset.description
    classes = about.keypoints.classes
    labels = [about.detection.classes.index(name) for name in classes] if about.detection else []
    number = 0
    for part in _columns(dataset, ["labels", "keypoints"], split):
        of = part["labels"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        points = part["keypoints"].combine_chunks().flatten().flatten().to_numpy(zero_copy_only=False)
        annotated = (points.reshape(len(of), len(about.keypoints.names), 3)[..., 2] > 0).any(axis=1)
        number += int((annotated & np.isin(of, labels)).sum() if labels else annotated.sum())
    return number


def _columns(dataset: PreparedDataset, names: list[str], split: str | None = None) -> Iterator[pa.Table]:
    """Columns of the shards, of one split or all, shard by shard: no image is read."""
    for file in sorted((Path(dataset.folder) / "shards").glob("*.parquet")):
        if split is None or file.name.rpartition("-")[0] == split:
            yield pq.read_table(file, columns=names)


def _notes(about: DatasetDescription, known: Card | None, counts: Mapping[str, int]) -> Iterator[str]:
    """What a reader must know: files that were left out, and counts that differ from a complete copy's."""
    for what, number in about.passed_over.items():
        yield f"{number} {what} were passed over"
    for file, found in about.broken.items():
        yield f"{file} was left out: {found}"
    if about.segmentation:
        for split, number in about.segmentation.unlabelled_images.items():
            if number:
                yield f"{number} masks of {split} have no labelled pixel"
    if known is None:
        return
    for split, number in known.table1.items():
        found = counts.get(split)
        # numbers in thousands are rounded, or cut
        rounding = 1000 if number % 1000 == 0 else 1
        if split in ("train", "val") and found is not None and abs(found - number) >= rounding:
            yield f"Table 1 prints {number:,} images of {split}; found {found:,}"
