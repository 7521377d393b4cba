"""Speed of the input pipeline: augmented, encoded batches a second, against a bare loop of decoding and resizing.

    python benchmarks/pipeline.py                                  1280 x 720 JPEGs, crops of 512 x 1024, all task types
    python benchmarks/pipeline.py --workers 1 2 4 8 --task-types segmentation --batches 40

Nothing is trained: batches are taken as fast as they come. Reference, in the same run and right before each
measurement: the same JPEGs decoded and resized to the size that augmentation resizes to on average, one after the
other by one thread, without crop, flip or encoding. `share` is the pipeline's speed by that of the bare loop, by
worker; for segmentation `share with masks` is the same where the bare loop decodes and resizes the masks, too. `gain`
is its speed by its own with one worker. Workers help only where cores are free: the last line says how much two
processes get done beside one another. `cores` is how many such cores deliver `--wanted` images a second, if each
further one gives as much as the last measured.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
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


def seconds(function: Callable[[], object]) -> float:
    began = time.perf_counter()
    function()
    return time.perf_counter() - began


def jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def prepared(folder: Path, images: int, size: tuple[int, int]) -> list[tuple[bytes, bytes]]:
    """Write a prepared dataset of JPEGs with everything that a task type asks for. Returns its training images, and
    their masks."""
    records, encoded = [], []
    for split, count in (("train", images), ("val", 1)):
        for number in range(count):
            record = drawn(number, split, size)
            image = jpeg(record.image)
            records.append(replace(record, image=image))
            encoded += [(image, png(record.mask))] if split == "train" else []
    write_prepared(folder, {"name": "drawn", "domain": "benchmark", **DESCRIBED}, records)
    return encoded


def bare_loop(encoded: list[tuple[bytes, bytes]], size: tuple[int, int], with_masks: bool = False) -> None:
    nearest = transforms.InterpolationMode.NEAREST_EXACT
    for image, mask in encoded:
        transforms.resize(decoding.decode_image(image), list(size), antialias=True)
        if with_masks:
            transforms.resize(decoding.decode_mask(mask)[None], list(size), interpolation=nearest)


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
            with_masks: dict[int, list[float]] = {workers: [] for workers in chosen.workers}
            for _ in range(chosen.repetitions):
                for workers in chosen.workers:
                    bare = chosen.images / seconds(lambda: bare_loop(encoded, tuple(chosen.size)))
                    rate = images / delivered(folder, task_type, settings, workers, chosen.batches)
                    rates[workers].append(rate)
                    shares[workers].append(rate / workers / bare)
                    if task_type == "segmentation":
                        taken = seconds(lambda: bare_loop(encoded, tuple(chosen.size), True))
                        with_masks[workers].append(rate / workers * taken / chosen.images)
            first = rates[chosen.workers[0]]
            for workers in chosen.workers:
                gains = [rate / one for rate, one in zip(rates[workers], first, strict=True)]
                print(
                    f"{task_type:15} {workers:2} workers  {_told(rates[workers])} images/s  "
                    f"share {_told(shares[workers])}  gain {_told(gains)}"
                    + (f"  share with masks {_told(with_masks[workers])}" if with_masks[workers] else ""),
                    flush=True,
                )
            each = statistics.median(rates[workers]) / workers
            print(f"{task_type:15} cores for {chosen.wanted:.0f} images/s: {chosen.wanted / each:.1f}")
    print(f"Free cores, as two processes see it: {before:.2f} before, {free_cores():.2f} after")


def _told(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main()
