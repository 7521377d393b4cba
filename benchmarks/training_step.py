"""A training step of each task type: images per second, and the share of the device's peak arithmetic.

On a GPU, HRNetV2-W48 at 512 x 1024 in batches of 8; and on a processor, only to try it:

    python benchmarks/training_step.py
    python benchmarks/training_step.py --backbone hrnet_tiny --size 64 64 --peak-size 512 --ways plain bf16

Floor: the operations of forward and backward pass, counted by torch's own counter, over the peak of one large bf16
matrix product measured in the same run. Reference: the same model, batch and loss in a plain fp32 eager loop; ours is
what `precision: bfloat16` and `compile: true` of a study's training settings do (channels-last always), and
beside it without `compile`. Batches lie on the device for these. Then the compiled step is fed by the reader, as in
training, with images of the same size: images per second, and the share of the time in which it waits for a batch.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from accelerate.state import AcceleratorState
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from transfer_atlas.datasets.prepared import DatasetDescription, Objects, Record
from transfer_atlas.datasets.reading import PreparedDataset, Sample
from transfer_atlas.datasets.writing import write_prepared
from transfer_atlas.models.backbone import build_backbone
from transfer_atlas.models.model import Model
from transfer_atlas.tasks.registry import TASK_TYPES
from transfer_atlas.training.batches import AHEAD, Batches
from transfer_atlas.training.device import (
    make_accelerator,
    make_optimizer,
    memory_format,
    pins_memory,
    use_threads,
)
from transfer_atlas.training.fit import training_step
from transfer_atlas.training.loop import LOOK_EVERY
from transfer_atlas.training.settings import TrainingSettings

WAYS = ("plain", "bf16", "compiled")  # fp32 and eager; bfloat16 and channels-last; the same, compiled
DESCRIBED = {
    "segmentation": {
        "classes": [f"class {number}" for number in range(19)],
        "colours": [(number, number, number) for number in range(19)],
    },
    "detection": {"classes": [f"class {number}" for number in range(20)]},
    "keypoints": {
        "names": [f"point {n}" for n in range(17)],
        "flips": list(range(17)),
        "sigmas": [0.05] * 17,
    },
    "depth": {"unit": "metre", "minimum": 0.5, "maximum": 80.0, "scale": 0.01},
    "normals": {},
    "classification": {"classes": [f"class {number}" for number in range(1000)]},
}


def drawn(number: int, split: str, size: tuple[int, int]) -> Record:
    """A smooth random image with everything that a task type asks for."""
    generator = np.random.default_rng(number)
    height, width = size
    coarse = generator.integers(0, 256, (height // 16 + 1, width // 16 + 1, 3), dtype=np.uint8)
    image = coarse.repeat(16, axis=0).repeat(16, axis=1)[:height, :width]
    corners = generator.uniform(0, 0.6, (6, 2)) * (width, height)
    boxes = np.concatenate([corners, corners + 0.3 * np.array([width, height])], axis=1).astype(np.float32)
    points = (
        generator.uniform(0, 1, (6, 17, 2)) * (boxes[:, None, 2:] - boxes[:, None, :2]) + boxes[:, None, :2]
    )
    keypoints = np.concatenate([points, np.full((6, 17, 1), 2)], axis=2).astype(np.float32)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    objects = Objects(boxes, np.arange(6), np.zeros(6, bool), area, keypoints)
    mask = (image[..., 0] % 19).astype(np.uint8)
    depth = (1 + image[..., 1] / 8).astype(np.float32)
    normals = np.concatenate([image[..., :2] / 255 - 0.5, np.full((*size, 1), -1.0)], axis=2)
    normals = (normals / np.linalg.norm(normals, axis=2, keepdims=True)).astype(np.float32)
    return Record(
        f"{split}-{number}",
        split,
        image,
        objects=objects,
        mask=mask,
        depth=depth,
        normals=normals,
        label=number,
    )


def prepared(folder: Path, images: int, size: tuple[int, int]) -> PreparedDataset:
    records = [
        drawn(n, split, size) for split, count in (("train", images), ("val", 1)) for n in range(count)
    ]
    write_prepared(folder, {"name": "drawn", "domain": "consumer", **DESCRIBED}, records)
    return PreparedDataset.open(folder, threads=16)


def waited(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def peak_operations(device: torch.device, side: int) -> float:
    """Operations a second of a bf16 matrix product of this side, the best of ten."""
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(10):
        began = waited(device)
        _ = a @ b
        seconds.append(waited(device) - began)
    return 2 * side**3 / min(seconds)


def new_model(name: str, task_type: str, description: DatasetDescription, device: torch.device) -> Model:
    backbone = build_backbone(name, seed=0)
    head = TASK_TYPES[task_type].head(backbone, description)
    return Model(backbone, head, description.mean, description.std).to(device).train()


def stepper(
    model: Model, task_type: str, ours: bool, compiled: bool = False
) -> Callable[[Tensor, dict[str, Tensor]], Tensor]:
    AcceleratorState._reset_state(reset_partial_state=True)  # one precision a process, else
    accelerator = make_accelerator("bfloat16" if ours else "float32")
    optimizer = make_optimizer(TrainingSettings(), model, 1e-3)
    if ours:
        model.to(memory_format=torch.channels_last)
    return training_step(model, TASK_TYPES[task_type], optimizer, accelerator, compiled=compiled)


def images_per_second(
    step: Callable, images: Tensor, targets: dict[str, Tensor], steps: int
) -> tuple[float, float, float]:
    """Median, lowest and highest of `steps` steps after three to warm up."""
    for _ in range(3):
        step(images, targets)
    rates = []
    for _ in range(steps):
        began = waited(images.device)
        step(images, targets)
        rates.append(len(images) / (waited(images.device) - began))
    return statistics.median(rates), min(rates), max(rates)


def reading(dataset: PreparedDataset, task_type: str, settings: TrainingSettings, steps: int) -> float:
    """Images a second that the reader decodes, augments and encodes, with all its threads."""
    batches = Batches(dataset, TASK_TYPES[task_type], np.arange(dataset.count("train")), settings, 0)
    began = time.perf_counter()
    for _ in batches(0, steps):
        pass
    return steps * settings.batch_size / (time.perf_counter() - began)


def fed(
    step: Callable, dataset: PreparedDataset, task_type: str, settings: TrainingSettings, device: torch.device
) -> tuple[float, float]:
    """Images a second of steps that the reader feeds, and the share of the time in which they wait for a batch."""
    batches = Batches(dataset, TASK_TYPES[task_type], np.arange(dataset.count("train")), settings, 0)
    order = memory_format(device)
    read = iter(batches(0, settings.steps, pin=pins_memory(device)))
    for number in range(settings.steps):
        if number == AHEAD + 1:  # the pipeline is full
            began, waiting = waited(device), 0.0
        asked = time.perf_counter()
        images, targets = next(read)
        if number > AHEAD:
            waiting += time.perf_counter() - asked
        images = images.to(device, memory_format=order, non_blocking=True)
        step(images, {name: value.to(device, non_blocking=True) for name, value in targets.items()})
        if number % LOOK_EVERY == 0:
            waited(device)  # as training looks at its loss
    seconds = waited(device) - began
    return (settings.steps - AHEAD - 1) * settings.batch_size / seconds, waiting / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--backbone", default="hrnet_w48")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 1024), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--peak-size", type=int, default=8192)
    parser.add_argument(
        "--ways", nargs="+", default=WAYS, choices=WAYS, help="the last of them is the one fed"
    )
    parser.add_argument("--task-types", nargs="+", default=list(TASK_TYPES), choices=list(TASK_TYPES))
    chosen = parser.parse_args()
    use_threads(torch.get_num_threads())  # deterministic kernels, as in every run of a study
    size = tuple(chosen.size)
    device = make_accelerator("float32").device
    name = torch.cuda.get_device_name() if device.type == "cuda" else "processor"
    peak = peak_operations(device, chosen.peak_size)
    print(
        f"{name}: bf16 peak {peak / 1e12:.2f} million million operations a second; torch {torch.__version__}"
    )
    print(f"{chosen.backbone}, {size[0]} x {size[1]}, batch {chosen.batch}, median (lowest to highest)")
    steps = max(3 * chosen.steps, 2 * AHEAD)  # of the loop that the reader feeds
    settings = TrainingSettings(resolution=size, crop=size, batch_size=chosen.batch, steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        dataset = prepared(Path(folder) / "prepared", 2 * chosen.batch, size)
        for task_type in chosen.task_types:
            samples: list[Sample] = dataset.read("train", range(chosen.batch), task_type)
            targets = {k: v.to(device) for k, v in TASK_TYPES[task_type].encode(samples).items()}
            images = torch.stack([sample.image for sample in samples]).to(device)
            rates, compiling = {}, 0.0
            for way in chosen.ways:
                torch._dynamo.reset()
                ours = way != "plain"
                model = new_model(chosen.backbone, task_type, dataset.description, device)
                given = images.contiguous(memory_format=torch.channels_last) if ours else images
                if way == chosen.ways[0]:
                    with FlopCounterMode(display=False) as counter:
                        stepper(model, task_type, ours)(given, targets)
                    operations = counter.get_total_flops() / chosen.batch
                step = stepper(model, task_type, ours, compiled=way == "compiled")
                began = waited(device)
                step(given, targets)
                compiling = waited(device) - began
                rates[way] = images_per_second(step, given, targets, chosen.steps)
            first, own = rates[chosen.ways[0]][0], rates[chosen.ways[-1]][0]
            shown = "  ".join(f"{way} {r[0]:.1f} ({r[1]:.1f} to {r[2]:.1f})" for way, r in rates.items())
            speed, waiting = fed(step, dataset, task_type, settings, device)
            print(
                f"{task_type:15} {shown} images/s  ratio {own / first:.2f}  first step {compiling:.0f} s  "
                f"{operations / 1e9:.0f} thousand million operations an image: {own * operations / peak:.0%} of "
                f"the peak  fed {speed:.1f} images/s, waits {waiting:.1%} of the time  "
                f"reader {reading(dataset, task_type, settings, 4):.0f} images/s",
                flush=True,
            )


if __name__ == "__main__":
    main()
