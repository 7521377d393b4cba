"""Speed of the input pipeline: augmented, encoded batches a second, against a bare loop of decoding and resizing.

    python benchmarks/pipeline.py                                  1280 x 720 JPEGs, crops of 512 x 1024, all task types
    python benchmarks/pipeline.py --workers 1 2 4 8 --task-types segmentation --batches 40

Nothing is trained: batches are taken as fast as they come. Reference, in the same run and right before each
measurement: the same JPEGs decoded and resized to the size that augmentation resizes to on average, one after the
other by one thread, without crop, flip or encoding. `share` is the pipeline's speed by that of the bare loop, by
worker; for masks, depth and normals `share with annotation` is the same where the bare loop decodes and resizes these
pictures, too. `gain` is its speed by its own with one worker. Workers help only where cores are free: the last line
says how much two processes get done beside one another. `cores` is how many such cores deliver `--wanted` images a
second, if each further one gives as much as the last measured.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from reading import free_cores
from torchvision.transforms.v2 import functional as transforms
from training_step import DESCRIBED, drawn

from transfer_atlas.datasets import decoding
from transfer_atlas.datasets.reading import PreparedDataset
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.batches import Batches
from transfer_atlas.training.settings import TrainingSettings

Row = dict[str, Any]
ANNOTATIONS = {"segmentation": "mask", "depth": "depth", "normals": "normals"}  # that are pictures


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def prepared(folder: Path, images: int, size: tuple[int, int]) -> list[Row]:
    """Write a prepared dataset of JPEGs with all that task types ask for. Returns its training rows, encoded."""
    records = []
    for split, count in (("train", images), ("val", 1)):
        for number in range(count):
            record = drawn(number, split, size)
            records.append(replace(record, image=jpeg(record.image)))
    write_prepared(folder, {"name": "drawn", "domain": "benchmark", **DESCRIBED}, records)
    wanted = ["image", *ANNOTATIONS.values(), "depth_scale"]
    shards = sorted((folder / "shards").glob("train-*.parquet"))
    return [row for shard in shards for row in pq.read_table(shard, columns=wanted).to_pylist()]


def bare_loop(rows: list[Row], size: tuple[int, int], annotation: str | None = None) -> None:
    """Decode and resize images, and an annotation that is a picture, one after the other."""
    nearest = transforms.InterpolationMode.NEAREST_EXACT
    for row in rows:
        transforms.resize(decoding.decode_image(row["image"]), list(size), antialias=True)
        if annotation is None:
            continue
        if annotation == "depth":
            picture = decoding.decode_depth(row["depth"], row["depth_scale"])
        else:
            decode = decoding.decode_mask if annotation == "mask" else decoding.decode_normals
            picture = decode(row[annotation])
        transforms.resize(picture if picture.ndim == 3 else picture[None], list(size), interpolation=nearest)


def delivered(folder: Path, task_type: str, settings: TrainingSettings, workers: int, batches: int) -> float:
    """Seconds for so many batches, from a newly opened dataset that keeps no decoded image."""
    dataset = PreparedDataset.open(folder, threads=workers)
    indices = np.arange(dataset.count("train"))
    made = Batches(dataset, TASK_TYPES[task_type], indices, settings, 0)
    return seconds(lambda: [None for _ in made(0, batches)])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image-size", type=int, nargs=2, default=(720, 1280), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--size", type=int, nargs=2, default=(512, 1024), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--batches", type=int, default=24)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--wanted", type=float, default=200.0, help="images a second to feed a GPU with")
    parser.add_argument("--task-types", nargs="+", default=list(TASK_TYPES), choices=list(TASK_TYPES))
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    settings = TrainingSettings(
        resolution=tuple(chosen.size), crop=tuple(chosen.size), batch_size=chosen.batch
    )
    before, images = free_cores(), chosen.batch * chosen.batches
    print(
        f"images of {chosen.image_size}, crops of {chosen.size}, batches of {chosen.batch}; median (lowest to highest)"
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "prepared"
        encoded = prepared(folder, chosen.images, tuple(chosen.image_size))
        for task_type in chosen.task_types:
            rates: dict[int, list[float]] = {workers: [] for workers in chosen.workers}
            shares: dict[int, list[float]] = {workers: [] for workers in chosen.workers}
            annotated: dict[int, list[float]] = {workers: [] for workers in chosen.workers}
            for _ in range(chosen.repetitions):
                for workers in chosen.workers:
                    bare = chosen.images / seconds(lambda: bare_loop(encoded, tuple(chosen.size)))
                    rate = images / delivered(folder, task_type, settings, workers, chosen.batches)
                    rates[workers].append(rate)
                    shares[workers].append(rate / workers / bare)
                    if annotation := ANNOTATIONS.get(task_type):
                        taken = seconds(partial(bare_loop, encoded, tuple(chosen.size), annotation))
                        annotated[workers].append(rate / workers * taken / chosen.images)
            first = rates[chosen.workers[0]]
            for workers in chosen.workers:
                gains = [rate / one for rate, one in zip(rates[workers], first, strict=True)]
                print(
                    f"{task_type:15} {workers:2} workers  {_told(rates[workers])} images/s  "
                    f"share {_told(shares[workers])}  gain {_told(gains)}"
                    + (f"  share with annotation {_told(annotated[workers])}" if annotated[workers] else ""),
                    flush=True,
                )
            each = statistics.median(rates[workers]) / workers
            print(f"{task_type:15} cores for {chosen.wanted:.0f} images/s: {chosen.wanted / each:.1f}")
    print(f"Free cores, as two processes see it: {before:.2f} before, {free_cores():.2f} after")


def _told(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
